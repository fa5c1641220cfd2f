//! Payloads of CCP. An input that parses is encoded in canonical form, and that form parses to the same payload and
//! encodes to the same bytes. A truncated payload does not parse, and lists have the length that they declare.
#![no_main]

use ilp_connector::wire::ccp::{RouteControl, RouteUpdate, Strings, UpdateWriter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    match RouteControl::parse(input) {
        Ok(control) => {
            let payload = written_control(&control);
            assert!(payload.len() <= input.len() && input.starts_with(&payload));
            assert_eq!(RouteControl::parse(&payload), Ok(control));
            assert!(RouteControl::parse(&payload[..payload.len() - 1]).is_err());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match RouteUpdate::parse(input) {
        Ok(update) => {
            let payload = written_update(&update);
            assert!(payload.len() <= input.len() && input.starts_with(&payload));
            assert_eq!(RouteUpdate::parse(&payload), Ok(update));
            assert!(RouteUpdate::parse(&payload[..payload.len() - 1]).is_err());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

fn written_control(control: &RouteControl<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    control.encode(&mut payload);
    payload
}

fn written_update(update: &RouteUpdate<'_>) -> Vec<u8> {
    let mut writer = UpdateWriter::default();
    assert_eq!(update.new_routes.count(), update.new_routes.len());
    for route in update.new_routes {
        let path = route.path.encoded();
        assert_eq!(Strings::from_encoded(route.path.len(), path), route.path);
        assert_eq!(route.path.count(), route.path.len());
        assert_eq!(route.props.count(), route.props.len());
        writer.advertise(route.prefix, route.path.len(), [path], route.auth, route.props);
    }
    assert_eq!(update.withdrawn_routes.count(), update.withdrawn_routes.len());
    update.withdrawn_routes.for_each(|prefix| writer.withdraw(prefix));
    writer.finish(update.table, update.epochs, update.hold_down_ms, update.speaker)
}

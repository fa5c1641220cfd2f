//! The vectors, byte for byte; every truncation; what errors say.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::wire::vectors::{self, Expect, written};
use crate::wire::{Amount, Condition};

/// A minute before the requests of the vectors expire.
fn now() -> Timestamp {
    Timestamp::read17(b"20150616000000000").unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn fields_of_control(control: &RouteControl<'_>) -> Value {
    json!({
        "mode": control.mode as u8,
        "lastKnownRoutingTableId": hex::encode(control.last_known_table.0),
        "lastKnownEpoch": control.last_known_epoch,
        "features": control.features.map(text).collect::<Vec<_>>(),
    })
}

fn fields_of_update(update: &RouteUpdate<'_>) -> Value {
    let prop = |prop: Prop<'_>| {
        json!({
            "isOptional": prop.meta & 0x80 != 0,
            "isTransitive": prop.meta & 0x40 != 0,
            "isPartial": prop.meta & 0x20 != 0,
            "isUtf8": prop.meta & 0x10 != 0,
            "id": prop.id,
            "value_hex": hex::encode(prop.value),
        })
    };
    let route = |route: NewRoute<'_>| {
        json!({
            "prefix": text(route.prefix),
            "path": route.path.map(text).collect::<Vec<_>>(),
            "auth": hex::encode(route.auth),
            "props": route.props.map(prop).collect::<Vec<_>>(),
        })
    };
    json!({
        "routingTableId": hex::encode(update.table.0),
        "currentEpochIndex": update.epochs.current,
        "fromEpochIndex": update.epochs.from,
        "toEpochIndex": update.epochs.to,
        "holdDownTime": update.hold_down_ms,
        "speaker": update.speaker.as_str(),
        "newRoutes": update.new_routes.map(route).collect::<Vec<_>>(),
        "withdrawnRoutes": update.withdrawn_routes.map(text).collect::<Vec<_>>(),
    })
}

fn written_again(update: &RouteUpdate<'_>) -> Vec<u8> {
    let mut writer = UpdateWriter::default();
    for route in update.new_routes {
        let path = route.path.encoded();
        writer.advertise(route.prefix, route.path.len(), [path], route.auth, route.props);
    }
    update.withdrawn_routes.for_each(|prefix| writer.withdraw(prefix));
    let most = writer.len(update.speaker);
    let payload = writer.finish(update.table, update.epochs, update.hold_down_ms, update.speaker);
    assert!((most - 4..=most).contains(&payload.len()), "{most} for {}", payload.len());
    payload
}

#[test]
fn vectors_of_ccp() {
    for entry in vectors::list(&vectors::load("ccp"), "packets") {
        let bytes = vectors::bytes(entry, "prepare_hex");
        let prepare = Prepare::parse(&bytes).unwrap();
        let request = RouteRequest::read(&prepare, now());
        let accepted = vectors::expect(entry) == Expect::Accept;
        assert_eq!(request.is_ok(), accepted, "{} {request:?}", vectors::text(entry, "name"));
        let Ok(request) = request else { continue };
        assert_eq!(prepare.data, vectors::bytes(entry, "data_hex"));
        let (fields, again, destination) = match &request {
            RouteRequest::Control(control) => {
                let again = written(|out| control.encode(out));
                (fields_of_control(control), again, AddressRef::PEER_ROUTE_CONTROL)
            }
            RouteRequest::Update(update) => {
                (fields_of_update(update), written_again(update), AddressRef::PEER_ROUTE_UPDATE)
            }
        };
        assert_eq!(fields, entry["fields"], "{entry}");
        assert_eq!(again, prepare.data, "{entry}");
        let request_again = Prepare::peer_request(destination, &again, prepare.expires_at);
        assert_eq!(written(|out| request_again.encode(out)), bytes, "{entry}");
        vectors::refuse_truncations(prepare.data, |data| {
            RouteRequest::read(&Prepare { data, ..prepare }, now()).is_ok()
        });
        // Surplus bytes are ignored.
        let longer = [prepare.data, b"more"].concat();
        assert_eq!(RouteRequest::read(&Prepare { data: &longer, ..prepare }, now()), Ok(request));
    }
}

#[test]
fn errors_name_the_field() {
    let control = RouteControl::new(RouteControlMode::Sync, TableId::NONE, 0);
    let payload = written(|out| control.encode(out));
    let later = now().saturating_add(Duration::from_secs(60));
    let good = Prepare::peer_request(AddressRef::PEER_ROUTE_CONTROL, &payload, later);
    assert!(RouteRequest::read(&good, now()).is_ok());
    let check = |prepare: Prepare<'_>, message: &str| {
        assert_eq!(RouteRequest::read(&prepare, now()).unwrap_err().to_string(), message);
    };
    check(
        Prepare { destination: AddressRef::PEER_CONFIG, ..good },
        "peer request: destination is neither peer.route.control nor peer.route.update",
    );
    check(
        Prepare { condition: Condition::PING, ..good },
        "peer request: executionCondition is not the SHA-256 of 32 zero bytes",
    );
    check(Prepare { amount: Amount(1), ..good }, "peer request: amount is not 0");
    check(Prepare { expires_at: now(), ..good }, "peer request: expiresAt has passed");
    check(
        Prepare { data: &[2; 30], ..good },
        "route control: mode is 2, expected 0 (idle) or 1 (sync)",
    );
    check(
        Prepare { destination: AddressRef::PEER_ROUTE_UPDATE, ..good },
        "route update: fromEpochIndex needs 4 bytes, 3 left",
    );
}

#[test]
fn a_count_reserves_nothing() {
    // 2^64 - 1 features, of which one is there.
    let mut payload = vec![1; 21];
    payload.extend([8, 255, 255, 255, 255, 255, 255, 255, 255, 1, b'a']);
    let error = RouteControl::parse(&payload).unwrap_err();
    assert_eq!(error.to_string(), "route control: features needs 1 bytes, 0 left");
}

#[test]
fn the_id_of_a_table_reads_as_a_uuid() {
    let id = TableId(*b"\x70\xd1\xa1\x34\xa0\xdf\x4f\x47\x96\x4f\x6e\x19\xe2\xab\x37\x90");
    assert_eq!(id.to_string(), "70d1a134-a0df-4f47-964f-6e19e2ab3790");
}

//! CCP payloads.

use ilp_connector::wire::ccp::{NewRoute, Prop, RouteControl, RouteUpdate, UpdateWriter};
use serde_json::{Value, json};

use crate::differential::fields::Fields;

pub(super) fn control(input: &[u8], fields: &mut Fields) -> Option<()> {
    let control = RouteControl::parse(input).ok()?;
    fields.set("mode", control.mode as u8);
    fields.set("tableId", control.last_known_table.to_string());
    fields.set("epoch", control.last_known_epoch);
    fields.set("features", control.features.map(hex::encode).collect::<Vec<_>>());
    let mut again = Vec::new();
    control.encode(&mut again);
    fields.octets("again", &again);
    Some(())
}

pub(super) fn update(input: &[u8], fields: &mut Fields) -> Option<()> {
    let update = RouteUpdate::parse(input).ok()?;
    fields.set("tableId", update.table.to_string());
    fields.set("currentEpoch", update.epochs.current);
    fields.set("fromEpoch", update.epochs.from);
    fields.set("toEpoch", update.epochs.to);
    fields.set("holdDown", update.hold_down_ms);
    fields.octets("speaker", update.speaker.as_bytes());
    fields.set("newRoutes", update.new_routes.map(new_route).collect::<Vec<_>>());
    fields.set("withdrawnRoutes", update.withdrawn_routes.map(hex::encode).collect::<Vec<_>>());
    let mut again = UpdateWriter::default();
    for route in update.new_routes {
        let path = [route.path.encoded()];
        again.advertise(route.prefix, route.path.len(), path, route.auth, route.props);
    }
    update.withdrawn_routes.for_each(|prefix| again.withdraw(prefix));
    let again = again.finish(update.table, update.epochs, update.hold_down_ms, update.speaker);
    fields.octets("again", &again);
    Some(())
}

fn new_route(route: NewRoute<'_>) -> Value {
    let props = route.props.map(|Prop { meta, id, value }| {
        let is = |bit| meta & bit != 0;
        json!([is(0x80), is(0x40), is(0x20), is(0x10), id, hex::encode(value)])
    });
    json!([
        hex::encode(route.prefix),
        route.path.map(hex::encode).collect::<Vec<_>>(),
        hex::encode(route.auth),
        props.collect::<Vec<_>>(),
    ])
}

//! Decodes an input with our codecs: its fields, or `None` if we refuse it.

mod ccp;
mod stream;

use ilp_connector::wire::btp::{BtpFrame, FrameBody};
use ilp_connector::wire::ilp::{Fulfill, Packet};
use ilp_connector::wire::{AddressRef, Fulfillment, ildcp};
use oer_codec::{Reader, put_u8, put_u16, put_u32, put_u64, put_var_octet_string, put_var_uint};
use serde_json::{Value, json};

use super::Codec;
use super::fields::Fields;

pub(super) fn decode(codec: Codec, input: &[u8]) -> Option<Value> {
    let mut fields = Fields::default();
    match codec {
        Codec::Oer => oer(input, &mut fields),
        Codec::Address => address(input, &mut fields),
        Codec::Ilp => ilp(input, &mut fields),
        Codec::Btp => btp(input, &mut fields),
        Codec::Ildcp => ildcp(input, &mut fields),
        Codec::CcpControl => ccp::control(input, &mut fields),
        Codec::CcpUpdate => ccp::update(input, &mut fields),
        Codec::Stream => stream::packet(input, &mut fields),
    }?;
    Some(fields.into_value())
}

fn oer(input: &[u8], fields: &mut Fields) -> Option<()> {
    let (kind, rest) = input.split_first()?;
    let (mut reader, mut again) = (Reader::new(rest), Vec::new());
    let value = match kind % 6 {
        0 => reader.u8().map(|value| (put_u8(value, &mut again), value.to_string()).1),
        1 => reader.u16().map(|value| (put_u16(value, &mut again), value.to_string()).1),
        2 => reader.u32().map(|value| (put_u32(value, &mut again), value.to_string()).1),
        3 => reader.u64().map(|value| (put_u64(value, &mut again), value.to_string()).1),
        4 => reader.var_octet_string().map(|octets| {
            put_var_octet_string(octets, &mut again);
            hex::encode(octets)
        }),
        _ => reader.var_uint().map(|value| (put_var_uint(value, &mut again), value.to_string()).1),
    };
    fields.set("value", value.ok()?);
    fields.set("left", reader.remaining());
    fields.octets("again", &again);
    Some(())
}

fn address(input: &[u8], fields: &mut Fields) -> Option<()> {
    fields.octets("address", AddressRef::parse(input).ok()?.as_bytes());
    Some(())
}

fn ilp(input: &[u8], fields: &mut Fields) -> Option<()> {
    let packet = Packet::parse(input).ok()?;
    match packet {
        Packet::Prepare(prepare) => {
            fields.set("type", 12);
            fields.set("amount", prepare.amount.0.to_string());
            fields.set("expiresAt", prepare.expires_at.as_millis());
            fields.octets("condition", &prepare.condition.0);
            fields.octets("destination", prepare.destination.as_bytes());
            fields.octets("data", prepare.data);
        }
        Packet::Fulfill(fulfill) => {
            fields.set("type", 13);
            fields.octets("fulfillment", &fulfill.fulfillment.0);
            fields.octets("data", fulfill.data);
        }
        Packet::Reject(reject) => {
            fields.set("type", 14);
            fields.octets("code", &reject.code.0);
            let triggered_by = reject.triggered_by.map_or(&[][..], AddressRef::as_bytes);
            fields.octets("triggeredBy", triggered_by);
            fields.octets("message", reject.message);
            fields.octets("data", reject.data);
        }
    }
    let mut again = Vec::new();
    packet.encode(&mut again);
    fields.octets("again", &again);
    Some(())
}

fn btp(input: &[u8], fields: &mut Fields) -> Option<()> {
    let frame = BtpFrame::parse(input).ok()?;
    fields.set("type", frame.body.kind() as u8);
    fields.set("requestId", frame.request_id.0);
    match frame.body {
        FrameBody::Response | FrameBody::Message => {}
        FrameBody::Transfer { amount } => fields.set("amount", amount.0.to_string()),
        FrameBody::Error { code, name, triggered_at, data } => {
            fields.octets("code", &code.0);
            fields.octets("name", name.as_bytes());
            fields.set("triggeredAt", triggered_at.timestamp().as_millis());
            fields.octets("data", data);
        }
    }
    let entries = frame.protocol_data.iter().map(|entry| {
        json!([hex::encode(entry.name), entry.content_type.0, hex::encode(entry.data)])
    });
    fields.set("protocolData", entries.collect::<Vec<_>>());
    let mut again = Vec::new();
    frame.encode(&mut again);
    fields.octets("again", &again);
    Some(())
}

fn ildcp(input: &[u8], fields: &mut Fields) -> Option<()> {
    let fulfill = Fulfill::parse(input).ok()?;
    let response = ildcp::IldcpResponse::from_fulfill(&fulfill).ok()?;
    fields.octets("clientAddress", response.client_address.as_bytes());
    fields.set("assetScale", response.asset_scale);
    fields.octets("assetCode", response.asset_code.as_bytes());
    let mut data = Vec::new();
    response.encode(&mut data);
    let mut again = Vec::new();
    Fulfill { fulfillment: Fulfillment::ZERO, data: &data }.encode(&mut again);
    fields.octets("again", &again);
    Some(())
}

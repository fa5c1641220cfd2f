//! Decodes with this program's codecs.

use ilp_connector::wire::ilp::Packet;
use ilp_connector::wire::{AddressRef, ildcp};
use oer_codec::Reader;

use super::{Codec, Fields};

/// The fields; `None`: the input is refused.
pub(super) fn decode(codec: Codec, input: &[u8]) -> Option<Fields> {
    let mut reader = Reader::new(input);
    match codec {
        Codec::VarUint => {
            let value = reader.var_uint().ok()?;
            Some(vec![("value", value.to_be_bytes().to_vec()), ("left", reader.rest().to_vec())])
        }
        Codec::Octets => {
            let value = reader.var_octet_string().ok()?;
            Some(vec![("value", value.to_vec()), ("left", reader.rest().to_vec())])
        }
        Codec::Address => {
            let address = AddressRef::parse(input).ok()?;
            Some(vec![
                ("address", address.as_bytes().to_vec()),
                ("scheme", address.segments().next()?.as_bytes().to_vec()),
            ])
        }
        Codec::Packet => Packet::parse(input).ok().map(|packet| packet_fields(&packet)),
        Codec::Ildcp => {
            let response = ildcp::IldcpResponse::parse(input).ok()?;
            Some(vec![
                ("clientAddress", response.client_address.as_bytes().to_vec()),
                ("assetScale", vec![response.asset_scale]),
                ("assetCode", response.asset_code.as_bytes().to_vec()),
            ])
        }
    }
}

fn packet_fields(packet: &Packet<'_>) -> Fields {
    match packet {
        Packet::Prepare(prepare) => {
            let millis =
                i64::try_from(prepare.expires_at.as_millis()).expect("before the year 10000");
            vec![
                ("amount", prepare.amount.0.to_be_bytes().to_vec()),
                ("expiresAt", millis.to_be_bytes().to_vec()),
                ("condition", prepare.condition.0.to_vec()),
                ("destination", prepare.destination.as_bytes().to_vec()),
                ("data", prepare.data.to_vec()),
            ]
        }
        Packet::Fulfill(fulfill) => {
            vec![("fulfillment", fulfill.fulfillment.0.to_vec()), ("data", fulfill.data.to_vec())]
        }
        Packet::Reject(reject) => vec![
            ("code", reject.code.0.to_vec()),
            ("triggeredBy", reject.triggered_by.map_or(&[][..], AddressRef::as_bytes).to_vec()),
            ("message", reject.message.to_vec()),
            ("data", reject.data.to_vec()),
        ],
    }
}

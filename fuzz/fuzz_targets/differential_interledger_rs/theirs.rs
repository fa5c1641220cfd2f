//! Decodes with the codecs of interledger-rs. They panic on some inputs, which must not end the run, so the panic hook
//! of libFuzzer, which ends the process, is replaced.

use std::cell::Cell;
use std::convert::TryFrom;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::time::UNIX_EPOCH;

use bytes::{Bytes, BytesMut};
use interledger_ildcp::IldcpResponse;
use interledger_packet::oer::BufOerExt as _;
use interledger_packet::{Address, Packet};

use super::{Codec, Fields, Outcome};

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// From now on their panics are results. A panic of ours still ends the run.
pub(super) fn may_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let fatal = take_hook();
        set_hook(Box::new(move |info| {
            if !ASKED.get() {
                fatal(info);
            }
        }));
    });
}

pub(super) fn decode(codec: Codec, input: &[u8]) -> Outcome {
    ASKED.set(true);
    let answer = catch_unwind(|| read(codec, input));
    ASKED.set(false);
    match answer {
        Ok(Some(fields)) => Outcome::Accepted(fields),
        Ok(None) => Outcome::Refused,
        Err(_) => Outcome::Panicked,
    }
}

fn read(codec: Codec, input: &[u8]) -> Option<Fields> {
    let mut reader = input;
    match codec {
        Codec::VarUint => {
            let value = reader.read_var_uint().ok()?;
            Some(vec![("value", value.to_be_bytes().to_vec()), ("left", reader.to_vec())])
        }
        Codec::Octets => {
            let value = reader.read_var_octet_string().ok()?;
            Some(vec![("value", value.to_vec()), ("left", reader.to_vec())])
        }
        Codec::Address => {
            let address = Address::try_from(input).ok()?;
            Some(vec![
                ("address", address.to_bytes().to_vec()),
                ("scheme", address.scheme().as_bytes().to_vec()),
            ])
        }
        Codec::Packet => {
            Packet::try_from(BytesMut::from(input)).ok().map(|packet| packet_fields(&packet))
        }
        Codec::Ildcp => {
            let response = IldcpResponse::try_from(Bytes::from(input)).ok()?;
            Some(vec![
                ("clientAddress", response.ilp_address().to_bytes().to_vec()),
                ("assetScale", vec![response.asset_scale()]),
                ("assetCode", response.asset_code().to_vec()),
            ])
        }
    }
}

fn packet_fields(packet: &Packet) -> Fields {
    match packet {
        Packet::Prepare(prepare) => {
            let millis = |since: std::time::Duration| i64::try_from(since.as_millis());
            let expires_at = match prepare.expires_at().duration_since(UNIX_EPOCH) {
                Ok(after) => millis(after),
                Err(before) => millis(before.duration()).map(|before| -before),
            };
            vec![
                ("amount", prepare.amount().to_be_bytes().to_vec()),
                ("expiresAt", expires_at.expect("within 300,000 years").to_be_bytes().to_vec()),
                ("condition", prepare.execution_condition().to_vec()),
                ("destination", prepare.destination().to_bytes().to_vec()),
                ("data", prepare.data().to_vec()),
            ]
        }
        Packet::Fulfill(fulfill) => {
            vec![("fulfillment", fulfill.fulfillment().to_vec()), ("data", fulfill.data().to_vec())]
        }
        Packet::Reject(reject) => vec![
            ("code", <[u8; 3]>::from(reject.code()).to_vec()),
            (
                "triggeredBy",
                reject.triggered_by().map(|by| by.to_bytes().to_vec()).unwrap_or_default(),
            ),
            ("message", reject.message().to_vec()),
            ("data", reject.data().to_vec()),
        ],
    }
}

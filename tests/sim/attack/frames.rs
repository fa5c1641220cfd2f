//! The frames and packets of an attacker.

use ilp_connector::wire::Fulfillment;
use ilp_connector::wire::btp::FrameBody;
use ilp_connector::wire::ilp::{ErrorCode, Fulfill, Packet, Reject};

use crate::world::btp::frame_of;

/// The first byte of the data of its packets, and their number. No payment of an honest program has so many bytes.
const MARK: u8 = 0xa7;

/// The data of one of its own packets.
pub(super) fn data_of(number: u64, more_bytes: usize) -> Vec<u8> {
    let mut data = vec![MARK];
    data.extend(number.to_be_bytes());
    data.resize(data.len() + more_bytes, 0);
    data
}

/// The number of one of its own packets.
pub(super) fn number_in(data: &[u8]) -> Option<u64> {
    let (mark, data) = data.split_first()?;
    let (number, _) = data.split_first_chunk()?;
    (*mark == MARK).then(|| u64::from_be_bytes(*number))
}

pub(super) fn fulfillment_of(number: u64) -> Fulfillment {
    let mut preimage = [9; 32];
    preimage[..8].copy_from_slice(&number.to_be_bytes());
    Fulfillment(preimage)
}

pub(super) fn fulfill(id: u32, fulfillment: Fulfillment, data: &[u8]) -> Vec<u8> {
    frame_of(id, &FrameBody::Response, &Packet::Fulfill(Fulfill { fulfillment, data }))
}

pub(super) fn reject(id: u32) -> Vec<u8> {
    let (code, message) = (ErrorCode::F99, &b"no"[..]);
    let packet = Packet::Reject(Reject { code, triggered_by: None, message, data: &[] });
    frame_of(id, &FrameBody::Response, &packet)
}

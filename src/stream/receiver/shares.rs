//! Divides the money of a packet between its streams.

use super::reply::STREAM_FRAMES_MAX;
use crate::wire::Amount;
use crate::wire::stream::{StreamFrame, StreamId, StreamPacket};

/// The money of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamTotal {
    /// The stream.
    pub stream: StreamId,
    /// In the receiver's units.
    pub amount: Amount,
}

/// What a packet with this amount adds to its streams; to the first ones if there are too many. Rounding may leave some
/// of the amount to no stream.
///
/// RFC 29 "StreamMoney Frame": a stream gets the part of the amount that its shares are of all shares.
pub(super) fn shares_of(request: &StreamPacket<'_>, amount: Amount) -> Vec<StreamTotal> {
    let money = || {
        request.frames.iter().filter_map(|frame| match frame {
            StreamFrame::StreamMoney { stream, shares } => Some((stream, u128::from(shares))),
            _ => None,
        })
    };
    // The data of a packet has room for fewer than 2^15 frames, each with fewer than 2^64 shares.
    let all: u128 = money().map(|(_, shares)| shares).sum();
    let mut streams: Vec<StreamTotal> = Vec::new();
    for (stream, shares) in money() {
        let part = (u128::from(amount.0) * shares).checked_div(all).unwrap_or(0);
        let part = u64::try_from(part).expect("a part is not more than the whole");
        if let Some(known) = streams.iter_mut().find(|known| known.stream == stream) {
            // All parts together are not more than the whole.
            known.amount = Amount(known.amount.0.saturating_add(part));
        } else if streams.len() < STREAM_FRAMES_MAX {
            streams.push(StreamTotal { stream, amount: Amount(part) });
        }
    }
    streams
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ilp::PacketType;
    use crate::wire::stream::Frames;

    fn check(amount: u64, frames: &[(u64, u64)], expected: &[(u64, u64)]) {
        let frames: Vec<_> = frames
            .iter()
            .map(|&(stream, shares)| StreamFrame::StreamMoney { stream: StreamId(stream), shares })
            .collect();
        let packet = StreamPacket {
            packet_type: PacketType::Prepare,
            sequence: 1,
            amount: Amount(0),
            frames: Frames::from_frames(&frames),
        };
        let found = shares_of(&packet, Amount(amount));
        let found: Vec<_> = found.iter().map(|one| (one.stream.0, one.amount.0)).collect();
        assert_eq!(found, expected);
        assert!(found.iter().map(|(_, amount)| u128::from(*amount)).sum::<u128>() <= amount.into());
    }

    #[test]
    fn a_stream_gets_its_part_rounded_down() {
        check(10, &[(1, 1)], &[(1, 10)]);
        check(10, &[(1, 1), (3, 2)], &[(1, 3), (3, 6)]);
        check(10, &[(1, 1), (3, 1), (1, 2)], &[(1, 7), (3, 2)]);
        check(10, &[(1, 0)], &[(1, 0)]);
        check(10, &[], &[]);
        check(u64::MAX, &[(1, u64::MAX)], &[(1, u64::MAX)]);
        check(u64::MAX, &[(1, u64::MAX), (3, u64::MAX)], &[(1, u64::MAX / 2), (3, u64::MAX / 2)]);
        let many: Vec<_> = (0..2_000).map(|stream| (stream, 1)).collect();
        let first: Vec<_> = (0..20).map(|stream| (stream, 5)).collect();
        check(10_000, &many, &first);
    }
}

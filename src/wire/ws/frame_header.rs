//! Reads the header of a WebSocket frame (RFC 6455 5.2): where the frame ends, whether it is a whole binary message.

use super::{FIN_BINARY, MASKED};

const FINAL: u8 = 0x80;
const OPCODE: u8 = 0x0f;
/// Opcodes from here on are control frames.
const FIRST_CONTROL: u8 = 0x8;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    first: u8,
    /// The masking key of the payload.
    pub mask: Option<[u8; 4]>,
    /// Its own length, in bytes.
    pub header_len: usize,
    /// The length of the payload, as the sender claims, in bytes.
    pub payload_len: u64,
}

impl FrameHeader {
    /// The longest header: two bytes, a length of eight, a mask of four.
    pub const BYTES_MAX: usize = 14;

    /// Parses a header. `None`: it is not complete yet.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (payload_len, mut header_len) = match second & !MASKED {
            126 => (u16::from_be_bytes(*rest.first_chunk()?).into(), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
            short => (short.into(), 2),
        };
        let mask = if second & MASKED == 0 {
            None
        } else {
            let key = *bytes.get(header_len..)?.first_chunk()?;
            header_len += 4;
            Some(key)
        };
        Some(Self { first: *first, mask, header_len, payload_len })
    }

    /// The whole frame's length, if its payload is no longer than `payload_max`.
    #[must_use]
    pub fn frame_len(&self, payload_max: usize) -> Option<usize> {
        let payload_len = usize::try_from(self.payload_len).ok()?;
        (payload_len <= payload_max).then(|| self.header_len + payload_len)
    }

    /// Whether this is a whole binary message, as BTP uses them.
    #[must_use]
    pub fn is_binary_message(&self) -> bool {
        self.first == FIN_BINARY
    }

    /// Whether this is a fragment of a message, and not the last one.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.first & (OPCODE | FINAL) < FIRST_CONTROL
    }

    /// Whether a message is unfinished after this frame; `before`: whether one was before it.
    #[must_use]
    pub fn leaves_unfinished(&self, before: bool) -> bool {
        if self.first & OPCODE >= FIRST_CONTROL { before } else { self.first & FINAL == 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_every_size() {
        let check = |bytes: &[u8], expected: Option<(usize, u64, Option<[u8; 4]>)>| {
            let header = FrameHeader::read(bytes);
            let found = header.map(|header| (header.header_len, header.payload_len, header.mask));
            assert_eq!(found, expected, "{bytes:x?}");
            // One byte less is never enough.
            if let Some((header_len, ..)) = expected {
                assert_eq!(FrameHeader::read(&bytes[..header_len - 1]), None);
            }
        };
        check(&[], None);
        check(&[0x82], None);
        check(&[0x82, 5], Some((2, 5, None)));
        check(&[0x82, 125, 9], Some((2, 125, None)));
        check(&[0x82, 126, 1, 0], Some((4, 256, None)));
        check(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], Some((10, 65_536, None)));
        check(&[0x82, 0x85, 1, 2, 3, 4], Some((6, 5, Some([1, 2, 3, 4]))));
        check(&[0x82, 0xfe, 0, 200, 1, 2, 3, 4], Some((8, 200, Some([1, 2, 3, 4]))));
        let longest = [0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4];
        check(&longest, Some((FrameHeader::BYTES_MAX, u64::MAX, Some([1, 2, 3, 4]))));
        assert_eq!(FrameHeader::read(&longest).unwrap().frame_len(usize::MAX - 1), None);
    }

    #[test]
    fn only_unfragmented_binary_messages_take_the_fast_path() {
        for (first, is_binary_message, unfinished) in [
            (0x82, true, false),
            (0x02, false, true),
            (0x81, false, false),
            (0x01, false, true),
            (0x80, false, false),
            (0x00, false, true),
            (0xc2, false, false),
            (0x88, false, true),
            (0x89, false, true),
        ] {
            let header = FrameHeader::read(&[first, 0]).unwrap();
            assert_eq!(header.is_binary_message(), is_binary_message, "{first:x}");
            assert_eq!(header.leaves_unfinished(true), unfinished, "{first:x}");
            assert_eq!(header.is_fragment(), first < 8, "{first:x}");
        }
        assert!(!FrameHeader::read(&[0x89, 0]).unwrap().leaves_unfinished(false));
    }
}

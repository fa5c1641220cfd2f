//! Where a WebSocket frame ends (RFC 6455 5.2), and whether it is of the one kind that packets come in.
//!
//! `tungstenite` is given whole frames only, and of those only the rare ones: control frames, fragments, text, and
//! whatever is wrong. A whole binary message that lies in the read buffer is handled where it lies, without a copy.

/// Final, no reserved bits, binary.
const BINARY_MESSAGE: u8 = 0x82;
const FINAL: u8 = 0x80;
const OPCODE: u8 = 0x0f;
/// Opcodes from here on are control frames.
const FIRST_CONTROL: u8 = 0x8;
const MASKED: u8 = 0x80;
/// The longest head: two bytes, a length of eight, a mask of four.
pub(super) const HEAD_BYTES_MAX: usize = 14;

/// What the first bytes of a frame tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    first: u8,
    /// The key that the payload is masked with.
    pub(super) mask: Option<[u8; 4]>,
    /// Bytes before the payload.
    pub(super) head_len: usize,
    /// Bytes of the payload, as claimed.
    pub(super) payload_len: u64,
}

impl FrameHeader {
    /// Reads a head. `None`: there are not enough bytes yet.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (payload_len, mut head_len) = match second & !MASKED {
            126 => (u16::from_be_bytes(*rest.first_chunk()?).into(), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
            short => (short.into(), 2),
        };
        let mask = if second & MASKED == 0 {
            None
        } else {
            let key = *bytes.get(head_len..)?.first_chunk()?;
            head_len += 4;
            Some(key)
        };
        Some(Self { first: *first, mask, head_len, payload_len })
    }

    /// The whole frame's length, if its payload is no longer than `payload_max`.
    pub(super) fn frame_len(&self, payload_max: usize) -> Option<usize> {
        let payload_len = usize::try_from(self.payload_len).ok()?;
        (payload_len <= payload_max).then(|| self.head_len + payload_len)
    }

    /// A whole message of the kind that BTP uses.
    pub(super) fn is_binary_message(&self) -> bool {
        self.first == BINARY_MESSAGE
    }

    /// A part of a message that more parts follow.
    pub(super) fn is_fragment(&self) -> bool {
        self.first & (OPCODE | FINAL) < FIRST_CONTROL
    }

    /// Whether, after this frame, a message is left unfinished; `before` is what was so before it.
    pub(super) fn leaves_unfinished(&self, before: bool) -> bool {
        if self.first & OPCODE >= FIRST_CONTROL { before } else { self.first & FINAL == 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_every_size() {
        let check = |bytes: &[u8], expected: Option<(usize, u64, Option<[u8; 4]>)>| {
            let head = FrameHeader::read(bytes);
            let found = head.map(|head| (head.head_len, head.payload_len, head.mask));
            assert_eq!(found, expected, "{bytes:x?}");
            // One byte less is never enough.
            if let Some((head_len, ..)) = expected {
                assert_eq!(FrameHeader::read(&bytes[..head_len - 1]), None);
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
        check(&longest, Some((HEAD_BYTES_MAX, u64::MAX, Some([1, 2, 3, 4]))));
        assert_eq!(FrameHeader::read(&longest).unwrap().frame_len(usize::MAX - 1), None);
    }

    #[test]
    fn only_whole_binary_messages_are_of_the_usual_kind() {
        for (first, usual, unfinished) in [
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
            let head = FrameHeader::read(&[first, 0]).unwrap();
            assert_eq!(head.is_binary_message(), usual, "{first:x}");
            assert_eq!(head.leaves_unfinished(true), unfinished, "{first:x}");
            assert_eq!(head.is_fragment(), first < 8, "{first:x}");
        }
        assert!(!FrameHeader::read(&[0x89, 0]).unwrap().leaves_unfinished(false));
    }
}

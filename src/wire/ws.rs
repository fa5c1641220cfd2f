//! WebSocket data frames (RFC 6455 section 5.2): a header before the payload, and a client's mask over it.
//!
//! RFC 23 "Overview": a BTP packet is one binary message. [row 65] All other frames belong to the WebSocket library.

mod frame_header;

pub use frame_header::FrameHeader;

/// The first byte of a whole binary message: final, no reserved bits, binary.
const FIN_BINARY: u8 = 0x82;
/// The bit of the second byte that says that the payload is masked.
const MASKED: u8 = 0x80;

/// Bytes of the header of a payload of `payload_len` bytes: 2 to 14.
#[must_use]
#[inline]
pub const fn header_size(payload_len: usize, masked: bool) -> usize {
    let length = match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    if masked { length + 4 } else { length }
}

/// Appends the header of a binary message. A server sends no mask. A client sends an unpredictable
/// one for each frame (section 5.3) and applies it with [`apply_mask`].
#[inline]
pub fn put_binary_header(payload_len: usize, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let flag = if mask.is_some() { MASKED } else { 0 };
    let [a, b, c, d, e, f, high, low] = (payload_len as u64).to_be_bytes();
    match payload_len {
        0..=125 => out.extend_from_slice(&[FIN_BINARY, flag | low]),
        126..=0xffff => out.extend_from_slice(&[FIN_BINARY, flag | 126, high, low]),
        _ => {
            out.extend_from_slice(&[FIN_BINARY, flag | 127, a, b, c, d, e, f, high, low]);
        }
    }
    if let Some(key) = mask {
        out.extend_from_slice(&key);
    }
}

/// Masks or unmasks a whole payload (section 5.3).
pub fn apply_mask(key: [u8; 4], payload: &mut [u8]) {
    let [a, b, c, d] = key;
    // As wide as a vector register, and a multiple of four, so that each step begins with the first byte of the key.
    let wide = [a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d];
    let (chunks, rest) = payload.as_chunks_mut::<16>();
    for chunk in chunks {
        *chunk = (u128::from_ne_bytes(*chunk) ^ u128::from_ne_bytes(wide)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    use super::*;

    /// The header as tungstenite reads it.
    fn check(payload_len: usize, mask: Option<[u8; 4]>) {
        let mut out = Vec::new();
        put_binary_header(payload_len, mask, &mut out);
        assert_eq!(out.len(), header_size(payload_len, mask.is_some()), "{payload_len}");
        let mut cursor = std::io::Cursor::new(&out);
        let (header, length) = FrameHeader::parse(&mut cursor).unwrap().expect("complete");
        assert_eq!(cursor.position(), out.len() as u64, "{payload_len}");
        assert_eq!(length, payload_len as u64);
        assert_eq!(header.opcode, OpCode::Data(Data::Binary));
        assert!(header.is_final && !header.rsv1 && !header.rsv2 && !header.rsv3);
        assert_eq!(header.mask, mask);
    }

    #[test]
    fn headers_at_every_boundary() {
        for payload_len in [0, 1, 125, 126, 127, 255, 256, 0xfffe, 0xffff, 0x1_0000, 0x1_2345_6789]
        {
            check(payload_len, None);
            check(payload_len, Some([1, 2, 3, 4]));
        }
    }

    #[test]
    fn the_example_of_rfc_6455() {
        // RFC 6455 section 5.7: a single-frame masked text message "Hello".
        let mut payload = *b"Hello";
        apply_mask([0x37, 0xfa, 0x21, 0x3d], &mut payload);
        assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    proptest! {
        #[test]
        fn masking_twice_restores_the_payload(
            key: [u8; 4],
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut masked = payload.clone();
            apply_mask(key, &mut masked);
            let expected: Vec<u8> =
                payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            prop_assert_eq!(&masked, &expected);
            apply_mask(key, &mut masked);
            prop_assert_eq!(masked, payload);
        }
    }
}

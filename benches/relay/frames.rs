//! The bytes of the load: WebSocket frames of a client around BTP frames around ILP packets.
//!
//! Written out by hand and not taken from the connector's own codec, for two reasons: a load
//! generator that shares the codec under test would share its mistakes, and a frame that is copied
//! from a template and patched costs tens of nanoseconds, so that the load leaves the machine to
//! the measured program. It has only the frames that the bench sends.
//!
//! Sizes are those of real traffic: a Prepare is 196 bytes of BTP, its answer 80.

use std::io;

/// Bytes of one BTP MESSAGE that carries a Prepare.
pub(crate) const PREPARE_BYTES: usize = 196;
/// Bytes of its data, the last ones. The first eight are the packet's number.
const PREPARE_DATA_BYTES: usize = 93;
/// Bytes of one BTP RESPONSE that carries a Fulfill.
pub(crate) const FULFILL_BYTES: usize = 80;

/// BTP frame types (RFC 23).
pub(crate) const BTP_RESPONSE: u8 = 1;
pub(crate) const BTP_MESSAGE: u8 = 6;

/// WebSocket opcodes that a server may send us (RFC 6455 section 5.2), with FIN set.
pub(crate) const WS_BINARY: u8 = 0x82;
pub(crate) const WS_CLOSE: u8 = 0x88;
pub(crate) const WS_PING: u8 = 0x89;
pub(crate) const WS_PONG: u8 = 0x8a;

/// Where the ILP type of a small RESPONSE stands: type, request id, length, count, `ilp`, content type, length.
const ILP_TYPE_AT: usize = 14;
const ILP_FULFILL: u8 = 13;
const ILP_REJECT: u8 = 14;

/// Different conditions, which the packets have in turn: observers choose their sample by the condition. A power of
/// two.
const CONDITIONS: u16 = 1 << 14;

/// The preimage of the packet with this number.
fn preimage(number: u64) -> [u8; 32] {
    // Any but 32 zeros, which mean a packet of the routing protocols.
    let mut preimage = [7; 32];
    preimage[..2].copy_from_slice(&(number as u16 % CONDITIONS).to_be_bytes());
    preimage
}

/// Every route of the bench and every destination behind it has the same length, so that a
/// destination is seven digits written over a template.
const DESTINATION: &str = "test.bench.r0000000.alice";
const DIGITS_AT: usize = "test.bench.r".len();

/// The prefix of the route with this number, as it stands in the connector's configuration.
pub(crate) fn route_prefix(number: u32) -> String {
    format!("test.bench.r{number:07}")
}

/// A number that no route of the connector has.
pub(crate) const NO_ROUTE: u32 = 9_999_999;

/// The request id of a packet: the receiver, the sender, and a number that is unique in flight.
///
/// The bare relay routes by the first two bytes; to a connector they mean nothing.
pub(crate) fn request_id(target: u8, source: u8, number: u16) -> [u8; 4] {
    let [high, low] = number.to_be_bytes();
    [target, source, high, low]
}

/// The target of a message in the bare relay: the receiver, or the sender if it is an answer.
///
/// # Errors
///
/// The message is shorter than a BTP header.
pub(crate) fn relay_target(message: &[u8]) -> io::Result<usize> {
    match message {
        [BTP_MESSAGE, target, ..] => Ok(usize::from(*target)),
        [_, _, source, ..] => Ok(usize::from(*source)),
        _ => Err(io::Error::other(format!("a message of {} bytes has no target", message.len()))),
    }
}

/// A Prepare without its request id, destination and number.
pub(crate) struct PrepareTemplate {
    frame: Frame,
    destination_at: usize,
    expiry_at: usize,
    condition_at: usize,
    conditions: Vec<[u8; 32]>,
    data_at: usize,
}

impl PrepareTemplate {
    /// A template whose frames are masked with `mask`.
    pub(crate) fn new(mask: [u8; 4]) -> Self {
        let mut ilp = vec![12, 0x81, 0];
        ilp.extend_from_slice(&1_000_u64.to_be_bytes());
        let expiry_in_ilp = ilp.len();
        ilp.extend_from_slice(b"20000101000000000");
        let condition_in_ilp = ilp.len();
        ilp.extend_from_slice(&[0; 32]);
        ilp.push(DESTINATION.len() as u8);
        let destination_in_ilp = ilp.len();
        ilp.extend_from_slice(DESTINATION.as_bytes());
        ilp.push(PREPARE_DATA_BYTES as u8);
        let data_in_ilp = ilp.len();
        ilp.resize(ilp.len() + PREPARE_DATA_BYTES, b'.');
        ilp[2] = (ilp.len() - 3) as u8;

        let message = btp_frame(BTP_MESSAGE, [0; 4], &[("ilp", &ilp)]);
        assert_eq!(message.len(), PREPARE_BYTES, "the template has the promised size");
        let frame = Frame::new(&message, mask);
        let ilp_at = frame.payload_at + BTP_HEADER_LONG;
        Self {
            destination_at: ilp_at + destination_in_ilp + DIGITS_AT,
            expiry_at: ilp_at + expiry_in_ilp,
            condition_at: ilp_at + condition_in_ilp,
            conditions: (0..u64::from(CONDITIONS)).map(condition).collect(),
            data_at: ilp_at + data_in_ilp,
            frame,
        }
    }

    /// Lets the Prepares made from now on expire `seconds` from now.
    pub(crate) fn expire_in(&mut self, seconds: i64) {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        let text = at.strftime("%Y%m%d%H%M%S%3f").to_string();
        self.frame.bytes[self.expiry_at..][..text.len()].copy_from_slice(text.as_bytes());
    }

    /// Appends one frame to `out`.
    pub(crate) fn append(&self, out: &mut Vec<u8>, id: [u8; 4], route: u32, number: u64) {
        self.frame.append(out, id, |frame| {
            let mut rest = route;
            for digit in frame[self.destination_at..][..7].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            let condition = self.conditions[usize::from(number as u16 % CONDITIONS)];
            frame[self.condition_at..][..32].copy_from_slice(&condition);
            frame[self.data_at..][..8].copy_from_slice(&number.to_be_bytes());
        });
    }
}

fn condition(number: u64) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, &preimage(number));
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The number of the packet in a BTP MESSAGE with a Prepare of the bench.
fn packet_number(message: &[u8]) -> u64 {
    let data = &message[PREPARE_BYTES - PREPARE_DATA_BYTES..][..8];
    u64::from_be_bytes(data.try_into().expect("eight bytes were taken"))
}

/// The Fulfill of every Prepare of the bench, without its request id and preimage.
pub(crate) struct FulfillTemplate {
    frame: Frame,
    preimage_at: usize,
}

impl FulfillTemplate {
    /// A template whose frames are masked with `mask`.
    pub(crate) fn new(mask: [u8; 4]) -> Self {
        let data_bytes = FULFILL_BYTES - ILP_TYPE_AT - 2 - 32 - 1;
        let mut ilp = vec![ILP_FULFILL, (32 + 1 + data_bytes) as u8];
        ilp.extend_from_slice(&[0; 32]);
        ilp.push(data_bytes as u8);
        ilp.resize(ilp.len() + data_bytes, b'.');
        let message = btp_frame(BTP_RESPONSE, [0; 4], &[("ilp", &ilp)]);
        assert_eq!(message.len(), FULFILL_BYTES, "the template has the promised size");
        let frame = Frame::new(&message, mask);
        Self { preimage_at: frame.payload_at + ILP_TYPE_AT + 2, frame }
    }

    /// Appends the answer to the Prepare in `message` to `out`.
    pub(crate) fn append(&self, out: &mut Vec<u8>, id: [u8; 4], message: &[u8]) {
        let preimage = preimage(packet_number(message));
        self.frame.append(out, id, |frame| {
            frame[self.preimage_at..][..32].copy_from_slice(&preimage);
        });
    }
}

/// The answer that all Prepares of a run get.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Fulfill,
    Reject,
}

/// Checks the answer in a BTP RESPONSE.
///
/// # Errors
///
/// Describes another answer than the expected one, as far as it can be parsed.
pub(crate) fn expect_answer(message: &[u8], expected: Answer) -> io::Result<()> {
    let is_expected = match expected {
        Answer::Fulfill => message.get(ILP_TYPE_AT) == Some(&ILP_FULFILL),
        // Its message may be long: two lengths of two bytes come before it.
        Answer::Reject => {
            [ILP_TYPE_AT, ILP_TYPE_AT + 2].iter().any(|&at| message.get(at) == Some(&ILP_REJECT))
        }
    };
    if is_expected {
        return Ok(());
    }
    let readable: String = message
        .iter()
        .skip(5)
        .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
        .collect();
    Err(io::Error::other(format!(
        "a Prepare got another answer than expected, which reads: {readable}"
    )))
}

/// The frame that logs a peer in (RFC 23, authentication).
pub(crate) fn auth_frame(mask: [u8; 4], user: &str, token: &str) -> Vec<u8> {
    let entries =
        [("auth", &b""[..]), ("auth_token", token.as_bytes()), ("auth_username", user.as_bytes())];
    let message = btp_frame(BTP_MESSAGE, [0xff; 4], &entries);
    masked_frame(WS_BINARY, &message, mask)
}

/// A whole masked WebSocket frame of at most 65,535 bytes.
pub(crate) fn masked_frame(opcode: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![opcode];
    if payload.len() < 126 {
        frame.push(0x80 | payload.len() as u8);
    } else {
        frame.push(0x80 | 126);
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    frame.extend_from_slice(&mask);
    let payload_at = frame.len();
    frame.extend_from_slice(payload);
    apply_mask(&mut frame[payload_at..], mask);
    frame
}

/// Header and payload bytes of the frame at the start of `bytes`, or `None` while the header is not
/// whole. Reads both masked and unmasked frames.
pub(crate) fn frame_extent(bytes: &[u8]) -> Option<(usize, usize)> {
    let second = *bytes.get(1)?;
    let mask_bytes = if second & 0x80 == 0 { 0 } else { 4 };
    match second & 0x7f {
        126 => {
            let length = bytes.get(2..4)?;
            Some((4 + mask_bytes, usize::from(u16::from_be_bytes([length[0], length[1]]))))
        }
        127 => {
            let length: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
            Some((10 + mask_bytes, u64::from_be_bytes(length) as usize))
        }
        length => Some((2 + mask_bytes, usize::from(length))),
    }
}

/// Type, request id, two bytes of length, count, `ilp`, content type, two bytes of length.
const BTP_HEADER_LONG: usize = 16;

fn btp_frame(kind: u8, id: [u8; 4], entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = vec![1, entries.len() as u8];
    for (name, data) in entries {
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
        body.push(if *name == "ilp" || *name == "auth" { 0 } else { 1 });
        push_length(&mut body, data.len());
        body.extend_from_slice(data);
    }
    let mut frame = vec![kind];
    frame.extend_from_slice(&id);
    push_length(&mut frame, body.len());
    frame.extend_from_slice(&body);
    frame
}

/// An OER length determinant of at most 255.
fn push_length(out: &mut Vec<u8>, length: usize) {
    if length > 127 {
        out.push(0x81);
    }
    out.push(length as u8);
}

/// A WebSocket frame whose payload is kept unmasked, so that it can be patched, and masked on its way out.
struct Frame {
    bytes: Vec<u8>,
    payload_at: usize,
    mask: [u8; 4],
}

impl Frame {
    fn new(message: &[u8], mask: [u8; 4]) -> Self {
        let mut bytes = masked_frame(WS_BINARY, message, mask);
        let payload_at = bytes.len() - message.len();
        apply_mask(&mut bytes[payload_at..], mask);
        Self { bytes, payload_at, mask }
    }

    fn append(&self, out: &mut Vec<u8>, id: [u8; 4], patch: impl FnOnce(&mut [u8])) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let frame = &mut out[start..];
        frame[self.payload_at + 1..][..4].copy_from_slice(&id);
        patch(frame);
        apply_mask(&mut frame[self.payload_at..], self.mask);
    }
}

fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(word) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

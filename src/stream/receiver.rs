//! A receiver without state: everything it has to know of a connection is made again from a secret of its own and the
//! token at the end of the address, for every packet.
//!
//! So nothing has to be stored, bounded or forgotten, and a restart with the same secret keeps connections open. What
//! it lacks for the same reason: totals (of streams, of receipts, RFC 39), data streams (RFC 29 "StreamData": ignored,
//! as other receivers of money do), and limits that depend on what came before.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::envelope::Iv;
use super::keys::{Keys, SECRET_LEN, SharedSecret};
use crate::wire::ilp::{ErrorCode, PacketType};
use crate::wire::stream::{CloseCode, Frame, Frames, StreamPacket};
use crate::wire::{Amount, Condition, Fulfillment};

/// Streams of one packet that are told their limit; a connection has no more unless it was allowed them.
const STREAMS_TOLD_MAX: usize = 20;

/// Random bytes of a token.
pub const TOKEN_BYTES: usize = 18;
/// Longer asset codes (a parent may give any) are not told.
const ASSET_CODE_MAX: usize = 255;

/// The one receiving end of all connections to one account.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver {
    /// What shared secrets are made from.
    generator: [u8; SECRET_LEN],
}

/// A packet to a receiver.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// What follows the receiver's own address in the destination.
    pub token: &'a str,
    /// What arrived, in the receiver's units.
    pub amount: Amount,
    /// The Prepare's condition.
    pub condition: Condition,
    /// The Prepare's data.
    pub data: &'a [u8],
    /// What the receiver's amounts are counted in: the asset's code.
    pub asset_code: &'a str,
    /// And its scale.
    pub asset_scale: u8,
}

/// The money may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Fits the condition.
    pub fulfillment: Fulfillment,
    /// The Fulfill's data: the encrypted reply.
    pub data: Vec<u8>,
}

/// The money is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// Why.
    pub reason: Reason,
    /// The Reject's data: the encrypted reply, or nothing where the packet was not the sender's.
    pub data: Vec<u8>,
}

/// The token of a new connection: the last segment of its address.
#[must_use]
pub fn token(random: [u8; TOKEN_BYTES]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

/// Why a receiver does not take a packet's money. Its text goes into the Reject's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The receiver's own address, without a connection below it.
    #[error("this address is no connection; ask for one by SPSP")]
    NoConnection,
    /// Not made with the connection's secret, or changed on its way.
    #[error("the data was not encrypted with the secret of this connection")]
    NotAuthentic,
    /// Made with the secret, but not a request.
    #[error("the data is no STREAM packet for a Prepare")]
    NotARequest,
    /// Less arrived than the sender wants to arrive.
    #[error("less arrived than the sender asks for")]
    BelowMinimum,
    /// The condition is not the one of this data: a test packet, as a rule.
    #[error("the condition cannot be fulfilled")]
    Unfulfillable,
}

impl Reason {
    /// The error code of the Reject.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NoConnection | Self::NotAuthentic => ErrorCode::F06,
            Self::NotARequest => ErrorCode::F00,
            Self::BelowMinimum | Self::Unfulfillable => ErrorCode::F99,
        }
    }
}

impl Receiver {
    /// The receiver of this name on a node with this secret, which should have 32 bytes of randomness. Receivers of
    /// other names have nothing in common with it.
    #[must_use]
    pub fn new(node_secret: &[u8], name: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, node_secret);
        Self { generator: sign(&key, &[b"ilp-connector receiver ", name.as_bytes()]) }
    }

    /// The secret of the connection with this token. Anybody may make up tokens; nobody else can make their secrets.
    #[must_use]
    pub fn secret(&self, token: &str) -> SharedSecret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.generator);
        SharedSecret(sign(&key, &[token.as_bytes()]))
    }

    /// Decides on one packet. Nothing is remembered: the same packet gets the same answer, and each one that is
    /// accepted is money, whether or not another one like it was.
    ///
    /// # Errors
    /// [`Declined`], with what the sender is to be told.
    pub fn receive(&self, incoming: &Incoming<'_>) -> Result<Accepted, Declined> {
        let silent = |reason| Declined { reason, data: Vec::new() };
        if incoming.token.is_empty() {
            return Err(silent(Reason::NoConnection));
        }
        let keys = Keys::new(&self.secret(incoming.token));
        let request = keys.open(incoming.data).map_err(|_| silent(Reason::NotAuthentic))?;
        let request = StreamPacket::parse(&request).map_err(|_| silent(Reason::NotARequest))?;
        if request.packet_type != PacketType::Prepare {
            // An answer that somebody on the way sent back as a request.
            return Err(silent(Reason::NotARequest));
        }
        let fulfillment = keys.fulfillment(incoming.data);
        let reply = |packet_type| reply(&keys, fulfillment, packet_type, &request, incoming);
        if incoming.amount < request.amount {
            return Err(Declined { reason: Reason::BelowMinimum, data: reply(PacketType::Reject) });
        }
        if fulfillment.condition() != incoming.condition {
            return Err(Declined {
                reason: Reason::Unfulfillable,
                data: reply(PacketType::Reject),
            });
        }
        Ok(Accepted { fulfillment, data: reply(PacketType::Fulfill) })
    }
}

/// The encrypted reply: what arrived, and what the sender may want to know.
fn reply(
    keys: &Keys,
    fulfillment: Fulfillment,
    packet_type: PacketType,
    request: &StreamPacket<'_>,
    incoming: &Incoming<'_>,
) -> Vec<u8> {
    let mut frames = Vec::new();
    let (mut told, mut asked, mut closed) = (0, false, false);
    for frame in request.frames.iter() {
        match frame {
            // Senders that keep to limits of streams learn that there is none. The total is not known here, and JS
            // senders take the largest that they have heard.
            Frame::StreamMoney { stream, .. } if told < STREAMS_TOLD_MAX => {
                told += 1;
                let (receive_max, total_received) = (Amount::MAX, Amount::ZERO);
                frames.push(Frame::StreamMaxMoney { stream, receive_max, total_received });
            }
            Frame::NewAddress { .. } if !asked && incoming.asset_code.len() <= ASSET_CODE_MAX => {
                asked = true;
                let (code, scale) = (incoming.asset_code.as_bytes(), incoming.asset_scale);
                frames.push(Frame::AssetDetails { code, scale });
            }
            Frame::ConnectionClose { .. } if !closed => {
                closed = true;
                frames.push(Frame::ConnectionClose { code: CloseCode::NO_ERROR, message: b"" });
            }
            _ => {}
        }
    }
    let mut plaintext = Vec::new();
    let reply = StreamPacket {
        packet_type,
        sequence: request.sequence,
        amount: incoming.amount,
        frames: Frames::of(&frames),
    };
    reply.encode(&mut plaintext);
    let iv = reply_iv(keys, fulfillment, &plaintext);
    keys.seal(iv, &plaintext).expect("the frames above have less than a kilobyte")
}

/// A receiver has no state to count in, so its IVs are made from everything that the reply depends on: the request
/// (by its fulfillment, a MAC over all of it) and the reply itself. The same IV means the same reply to the same
/// request, and gives nothing away; two different ones meet by a chance of 2^-96, as random ones would.
fn reply_iv(keys: &Keys, fulfillment: Fulfillment, plaintext: &[u8]) -> Iv {
    let mac = sign(&keys.reply_iv, &[&fulfillment.0, plaintext]);
    let (iv, _) = mac.split_first_chunk().expect("32 bytes begin with 12");
    Iv(*iv)
}

fn sign(key: &hmac::Key, parts: &[&[u8]]) -> [u8; SECRET_LEN] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut tag = [0; SECRET_LEN];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

/// Never what secrets are made from.
impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSET: (&str, u8) = ("EUR", 6);

    fn receiver() -> Receiver {
        Receiver::new(&[7; SECRET_LEN], "wallet")
    }

    /// What a sender knows: the token and the keys.
    struct Connection {
        token: &'static str,
        keys: Keys,
    }

    fn connection() -> Connection {
        let token = "dG9rZW4";
        Connection { token, keys: Keys::new(&receiver().secret(token)) }
    }

    impl Connection {
        /// The data of a request that wants at least `minimum` to arrive.
        fn request(&self, minimum: u64, frames: &[Frame<'_>]) -> Vec<u8> {
            self.packet(PacketType::Prepare, minimum, frames)
        }

        fn packet(&self, packet_type: PacketType, minimum: u64, frames: &[Frame<'_>]) -> Vec<u8> {
            let mut plaintext = Vec::new();
            let amount = Amount(minimum);
            let frames = Frames::of(frames);
            StreamPacket { packet_type, sequence: 42, amount, frames }.encode(&mut plaintext);
            self.keys.seal(Iv([1; 12]), &plaintext).unwrap()
        }

        /// Sends so much with this data, fulfillable.
        fn pay(&self, amount: u64, data: &[u8]) -> Result<Accepted, Declined> {
            self.pay_with(amount, data, self.keys.fulfillment(data).condition())
        }

        fn pay_with(
            &self,
            amount: u64,
            data: &[u8],
            condition: Condition,
        ) -> Result<Accepted, Declined> {
            let (asset_code, asset_scale) = ASSET;
            let amount = Amount(amount);
            let token = self.token;
            let incoming = Incoming { token, amount, condition, data, asset_code, asset_scale };
            receiver().receive(&incoming)
        }

        /// The reply in clear, after checks that every sender makes; its amount and frames in words.
        fn read(&self, packet_type: PacketType, data: &[u8]) -> (u64, Vec<String>) {
            let plaintext = self.keys.open(data).unwrap();
            let reply = StreamPacket::parse(&plaintext).unwrap();
            assert_eq!((reply.packet_type, reply.sequence), (packet_type, 42));
            let frames = reply.frames.iter().map(|frame| match frame {
                Frame::StreamMaxMoney { stream, receive_max: Amount::MAX, total_received } => {
                    assert_eq!(total_received, Amount::ZERO);
                    format!("no limit for {}", stream.0)
                }
                Frame::AssetDetails { code, scale } => {
                    format!("{}/{scale}", String::from_utf8_lossy(code))
                }
                Frame::ConnectionClose { code: CloseCode::NO_ERROR, message: b"" } => {
                    "closed".to_owned()
                }
                other => panic!("unexpected {other:?}"),
            });
            (reply.amount.0, frames.collect())
        }
    }

    fn money(stream: u64) -> Frame<'static> {
        Frame::StreamMoney { stream: crate::wire::stream::StreamId(stream), shares: 1 }
    }

    #[test]
    fn takes_what_is_enough() {
        let connection = connection();
        for (minimum, amount) in [(0, 0), (0, 5), (90, 90), (90, 100), (u64::MAX, u64::MAX)] {
            let data = connection.request(minimum, &[money(1)]);
            let accepted = connection.pay(amount, &data).unwrap();
            assert_eq!(accepted.fulfillment, connection.keys.fulfillment(&data));
            let reply = connection.read(PacketType::Fulfill, &accepted.data);
            assert_eq!(reply, (amount, vec!["no limit for 1".to_owned()]));
        }
    }

    #[test]
    fn never_fulfills_below_the_minimum() {
        let connection = connection();
        for (minimum, amount) in [(1, 0), (90, 89), (u64::MAX, u64::MAX - 1)] {
            let data = connection.request(minimum, &[]);
            let declined = connection.pay(amount, &data).unwrap_err();
            assert_eq!(declined.reason, Reason::BelowMinimum);
            assert_eq!(declined.reason.code(), ErrorCode::F99);
            // What arrived: the sender learns the rate from it.
            assert_eq!(connection.read(PacketType::Reject, &declined.data), (amount, vec![]));
        }
    }

    #[test]
    fn answers_test_packets() {
        let connection = connection();
        let data = connection.request(0, &[Frame::NewAddress { source: b"test.sender" }]);
        let declined = connection.pay_with(1000, &data, Condition([3; 32])).unwrap_err();
        assert_eq!(declined.reason, Reason::Unfulfillable);
        assert_eq!(declined.reason.code(), ErrorCode::F99);
        let reply = connection.read(PacketType::Reject, &declined.data);
        assert_eq!(reply, (1000, vec!["EUR/6".to_owned()]));
    }

    #[test]
    fn what_is_not_the_senders_gets_no_reply() {
        let connection = connection();
        let check = |result: Result<Accepted, Declined>, reason: Reason, code: ErrorCode| {
            assert_eq!(result, Err(Declined { reason, data: Vec::new() }));
            assert_eq!(reason.code(), code);
        };
        let good = connection.request(0, &[]);
        check(connection.pay(1, b"ECHOECHOECHOECHO"), Reason::NotAuthentic, ErrorCode::F06);
        check(connection.pay(1, &[]), Reason::NotAuthentic, ErrorCode::F06);
        check(connection.pay(1, &good[1..]), Reason::NotAuthentic, ErrorCode::F06);
        let elsewhere = Connection { token: "b3RoZXI", ..self::connection() };
        check(elsewhere.pay(1, &good), Reason::NotAuthentic, ErrorCode::F06);
        let nowhere = Connection { token: "", ..self::connection() };
        check(nowhere.pay(1, &good), Reason::NoConnection, ErrorCode::F06);
        for answer in [PacketType::Fulfill, PacketType::Reject] {
            let swapped = connection.packet(answer, 0, &[]);
            check(connection.pay(1, &swapped), Reason::NotARequest, ErrorCode::F00);
        }
        let garbage = connection.keys.seal(Iv([2; 12]), b"\x02garbage").unwrap();
        check(connection.pay(1, &garbage), Reason::NotARequest, ErrorCode::F00);
    }

    #[test]
    fn closing_does_not_lose_money() {
        let connection = connection();
        let close = Frame::ConnectionClose { code: CloseCode(9), message: b"bye" };
        let data = connection.request(1, &[close, close]);
        let accepted = connection.pay(5, &data).unwrap();
        let reply = connection.read(PacketType::Fulfill, &accepted.data);
        assert_eq!(reply, (5, vec!["closed".to_owned()]));
    }

    #[test]
    fn replies_are_bounded() {
        let connection = connection();
        let mut frames: Vec<Frame<'_>> = (0..2000).map(money).collect();
        frames.extend([Frame::NewAddress { source: b"x" }; 1000]);
        let data = connection.request(0, &frames);
        let accepted = connection.pay(1, &data).unwrap();
        assert!(accepted.data.len() < 1000, "{} bytes", accepted.data.len());
        let (_, frames) = connection.read(PacketType::Fulfill, &accepted.data);
        assert_eq!(frames.len(), STREAMS_TOLD_MAX + 1);
    }

    #[test]
    fn an_iv_is_used_for_one_reply_only() {
        let connection = connection();
        let iv = |amount, data: &[u8]| {
            let data = connection.pay(amount, data).map_or_else(|no| no.data, |yes| yes.data);
            data.first_chunk::<12>().copied().unwrap()
        };
        let (one, other) = (connection.request(5, &[]), connection.request(6, &[]));
        assert_eq!(iv(10, &one), iv(10, &one), "the same reply to the same request");
        assert_ne!(iv(10, &one), iv(11, &one), "another amount");
        assert_ne!(iv(10, &one), iv(10, &other), "another request");
        assert_ne!(iv(10, &one), iv(4, &one), "another answer");
    }

    #[test]
    fn secrets_depend_on_everything() {
        let secret = |node: u8, name: &str, token: &str| {
            Receiver::new(&[node; SECRET_LEN], name).secret(token).0
        };
        let all = [
            secret(1, "a", "t"),
            secret(2, "a", "t"),
            secret(1, "b", "t"),
            secret(1, "a", "u"),
            secret(1, "a", ""),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(one), "{index}");
        }
        assert_eq!(secret(1, "a", "t"), secret(1, "a", "t"));
        assert_eq!(format!("{:?}", receiver()), "Receiver(..)");
    }
}

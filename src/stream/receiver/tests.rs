//! A receiver with senders that know the secret, and others.

use super::reply::{DATA_OFFSET_MAX, STREAM_FRAMES_MAX, STREAM_ID_MAX};
use super::*;
use crate::stream::envelope::Iv;
use crate::wire::stream::{CloseCode, Frames, StreamFrame, StreamId};

const ASSET: (&str, u8) = ("EUR", 6);

fn receiver() -> Receiver {
    Receiver::new(&[7; SECRET_LEN], "wallet")
}

/// A sender's connection.
struct Connection {
    id: String,
    keys: Keys,
}

fn connection() -> Connection {
    connection_of("dG9rZW4")
}

fn connection_of(id: &str) -> Connection {
    Connection { id: id.to_owned(), keys: Keys::new(&receiver().secret(id)) }
}

fn incoming<'a>(
    connection_id: &'a str,
    amount: u64,
    (data, condition): (&'a [u8], Condition),
) -> ReceivedPacket<'a> {
    let (asset_code, asset_scale) = ASSET;
    let amount = Amount(amount);
    ReceivedPacket { connection_id, amount, condition, data, asset_code, asset_scale }
}

impl Connection {
    /// The data of a request with this minimum.
    fn request(&self, minimum: u64, frames: &[StreamFrame<'_>]) -> Vec<u8> {
        self.packet(PacketType::Prepare, minimum, frames)
    }

    fn packet(&self, packet_type: PacketType, minimum: u64, frames: &[StreamFrame<'_>]) -> Vec<u8> {
        let mut plaintext = Vec::new();
        let amount = Amount(minimum);
        let frames = Frames::from_frames(frames);
        StreamPacket { packet_type, sequence: 42, amount, frames }.encode(&mut plaintext);
        self.keys.seal(Iv([1; 12]), &plaintext).unwrap()
    }

    /// Sends a fulfillable packet.
    fn pay(&self, amount: u64, data: &[u8]) -> Result<AcceptedPacket, DeclinedPacket> {
        self.pay_with(amount, data, self.keys.fulfillment(data).condition())
    }

    fn pay_with(
        &self,
        amount: u64,
        data: &[u8],
        condition: Condition,
    ) -> Result<AcceptedPacket, DeclinedPacket> {
        receiver().receive(&incoming(&self.id, amount, (data, condition)))
    }

    /// Decrypts and checks a reply; returns its amount, and its frames after the first as text.
    fn read(&self, packet_type: PacketType, data: &[u8]) -> (u64, Vec<String>) {
        let plaintext = self.keys.open(data).unwrap();
        let reply = StreamPacket::parse(&plaintext).unwrap();
        assert_eq!((reply.packet_type, reply.sequence), (packet_type, 42));
        let mut frames = reply.frames.iter();
        assert_eq!(frames.next(), Some(StreamFrame::MaxStreamId { stream: STREAM_ID_MAX }));
        let frames = frames.map(|frame| match frame {
            StreamFrame::StreamMaxMoney { stream, receive_max: Amount::MAX, total_received } => {
                assert_eq!(total_received, Amount::ZERO);
                format!("no limit for {}", stream.0)
            }
            StreamFrame::AssetDetails { code, scale } => {
                format!("{}/{scale}", String::from_utf8_lossy(code))
            }
            StreamFrame::ConnectionClose { code: CloseCode::NO_ERROR, message: b"" } => {
                "closed".to_owned()
            }
            StreamFrame::StreamClose {
                stream,
                code: CloseCode::APPLICATION_ERROR,
                message: b"",
            } => {
                format!("stream {} closed", stream.0)
            }
            StreamFrame::StreamMaxData { stream, offset: DATA_OFFSET_MAX } => {
                format!("room for {}", stream.0)
            }
            StreamFrame::MaxData { offset: DATA_OFFSET_MAX } => "room".to_owned(),
            StreamFrame::StreamReceipt { stream, receipt } => {
                format!("receipt {}: {}", stream.0, hex::encode(receipt))
            }
            other => panic!("unexpected {other:?}"),
        });
        (reply.amount.0, frames.collect())
    }
}

fn money(stream: u64) -> StreamFrame<'static> {
    StreamFrame::StreamMoney { stream: crate::wire::stream::StreamId(stream), shares: 1 }
}

#[test]
fn enough_money_is_accepted() {
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
        assert_eq!(declined.reason, DeclineReason::BelowMinimum);
        assert_eq!(declined.reason.code(), ErrorCode::F99);
        // The amount that arrived, from which the sender learns the rate.
        assert_eq!(connection.read(PacketType::Reject, &declined.data), (amount, vec![]));
    }
}

#[test]
fn probes_are_answered() {
    let connection = connection();
    let data = connection.request(0, &[StreamFrame::NewAddress { source: b"test.sender" }]);
    let declined = connection.pay_with(1000, &data, Condition([3; 32])).unwrap_err();
    assert_eq!(declined.reason, DeclineReason::Unfulfillable);
    assert_eq!(declined.reason.code(), ErrorCode::F99);
    let reply = connection.read(PacketType::Reject, &declined.data);
    assert_eq!(reply, (1000, vec!["EUR/6".to_owned()]));
}

#[test]
fn packets_of_others_get_no_reply() {
    let connection = connection();
    let check =
        |result: Result<AcceptedPacket, DeclinedPacket>, reason: DeclineReason, code: ErrorCode| {
            assert_eq!(result, Err(DeclinedPacket { reason, data: Vec::new() }));
            assert_eq!(reason.code(), code);
        };
    let good = connection.request(0, &[]);
    check(connection.pay(1, b"ECHOECHOECHOECHO"), DeclineReason::NotAuthentic, ErrorCode::F06);
    check(connection.pay(1, &[]), DeclineReason::NotAuthentic, ErrorCode::F06);
    check(connection.pay(1, &good[1..]), DeclineReason::NotAuthentic, ErrorCode::F06);
    let elsewhere = Connection { id: "b3RoZXI".to_owned(), ..self::connection() };
    check(elsewhere.pay(1, &good), DeclineReason::NotAuthentic, ErrorCode::F06);
    let nowhere = Connection { id: String::new(), ..self::connection() };
    check(nowhere.pay(1, &good), DeclineReason::NoConnection, ErrorCode::F06);
    for answer in [PacketType::Fulfill, PacketType::Reject] {
        let swapped = connection.packet(answer, 0, &[]);
        check(connection.pay(1, &swapped), DeclineReason::NotARequest, ErrorCode::F00);
    }
    let garbage = connection.keys.seal(Iv([2; 12]), b"\x02garbage").unwrap();
    check(connection.pay(1, &garbage), DeclineReason::NotARequest, ErrorCode::F00);
}

#[test]
fn each_stream_gets_a_receipt_that_the_verifier_accepts() {
    let key = ReceiptKey { nonce: [6; 16], secret: [8; SECRET_LEN] };
    let id = receiver().encode_connection_id_with_receipts([2; CONNECTION_ID_BYTES], &key);
    let connection = connection_of(&id);
    let streams = [money(1), money(255), money(256)];
    let data = connection.request(9, &streams);
    let condition = connection.keys.fulfillment(&data).condition();
    let packet = incoming(&id, 10, (&data, condition));
    let accepted = receiver().receive(&packet).unwrap();
    assert!(accepted.data.is_empty());
    let receipts = accepted.receipts.unwrap();
    let shares: Vec<_> = receipts.shares.iter().map(|one| (one.stream.0, one.amount.0)).collect();
    assert_eq!(shares, [(1, 3), (255, 3), (256, 3)]);
    let total = |stream, amount| StreamTotal { stream: StreamId(stream), amount: Amount(amount) };
    let totals = [total(1, 503), total(255, u64::MAX), total(256, 3)];
    let reply = connection.read(PacketType::Fulfill, &receipts.encrypt_reply(&packet, &totals));
    let receipt = |stream: u8, total: u64| {
        let signed = [&[1][..], &[6; 16], &[stream], &total.to_be_bytes()].concat();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[8; SECRET_LEN]), &signed);
        format!("receipt {stream}: {}{}", hex::encode(signed), hex::encode(tag))
    };
    // The number of the third stream does not fit a receipt.
    let limits = [1, 255, 256].map(|stream| format!("no limit for {stream}"));
    assert_eq!(reply, (10, [&limits[..], &[receipt(1, 503), receipt(255, u64::MAX)]].concat()));
    // A Reject has none: nothing was received.
    let declined = connection.pay(8, &data).unwrap_err();
    let (_, frames) = connection.read(PacketType::Reject, &declined.data);
    assert!(!frames.iter().any(|frame| frame.starts_with("receipt")), "{frames:?}");
}

#[test]
fn closing_does_not_lose_money() {
    let connection = connection();
    let close = StreamFrame::ConnectionClose { code: CloseCode(9), message: b"bye" };
    let data = connection.request(1, &[close, close]);
    let accepted = connection.pay(5, &data).unwrap();
    let reply = connection.read(PacketType::Fulfill, &accepted.data);
    assert_eq!(reply, (5, vec!["closed".to_owned()]));
}

#[test]
fn streams_with_data_are_closed_once_and_keep_their_money() {
    let connection = connection();
    let stream = |id| StreamId(id);
    let data = |id| StreamFrame::StreamData { stream: stream(id), offset: 0, data: b"hello" };
    let check = |frames: &[StreamFrame<'_>], expected: &[&str]| {
        let accepted = connection.pay(5, &connection.request(0, frames)).unwrap();
        let reply = connection.read(PacketType::Fulfill, &accepted.data);
        assert_eq!(reply, (5, expected.iter().map(|&text| text.to_owned()).collect()));
    };
    check(&[money(1), data(1)], &["no limit for 1", "room for 1", "stream 1 closed", "room"]);
    check(
        &[data(1), data(3), data(1)],
        &["room for 1", "stream 1 closed", "room for 3", "stream 3 closed", "room"],
    );
    // Blocked by a limit of bytes.
    let blocked = StreamFrame::StreamDataBlocked { stream: stream(7), offset: 200_000 };
    check(&[blocked, blocked], &["room for 7", "stream 7 closed", "room"]);
    check(&[StreamFrame::DataBlocked { offset: 1 }], &["room"]);
}

#[test]
fn limits_of_a_sender_need_no_answer() {
    let connection = connection();
    let stream = StreamId(1);
    let frames = [
        StreamFrame::MaxData { offset: 1 },
        StreamFrame::MaxStreamId { stream },
        StreamFrame::StreamIdBlocked { stream: StreamId(21) },
        StreamFrame::AssetDetails { code: b"USD", scale: 2 },
        StreamFrame::StreamClose { stream, code: CloseCode::NO_ERROR, message: b"" },
        StreamFrame::StreamMaxMoney {
            stream,
            receive_max: Amount(100),
            total_received: Amount::ZERO,
        },
        StreamFrame::StreamMoneyBlocked { stream, send_max: Amount(9), total_sent: Amount(1) },
        StreamFrame::StreamMaxData { stream, offset: 1 },
    ];
    for frame in frames {
        let accepted = connection.pay(5, &connection.request(0, &[frame])).unwrap();
        let reply = connection.read(PacketType::Fulfill, &accepted.data);
        assert_eq!(reply, (5, vec![]), "{frame:?}");
    }
}

#[test]
fn replies_are_bounded() {
    let connection = connection();
    let mut frames: Vec<StreamFrame<'_>> = (0..2000).map(money).collect();
    frames.extend([StreamFrame::NewAddress { source: b"x" }; 1000]);
    let with_data = |id| StreamFrame::StreamData { stream: StreamId(id), offset: 0, data: b"x" };
    frames.extend((0..1000).map(with_data));
    let data = connection.request(0, &frames);
    let accepted = connection.pay(1, &data).unwrap();
    assert!(accepted.data.len() < 2000, "{} bytes", accepted.data.len());
    let (_, frames) = connection.read(PacketType::Fulfill, &accepted.data);
    assert_eq!(frames.len(), 3 * STREAM_FRAMES_MAX + 2);
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
fn secrets_depend_on_node_name_and_connection() {
    let secret =
        |node: u8, name: &str, id: &str| Receiver::new(&[node; SECRET_LEN], name).secret(id).0;
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

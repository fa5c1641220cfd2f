//! STREAM packets in clear.

use ilp_connector::wire::stream::{StreamFrame, StreamPacket};
use serde_json::{Value, json};

use crate::differential::fields::Fields;

pub(super) fn packet(input: &[u8], fields: &mut Fields) -> Option<()> {
    let packet = StreamPacket::parse(input).ok()?;
    fields.set("type", packet.packet_type as u8);
    fields.set("sequence", packet.sequence.to_string());
    fields.set("amount", packet.amount.0.to_string());
    fields.set("frames", packet.frames.iter().map(frame).collect::<Vec<_>>());
    let mut again = Vec::new();
    packet.encode(&mut again);
    fields.octets("again", &again);
    Some(())
}

fn frame(frame: StreamFrame<'_>) -> Value {
    let number = |number: u64| Value::from(number.to_string());
    let octets = |octets: &[u8]| Value::from(hex::encode(octets));
    match frame {
        StreamFrame::ConnectionClose { code, message } => json!([1, code.0, octets(message)]),
        StreamFrame::NewAddress { source } => json!([2, octets(source)]),
        StreamFrame::MaxData { offset } => json!([3, number(offset)]),
        StreamFrame::DataBlocked { offset } => json!([4, number(offset)]),
        StreamFrame::MaxStreamId { stream } => json!([5, number(stream.0)]),
        StreamFrame::StreamIdBlocked { stream } => json!([6, number(stream.0)]),
        StreamFrame::AssetDetails { code, scale } => json!([7, octets(code), scale]),
        StreamFrame::StreamClose { stream, code, message } => {
            json!([16, number(stream.0), code.0, octets(message)])
        }
        StreamFrame::StreamMoney { stream, shares } => {
            json!([17, number(stream.0), number(shares)])
        }
        StreamFrame::StreamMaxMoney { stream, receive_max, total_received } => {
            json!([18, number(stream.0), number(receive_max.0), number(total_received.0)])
        }
        StreamFrame::StreamMoneyBlocked { stream, send_max, total_sent } => {
            json!([19, number(stream.0), number(send_max.0), number(total_sent.0)])
        }
        StreamFrame::StreamData { stream, offset, data } => {
            json!([20, number(stream.0), number(offset), octets(data)])
        }
        StreamFrame::StreamMaxData { stream, offset } => {
            json!([21, number(stream.0), number(offset)])
        }
        StreamFrame::StreamDataBlocked { stream, offset } => {
            json!([22, number(stream.0), number(offset)])
        }
        StreamFrame::StreamReceipt { stream, receipt } => {
            json!([23, number(stream.0), octets(receipt)])
        }
    }
}

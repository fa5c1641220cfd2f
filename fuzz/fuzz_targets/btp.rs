//! BTP frames. An input that parses is encoded in canonical form by both encoders, and that form parses
//! to the same frame. The packet in it is parsed too.
#![no_main]

use ilp_connector::wire::btp::{
    BtpFrame, FrameBody, FrameKind, ILP, ilp_frame_size, parse_ilp_frame, put_frame, put_ilp_header,
};
use ilp_connector::wire::ilp::Packet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let frame = match BtpFrame::parse(input) {
        Ok(frame) => frame,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(parse_ilp_frame(input), None);
            return;
        }
    };
    let entries: Vec<_> = frame.protocol_data.iter().collect();
    assert_eq!(entries.len(), frame.protocol_data.len());
    assert_eq!(entries.first().copied(), frame.protocol_data.primary());

    let mut out = Vec::new();
    frame.encode(&mut out);
    assert!(out.len() <= input.len());
    assert_eq!(BtpFrame::parse(&out), Ok(frame));
    assert!(BtpFrame::parse(&out[..out.len() - 1]).is_err());
    let mut built = Vec::new();
    put_frame(frame.request_id, &frame.body, &entries, &mut built);
    assert_eq!(built, out);

    let found = entries.iter().find(|entry| entry.name == ILP).map(|entry| entry.data);
    assert_eq!(frame.ilp(), found);
    let names: std::collections::BTreeSet<_> = entries.iter().map(|entry| entry.name).collect();
    assert_eq!(frame.protocol_data.has_duplicate_names(), names.len() < entries.len());
    if let Some(packet) = found {
        let _ = Packet::parse(packet);
    }
    fast_paths_agree(input, &frame);
    // A byte after the frame is ignored, and the fast parser does not apply.
    let longer = [input, &[0]].concat();
    assert_eq!(BtpFrame::parse(&longer), Ok(frame));
    assert_eq!(parse_ilp_frame(&longer), None);
});

/// The parser and the encoder of the packet path agree with the general ones.
fn fast_paths_agree(input: &[u8], frame: &BtpFrame<'_>) {
    let kind = match frame.body {
        FrameBody::Message => FrameKind::Message,
        FrameBody::Response => FrameKind::Response,
        FrameBody::Error { .. } | FrameBody::Transfer { .. } => {
            return assert_eq!(parse_ilp_frame(input), None);
        }
    };
    if let Some(fast) = parse_ilp_frame(input) {
        assert_eq!((fast.kind, fast.request_id), (kind, frame.request_id));
        assert_eq!(Some(fast.packet), frame.ilp());
        assert_eq!(frame.protocol_data.len(), 1);
        let mut out = Vec::new();
        put_ilp_header(kind, fast.request_id, fast.packet.len(), &mut out);
        out.extend_from_slice(fast.packet);
        assert_eq!(out, input);
        assert_eq!(out.len(), ilp_frame_size(fast.packet.len()));
    }
}

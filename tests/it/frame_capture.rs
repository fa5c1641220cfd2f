//! The frames that a node writes, byte by byte. Checklist rows 1, 65 and 86.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ilp_connector::wire::btp::{BtpFrame, FrameKind};

use crate::interop;
use crate::peer::{
    CAPTURE_VARIABLE, PREIMAGE, Peer, TestNode, bind_listener, fulfill, message, prepare_to,
    response,
};
use crate::process::temp_folder;
use crate::support::{combined_output, run, skip, text};

/// Tests in which nodes send frames of every kind and size.
const TESTS: &[&str] = &[
    "btp::",
    "packets::",
    "child::",
    "error_codes::",
    "lenient_btp::",
    "forwarding::limits",
    "sessions::a_",
];

/// Other codecs write again all frames that nodes send to scripted peers in [`TESTS`].
#[test]
fn every_frame_equals_what_other_codecs_write_rows_1_86() {
    let packages = match interop::packages() {
        Ok(folder) => folder,
        Err(why) => return skip("other codecs", &why),
    };
    let folder = temp_folder();
    let frames = folder.path().join("frames");
    let tests = std::env::current_exe().unwrap();
    let output = run(Command::new(tests)
        .args(TESTS)
        .env(CAPTURE_VARIABLE, &frames)
        .env("RUST_BACKTRACE", "0"));
    assert!(output.status.success(), "{}", combined_output(&output));
    let counts = reencode(&packages, &std::fs::read(&frames).unwrap());
    for (what, enough) in [
        ("ERROR", 15),
        ("MESSAGE", 1),
        ("MESSAGE Prepare", 100),
        ("RESPONSE", 100),
        ("RESPONSE Fulfill", 50),
        ("RESPONSE Reject", 200),
    ] {
        assert!(counts.get(what) > Some(&enough), "{what}: {counts:?}");
    }
}

/// The number of frames of each kind.
fn reencode(packages: &Path, frames: &[u8]) -> BTreeMap<String, u32> {
    let mut codec = Command::new("node")
        .args(["lib/reencode.js", "test.n"])
        .current_dir(packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = codec.stdin.take().unwrap();
    stdin.write_all(frames).unwrap();
    drop(stdin);
    let output = codec.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", combined_output(&output));
    serde_json::from_str(&text(&output.stdout)).unwrap()
}

/// The scripted peer's reader accepts only whole binary messages (`0x82`), and `ReceivedFrame` only one whole BTP frame
/// in each. This test adds masks and many frames at once, in both roles.
#[test]
fn each_binary_message_holds_one_packet_row_65() {
    let (listener, port) = bind_listener();
    let node = TestNode::start(&format!(
        "nodeId: n\nilpAddress: test.n\npeers:\n  - {{ id: alice, authToken: alice-token }}\n  \
           - {{ id: bob, url: 'ws://127.0.0.1:{port}', authToken: bob-token }}\n\
         routes: [{{ prefix: test.bob, nextHop: bob }}]\n"
    ));
    let mut bob = Peer::accept(&listener);
    let login = bob.receive();
    bob.send(&response(login.id, None));
    node.wait_connected("bob");
    let mut alice = node.connect_peer("alice");
    const COUNT: u32 = 200;
    // Many at once, so that the node gathers them before it writes.
    let many: Vec<u8> = (0..COUNT)
        .flat_map(|id| {
            let packet = prepare_to("test.bob").data(&vec![7; id as usize * 50]).encode();
            let entry = ilp_connector::wire::btp::ProtocolEntry::octets("ilp", &packet);
            alice.writer.encode(&message(id, &[entry]))
        })
        .collect();
    alice.writer.send_raw(&many).unwrap();
    let mut answers = Vec::new();
    for _ in 0..COUNT {
        let (id, _) = bob.receive_prepare();
        answers.extend(bob.writer.encode(&response(id, Some(&fulfill(&PREIMAGE)))));
    }
    bob.writer.send_raw(&answers).unwrap();
    for _ in 0..COUNT {
        let got = alice.receive();
        assert_eq!(got.kind, FrameKind::Response);
        // The frame ends where the message does.
        let mut again = Vec::new();
        BtpFrame::parse(&got.raw).unwrap().encode(&mut again);
        assert_eq!(again.len(), got.raw.len());
    }
    assert_eq!(alice.receive_within(Duration::from_millis(50)), None);
    // RFC 6455 5.1: a client masks, a server does not.
    assert_eq!((bob.reader.masked, alice.reader.masked), (Some(true), Some(false)));
}

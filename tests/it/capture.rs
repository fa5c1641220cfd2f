//! What a node puts on the wire, byte by byte. Checklist rows 1, 65 and 86.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ilp_connector::wire::btp::{BtpFrame, FrameKind};

use crate::interop;
use crate::peer::{CAPTURE, Daemon, PREIMAGE, Peer, ask, fulfill, listener, message, respond};
use crate::running::folder;
use crate::support::{both, run, skip, text};

/// Tests in which nodes send frames of every kind, sizes of every kind among them.
const TESTS: &[&str] = &[
    "wire::",
    "packets::",
    "child::",
    "codes::",
    "lenient::",
    "forwarding::limits",
    "sessions::a_",
];

/// All frames that nodes send to scripted peers in those tests, written again by other codecs.
#[test]
fn every_frame_is_what_other_codecs_write_rows_1_86() {
    let packages = match interop::packages() {
        Ok(folder) => folder,
        Err(why) => return skip("other codecs", &why),
    };
    let folder = folder();
    let frames = folder.path().join("frames");
    let tests = std::env::current_exe().unwrap();
    let output =
        run(Command::new(tests).args(TESTS).env(CAPTURE, &frames).env("RUST_BACKTRACE", "0"));
    assert!(output.status.success(), "{}", both(&output));
    let counts = written_again(&packages, &std::fs::read(&frames).unwrap());
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

/// How many frames of which kind there were.
fn written_again(packages: &Path, frames: &[u8]) -> BTreeMap<String, u32> {
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
    assert!(output.status.success(), "{}", both(&output));
    serde_json::from_str(&text(&output.stdout)).unwrap()
}

/// The scripted peer's reader takes nothing but whole binary messages (`0x82`), and `Got` nothing but one whole BTP frame
/// in each; this looks at masks and at many frames at once, in both roles.
#[test]
fn one_packet_in_one_binary_message_row_65() {
    let (listener, port) = listener();
    let node = Daemon::start(&format!(
        "nodeId: n\nilpAddress: test.n\npeers:\n  - {{ id: alice, authToken: alice-token }}\n  \
           - {{ id: bob, url: 'ws://127.0.0.1:{port}', authToken: bob-token }}\n\
         routes: [{{ prefix: test.bob, nextHop: bob }}]\n"
    ));
    let mut bob = Peer::accept_silently(&listener);
    let login = bob.frame();
    bob.send(&respond(login.id, None));
    node.until_connected("bob");
    let mut alice = node.peer("alice");
    const COUNT: u32 = 200;
    // Many at once, so that the node gathers them before it writes.
    let many: Vec<u8> = (0..COUNT)
        .flat_map(|id| {
            let packet = ask("test.bob").data(&vec![7; id as usize * 50]).packet();
            let entry = ilp_connector::wire::btp::ProtocolEntry::octets("ilp", &packet);
            alice.writer.framed(&message(id, &[entry]))
        })
        .collect();
    alice.writer.raw(&many).unwrap();
    let mut answers = Vec::new();
    for _ in 0..COUNT {
        let (id, _) = bob.prepare();
        answers.extend(bob.writer.framed(&respond(id, Some(&fulfill(&PREIMAGE)))));
    }
    bob.writer.raw(&answers).unwrap();
    for _ in 0..COUNT {
        let got = alice.frame();
        assert_eq!(got.kind, FrameKind::Response);
        // Nothing is behind the frame: its end is the message's.
        let mut again = Vec::new();
        BtpFrame::parse(&got.raw).unwrap().encode(&mut again);
        assert_eq!(again.len(), got.raw.len());
    }
    assert_eq!(alice.frame_within(Duration::from_millis(50)), None);
    // RFC 6455 5.1: a client masks, a server does not.
    assert_eq!((bob.reader.masked, alice.reader.masked), (Some(true), Some(false)));
}

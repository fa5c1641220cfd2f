//! What a strict node promises to others leaves it only after the disk has it: the order of its system calls, as the
//! kernel saw them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use super::store_failures::SpawnedNode;
use super::*;
use crate::process::write_file;
use crate::support::skip;

/// Of each packet. Its multiples are found in no other number of the books.
const AMOUNT: u64 = 1_000_003;
const PACKETS: u64 = 4;
/// The key of the credit.
const CREDIT: &str = "the-key-of-a-credit";
/// Longer than a page of the store.
const STRING_MAX: &str = "8192";

/// Whether a line of a trace has these bytes. `strace -x` prints a string as it is, or all of it in hexadecimal.
fn has(line: &str, bytes: &[u8]) -> bool {
    let hex: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    line.contains(&hex) || std::str::from_utf8(bytes).is_ok_and(|text| line.contains(text))
}

fn calls(line: &str, names: &[&str]) -> bool {
    names.iter().any(|name| line.contains(&format!(" {name}(")))
}

/// Checks that a promise, which is sent with bytes `sent`, comes after its cause was written to the log of the store
/// and synchronized. `written`: bytes of the cause.
fn check_order(trace: &[&str], sent: &[u8], written: &[u8]) -> Result<(), String> {
    let is_log = |line: &str| line.contains(".db-wal>");
    let position = |what: &str, is: &dyn Fn(&str) -> bool, from: usize| {
        let found = trace.iter().skip(from).position(|line| is(line));
        found.map(|at| at + from).ok_or_else(|| format!("{what} is not in the trace"))
    };
    let sends = ["write", "writev", "sendto", "sendmsg"];
    let left = position(
        "the promise",
        &|line| calls(line, &sends) && line.contains("<socket:") && has(line, sent),
        0,
    )?;
    let saved = position(
        "the write",
        &|line| calls(line, &["pwrite64"]) && is_log(line) && has(line, written),
        0,
    )?;
    let synced = position(
        "the synchronization",
        &|line| calls(line, &["fdatasync", "fsync"]) && is_log(line),
        saved,
    )?;
    // With another thread's call in between, its end has a line of its own.
    let thread = trace[synced].split(' ').next().unwrap_or_default();
    let done = match trace[synced].ends_with("<unfinished ...>") {
        true => position(
            "the end of the synchronization",
            &|line| line.starts_with(&format!("{thread} ")) && line.contains("sync resumed>"),
            synced,
        )?,
        false => synced,
    };
    if !trace[done].ends_with("= 0") {
        return Err(format!("it failed: {}", trace[done]));
    }
    match saved < synced && done < left {
        true => Ok(()),
        false => Err(format!(
            "written in line {saved}, synchronized in {synced} to {done}, and sent in {left}"
        )),
    }
}

#[test]
fn a_promise_before_its_write_is_found() {
    let write = "7 pwrite64(9</x/n.db-wal>, \"\\x00\\x31\\x32\", 3, 0) = 3";
    let begins = "7 fdatasync(9</x/n.db-wal> <unfinished ...>";
    let ends = "7 <... fdatasync resumed>) = 0";
    let sends = "6 writev(8<socket:[1]>, [{iov_base=\"\\x07\\x08\", iov_len=2}], 1) = 2";
    let check = |trace: &[&str]| check_order(trace, &[7, 8], b"12");
    assert_eq!(check(&[write, begins, ends, sends]), Ok(()));
    for wrong in [
        [sends, write, begins, ends],
        [write, sends, begins, ends],
        [write, begins, sends, ends],
        [begins, ends, write, sends],
    ] {
        assert!(check(&wrong).is_err(), "{wrong:?}");
    }
}

/// A settlement engine that accepts everything. Returns its port, and the keys of the payments that it is asked for.
fn start_engine() -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, (sender, keys)) = (listener.local_addr().unwrap().port(), mpsc::sync_channel(1));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let lines = stream.by_ref().lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let value = |name: &str| {
                head.iter().find_map(|line| {
                    let (key, value) = line.split_once(": ")?;
                    key.eq_ignore_ascii_case(name).then(|| value.to_owned())
                })
            };
            let length = value("content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let answer = "HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            if let Some(key) = value("idempotency-key") {
                // The test may be over.
                let _ = sender.send(key);
            }
        }
    });
    (port, keys)
}

#[test]
fn a_strict_node_sends_a_proof_a_credit_and_an_order_to_pay_after_the_disk_has_them() {
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    match traced {
        Ok(traced) if traced.status.success() => {}
        traced => {
            return skip("the order of writes", &format!("`strace` does not run: {traced:?}"));
        }
    }
    let folder = temp_folder();
    let (engine, keys) = start_engine();
    let owed = AMOUNT * PACKETS;
    let config = format!(
        "nodeId: n\nilpAddress: test.n\nbtpServerHost: 127.0.0.1\nbtpServerPort: 0\nhealthCheckHost: 127.0.0.1\n\
         healthCheckPort: 0\nsettlementPort: 0\nstore: n.db\ndurability: strict\npeers:\n\
         \x20 - {{ id: alice, authToken: alice-token }}\n\
         \x20 - {{ id: bob, authToken: bob-token, settleThreshold: -{owed}, \
         settlement: {{ engine: 'http://127.0.0.1:{engine}' }} }}\n\
         routes:\n  - {{ prefix: test.bob, nextHop: bob }}\n"
    );
    let file = write_file(&folder, "node.yaml", &config);
    let trace = folder.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-qq", "-y", "-x", "-s", STRING_MAX, "-o", path_text(&trace)]);
    strace.args(["-e", "trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg"]);
    strace.args([PROGRAM, "run", "--config", path_text(&file)]);
    let node = SpawnedNode::start(&mut strace);
    let port = node.process.wait_for_log("listening to settlement engines", "port");
    let (mut alice, bob) = (node.connect("alice"), node.connect("bob"));
    let _claims = bob.fulfill_all();
    for number in 1..=PACKETS {
        let packet = prepare_to("test.bob.x").amount(AMOUNT);
        let answer = alice.request(u32::try_from(number).unwrap(), &packet);
        assert!(answer.ends_with("Fulfill"), "{answer}");
    }
    let key = keys.recv_timeout(TIMEOUT).expect("the engine is asked to pay what bob is owed");
    let body = r#"{"amount":"5000","scale":9}"#;
    let credit = format!(
        "POST /accounts/bob/settlements HTTP/1.1\r\nHost: n\r\nIdempotency-Key: {CREDIT}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = crate::peer::connect_tcp(port.as_u64().unwrap());
    stream.write_all(credit.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    node.kill();
    let read = || std::fs::read_to_string(&trace).unwrap_or_default();
    let (text, _) = eventually("the end of the trace", TIMEOUT, || match read() {
        text if text.contains("+++ killed by SIGKILL +++") => Ok(text),
        text => Err(format!("{} bytes", text.len())),
    });
    let lines: Vec<&str> = text.lines().collect();
    // Each proof has the same bytes, so each check begins after the proof before it. Until a packet is fulfilled, the
    // books have no such total; the total of the first one is also what is in flight before.
    let mut from = 0;
    for number in 1..=PACKETS {
        let rest = &lines[from..];
        if number > 1 {
            let total = (AMOUNT * number).to_string();
            check_order(rest, &PREIMAGE.0, total.as_bytes())
                .unwrap_or_else(|error| panic!("proof {number}: {error}"));
        }
        from += 1 + rest.iter().position(|line| has(line, &PREIMAGE.0)).expect("the proof");
    }
    let order = format!("idempotency-key: {key}");
    check_order(&lines, order.as_bytes(), key.as_bytes()).expect("the order to pay");
    check_order(&lines, b"HTTP/1.1 201 ", CREDIT.as_bytes()).expect("the credit");
}

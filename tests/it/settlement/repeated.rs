//! One credit that is reported ten thousand times, by many at a time.

use super::*;

/// Connections that report the same credit at a time.
const REPORTERS: usize = 40;
/// Reports of each of them.
const REPORTS: usize = 250;

/// Reports a credit again and again on one connection. Returns how many answers were 201 with the quantity.
fn report_again_and_again(port: u16, key: &str, quantity: &str) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_nodelay(true).unwrap();
    let request = format!(
        "POST /accounts/b/settlements HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {TOKEN}\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{quantity}",
        quantity.len()
    );
    let mut received = Vec::new();
    let mut take_answer = |stream: &mut TcpStream| loop {
        // The body ends the answer, and the next one comes after the next request only.
        if received.ends_with(quantity.as_bytes()) {
            return String::from_utf8(std::mem::take(&mut received)).unwrap();
        }
        let mut some = [0; 1024];
        match stream.read(&mut some).unwrap() {
            0 => return String::from_utf8_lossy(&received).into_owned(),
            count => received.extend_from_slice(&some[..count]),
        }
    };
    let answers = (0..REPORTS).map(|_| {
        stream.write_all(request.as_bytes()).unwrap();
        take_answer(&mut stream)
    });
    answers.filter(|answer| answer.starts_with("HTTP/1.1 201 ")).count()
}

#[test]
fn ten_thousand_reports_of_one_credit_are_one_credit_rows_133_135() {
    let link = Link::new("USD", "");
    let node = link.start(0);
    node.wait_for_log("listening to settlement engines", "port");
    let (port, quantity) = (link.listeners[0], r#"{"amount":"1500000001","scale":9}"#);
    let booked = std::thread::scope(|scope| {
        let report = || report_again_and_again(port, "one", quantity);
        let reporters: Vec<_> = (0..REPORTERS).map(|_| scope.spawn(report)).collect();
        reporters.into_iter().map(|reporter| reporter.join().unwrap()).sum::<usize>()
    });
    assert_eq!(booked, 10_000, "each of them is answered");
    link.wait_balance_of("a", "b", -1_500_000_001);
    // Also after the death of the node, and for a reporter that comes late.
    node.signal("KILL");
    node.wait_exit();
    let node = link.start(0);
    node.wait_for_log("listening to settlement engines", "port");
    assert_eq!(report_again_and_again(port, "one", quantity), REPORTS);
    link.wait_balance_of("a", "b", -1_500_000_001);
    drop(node);
    let store = link.store("a");
    let mut export = Command::new(PROGRAM);
    export.args(["ledger", "export", "--format", "csv", "--store", path_text(&store)]);
    let journal = run_successfully(&mut export);
    let is_credit =
        |line: &&str| line.contains("by engine: one\",Assets:Peers:b,USD,9,-1.500000001");
    assert_eq!(journal.lines().filter(is_credit).count(), 1, "{journal}");
}

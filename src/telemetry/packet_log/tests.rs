//! Which records become lines, in which order, and which are counted as lost.

use super::line::tests::records;
use super::*;
use crate::telemetry::format::LineFormat;
use crate::telemetry::testing::MemoryLog;

struct Node {
    log: Arc<PacketLog>,
    totals: Arc<PacketLogTotals>,
}

fn switch_on(packet_log: &Arc<ProcessPacketLog>, node: &str) -> (Node, Option<PacketWriter>) {
    let totals = Arc::<PacketLogTotals>::default();
    let (log, writer) = packet_log.switch_on(node, Arc::clone(&totals), MonoTime(0));
    (Node { log, totals }, writer)
}

fn lines(log: &MemoryLog) -> Vec<serde_json::Value> {
    log.written().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn fulfilled() -> PacketRecord {
    let [_, fulfilled, _] = records();
    fulfilled
}

#[test]
fn records_pushed_before_the_switch_off_are_written() {
    let log = MemoryLog::new(LineFormat::Json);
    let packet_log = ProcessPacketLog::new(log.output.clone());
    let (node, writer) = switch_on(&packet_log, "hub");
    let writer = writer.unwrap();
    let thread = std::thread::spawn(|| writer.run());
    for _ in 0..1000 {
        records().into_iter().for_each(|record| node.log.push(record));
    }
    packet_log.switch_off("hub");
    thread.join().unwrap();
    assert!(packet_log.is_idle());
    let events: Vec<_> =
        lines(&log).iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect();
    let expected = ["packet forwarded", "packet fulfilled", "packet rejected"].repeat(1000);
    assert_eq!(events, expected);
    assert_eq!((node.totals.written(), node.totals.dropped()), (3000, 0));
    assert!(switch_on(&packet_log, "hub").1.is_some(), "the thread has ended: a new one is needed");
}

#[test]
fn lines_of_several_nodes_are_in_the_order_of_their_packets() {
    let log = MemoryLog::new(LineFormat::Json);
    let packet_log = ProcessPacketLog::new(log.output.clone());
    let names = ["a", "b", "c"];
    let mut nodes = Vec::new();
    let mut writers = Vec::new();
    for name in names {
        let (node, writer) = switch_on(&packet_log, name);
        nodes.push(node);
        writers.extend(writer);
    }
    assert_eq!(writers.len(), 1, "one thread for all");
    for number in 0..10_000 {
        nodes[number % names.len()].log.push(fulfilled());
    }
    names.iter().for_each(|name| packet_log.switch_off(name));
    writers.remove(0).run();
    for (number, line) in lines(&log).iter().enumerate() {
        assert_eq!(line["node"], names[number % names.len()], "line {number}");
    }
    assert_eq!(nodes.iter().map(|node| node.totals.written()).sum::<u64>(), 10_000);
}

#[test]
fn lost_records_are_counted_and_reported() {
    let log = MemoryLog::new(LineFormat::Json);
    let packet_log = ProcessPacketLog::new(log.output.clone());
    let (node, _writer) = switch_on(&packet_log, "hub");
    let begin = Instant::now();
    let at = |seconds| begin + Duration::from_secs(seconds);
    let lose = |count: usize, now, is_last| {
        while packet_log.pop().is_some() {}
        for _ in 0..RING_CAPACITY + count {
            node.log.push(fulfilled());
        }
        packet_log.count_lost(now, is_last);
    };
    lose(0, at(0), false);
    assert_eq!(lines(&log).len(), 0);
    lose(3, at(0), false);
    lose(4, at(9), false);
    assert_eq!((lines(&log).len(), node.totals.dropped()), (1, 7));
    lose(5, at(11), false);
    lose(6, at(12), true);
    assert_eq!(node.totals.dropped(), 18);
    let reported: Vec<u64> = lines(&log)
        .iter()
        .map(|line| {
            assert_eq!((&line["node"], &line["level"]), (&"hub".into(), &"WARN".into()));
            line["dropped"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(reported, [3, 9, 6]);
}

#[test]
fn the_thread_ends_although_the_log_is_blocked() {
    let log = MemoryLog::blocked();
    let packet_log = ProcessPacketLog::new(log.output.clone());
    let (node, writer) = switch_on(&packet_log, "hub");
    for _ in 0..RING_CAPACITY {
        node.log.push(fulfilled());
    }
    packet_log.switch_off("hub");
    let began = Instant::now();
    writer.unwrap().run();
    assert!(began.elapsed() < Duration::from_secs(10));
    let (written, dropped) = (node.totals.written(), node.totals.dropped());
    assert_eq!(
        written + dropped,
        u64::try_from(RING_CAPACITY).unwrap(),
        "every record is accounted for"
    );
    assert!(dropped > 0 && written > 0, "{written} written, {dropped} dropped");
}

//! Payments over simulated paths: limits, rates, losses, delays, and hops and receivers that try to
//! make a sender pay too much, believe false amounts, or never end.

mod world;

use std::time::Duration;

use self::world::{Behaviour, SECRET, TestPath, path, pay, reply};
use super::*;
use crate::wire::stream::CloseCode;

fn settings(amount: u64) -> SenderSettings {
    let source = Some("test.a.cli".parse().unwrap());
    SenderSettings { source, ..SenderSettings::new(Amount(amount)) }
}

#[test]
fn a_payment_in_one_packet() {
    let (end, progress, outcome) = pay(settings(1000), &path(&[(u64::MAX, (1, 1))]), 1);
    assert_eq!((end, progress.sent, progress.delivered), (PaymentEnd::Complete, 1000, 1000));
    assert_eq!((progress.fulfilled, outcome.packets, outcome.closed), (1, 3, true));
    assert_eq!(progress.asset, Some(("EUR".to_owned(), 6)));
    assert_eq!(progress.rejected.iter().collect::<Vec<_>>(), [(ErrorCode::F99, 1)], "the probe");
    let (end, ..) = pay(settings(0), &path(&[(u64::MAX, (1, 1))]), 1);
    assert_eq!(end, PaymentEnd::Complete);
}

#[test]
fn the_narrowest_hop_decides_the_number_of_packets() {
    // Scale 9 to 6, then another asset; each hop has its own maximum.
    let hops = [(50_000_000, (1, 1000)), (20_000, (92, 100)), (9_000, (1, 1))];
    let (end, progress, outcome) = pay(settings(1_000_000_000), &path(&hops), 2);
    assert_eq!((&end, progress.sent), (&PaymentEnd::Complete, 1_000_000_000));
    assert_eq!(progress.delivered, outcome.received);
    assert!((919_000..=920_000).contains(&progress.delivered), "{progress:?}");
    // The maximum of 9,000 at the third hop is 9,782,609 at the sender.
    assert!((100..=110).contains(&progress.fulfilled), "{progress:?}");
    assert!(progress.packet_amount > 9_700_000, "{progress:?}");
    assert!(outcome.duration < Duration::from_secs(5), "{outcome:?}");
    let receipt = progress.receipt.unwrap();
    assert!(receipt.total_received() > progress.delivered / 2, "{progress:?}");
    assert!(outcome.receipts.iter().any(|given| given == receipt.as_bytes()));
    // A hundred thousand packets.
    let (end, progress, outcome) = pay(settings(100_000), &path(&[(1, (1, 1))]), 3);
    assert_eq!(
        (end, progress.fulfilled, outcome.received),
        (PaymentEnd::Complete, 100_000, 100_000)
    );
    assert_eq!(outcome.most_in_flight, 256);
    assert!(outcome.duration < Duration::from_secs(10), "{outcome:?}");
    // F08 without figures.
    let java = TestPath { behaviour: Behaviour::Java, ..path(&[(1_000, (1, 1))]) };
    let (end, progress, _) = pay(settings(1_000_000), &java, 4);
    assert_eq!((end, progress.packet_amount), (PaymentEnd::Complete, 976));
    // At most the user's maximum.
    let small = SenderSettings { max_packet_amount: Some(Amount(10)), ..settings(1_005) };
    let (end, progress, _) = pay(small, &path(&[(500, (1, 1))]), 5);
    assert_eq!((end, progress.fulfilled, progress.sent), (PaymentEnd::Complete, 101, 1_005));
}

#[test]
fn less_than_one_unit_of_the_receiver_is_not_sent() {
    let scales = path(&[(1_000, (1, 1000))]);
    let (end, progress, outcome) = pay(settings(10_500), &scales, 1);
    assert_eq!((end, progress.sent, outcome.received), (PaymentEnd::Remainder(500), 10_000, 10));
    let (end, progress, _) = pay(settings(500), &scales, 1);
    assert_eq!((end, progress.sent), (PaymentEnd::TooSmall, 0));
}

#[test]
fn the_minimum_rate_is_kept() {
    let line = path(&[(1_000, (1, 1))]);
    let settings =
        |amount| SenderSettings { max_packet_amount: Some(Amount(1_000)), ..settings(amount) };
    // Losses up to the slippage are accepted; above it nothing is paid.
    let (end, progress, _) =
        pay(settings(100_000), &TestPath { theft_percent: 1, ..line.clone() }, 1);
    assert_eq!((end, progress.delivered), (PaymentEnd::Complete, 99_000));
    let (end, progress, _) =
        pay(settings(100_000), &TestPath { theft_percent: 2, ..line.clone() }, 1);
    assert_eq!(progress.sent, 0);
    assert_eq!(end, PaymentEnd::RateTooLow { amount: 1_000, arrived: 980, minimum: 990 });
    let wide = SenderSettings { slippage: Slippage::of_millionths(30_000), ..settings(100_000) };
    let (end, progress, _) = pay(wide, &TestPath { theft_percent: 2, ..line.clone() }, 1);
    assert_eq!((end, progress.delivered), (PaymentEnd::Complete, 98_000));
    // A minimum above the path's rate: nothing is sent.
    let minimum_rate = Some("1.001".parse().unwrap());
    let (end, progress, outcome) =
        pay(SenderSettings { minimum_rate, ..settings(100_000) }, &line, 1);
    assert_eq!(end, PaymentEnd::RateTooLow { amount: 1_000, arrived: 1_000, minimum: 1_001 });
    assert_eq!((progress.sent, outcome.received), (0, 0));
}

#[test]
fn the_sender_waits_for_busy_paths() {
    const BUSY: &[ErrorCode] = &[
        ErrorCode::T00,
        ErrorCode::T01,
        ErrorCode::T02,
        ErrorCode::T03,
        ErrorCode::T04,
        ErrorCode::T05,
        ErrorCode::R02,
    ];
    for seed in 0..20 {
        let failing = TestPath { failures: (30, BUSY), ..path(&[(1_000, (3, 7))]) };
        let (end, progress, outcome) = pay(settings(1_000_000), &failing, seed);
        assert!(end.is_complete() && progress.sent >= 999_998, "{seed} {end:?}");
        assert_eq!(progress.delivered, outcome.received);
    }
    // A limit of 20 in flight: the window adapts.
    let narrow = TestPath { in_flight_max: 20, ..path(&[(10, (1, 1))]) };
    let (end, progress, outcome) = pay(settings(100_000), &narrow, 1);
    assert_eq!((end, progress.sent), (PaymentEnd::Complete, 100_000));
    assert!(progress.rejected.total() < progress.fulfilled / 10, "{progress:?}");
    assert!(outcome.duration < Duration::from_secs(60), "{outcome:?}");
}

#[test]
fn a_payment_ends_if_nothing_arrives() {
    let check = |codes, expected: &str| {
        let dead = TestPath { failures: (100, codes), ..path(&[(10, (1, 1))]) };
        let (end, progress, outcome) = pay(settings(1_000), &dead, 1);
        assert!(format!("{end:?}").starts_with(expected), "{end:?}");
        assert_eq!((progress.sent, outcome.received), (0, 0));
        assert!(outcome.duration <= Duration::from_secs(50), "{outcome:?}");
        assert!(outcome.packets < 100, "{outcome:?}");
        assert!(progress.last_failure.is_some());
    };
    check(&[ErrorCode::T01], "NothingArrives");
    check(&[ErrorCode::T04], "NothingArrives");
    check(&[ErrorCode::R00], "NothingArrives");
    check(&[ErrorCode::F02], "Refused(PacketFailure { code: F02");
    check(&[ErrorCode::F00], "Refused");
    check(&[ErrorCode::F99], "WrongSecret");
    const UNKNOWN: &[ErrorCode] = &[ErrorCode(*b"X12")];
    check(UNKNOWN, "NothingArrives");
    let time = SenderSettings { time: Some(Duration::from_secs(3)), ..settings(1_000) };
    let dead = TestPath { failures: (100, &[ErrorCode::T01]), ..path(&[(10, (1, 1))]) };
    let (end, _, outcome) = pay(time, &dead, 1);
    assert_eq!((end, outcome.duration), (PaymentEnd::OutOfTime, Duration::from_secs(3)));
}

#[test]
fn money_without_an_answer_is_never_sent_twice() {
    for seed in 0..10 {
        let lossy = TestPath { lost_percent: 2, ..path(&[(100, (1, 1))]) };
        let (end, progress, outcome) = pay(settings(20_000), &lossy, seed);
        assert_eq!(
            end,
            if progress.unresolved == 0 { PaymentEnd::Complete } else { PaymentEnd::Unresolved }
        );
        assert_eq!(progress.sent + progress.unresolved, 20_000, "{progress:?}");
        assert!(outcome.received <= 20_000, "{outcome:?}");
        assert!(progress.unanswered * 100 >= progress.unresolved, "{progress:?}");
    }
}

#[test]
fn dishonest_receivers_and_hops() {
    let line = path(&[(1_000, (1, 1))]);
    let with = |behaviour| pay(settings(100_000), &TestPath { behaviour, ..line.clone() }, 9);
    // Invalid replies measure nothing.
    for behaviour in [Behaviour::WrongSequence, Behaviour::WrongType] {
        let (end, progress, _) = with(behaviour);
        assert_eq!(
            (end, progress.sent, progress.delivered),
            (PaymentEnd::WrongSecret, 0, 0),
            "{behaviour:?}"
        );
    }
    let (end, progress, outcome) = with(Behaviour::Silent);
    assert_eq!((end, progress.sent, progress.delivered), (PaymentEnd::Complete, 100_000, 0));
    assert_eq!((progress.unconfirmed, outcome.received), (99_000, 100_000));
    let (end, progress, _) = with(Behaviour::Garbage);
    assert_eq!(end, PaymentEnd::WrongSecret, "{progress:?}");
    let (end, progress, outcome) = with(Behaviour::Liar);
    assert_eq!((end, progress.sent), (PaymentEnd::NothingPasses, 0));
    assert_eq!(progress.last_failure.map(|failure| failure.code), Some(ErrorCode::F08));
    assert!(outcome.packets < 80, "{outcome:?}");
    let (end, progress, outcome) = with(Behaviour::Closes(50));
    assert_eq!(end, PaymentEnd::ClosedByReceiver(CloseCode(3), "enough".to_owned()));
    assert_eq!((progress.sent, outcome.closed), (outcome.received, false));
    let (end, progress, _) = with(Behaviour::Wants(10_500));
    assert_eq!((end, progress.sent), (PaymentEnd::NothingArrives, 10_000));
    assert!(progress.last_failure.is_some_and(|why| why.message == "why"));
    let (end, progress, _) = with(Behaviour::Wants(10_000));
    assert_eq!((end, progress.sent), (PaymentEnd::NothingArrives, 10_000));
    let said = progress.last_failure.map(|why| why.message);
    assert_eq!(said.as_deref(), Some("the receiver takes no more than 10000"));
    let (end, ..) = with(Behaviour::WrongSecret);
    assert!(
        matches!(end, PaymentEnd::Refused(PacketFailure { code: ErrorCode::F06, .. })),
        "{end:?}"
    );
}

fn rejected(data: &[u8]) -> SenderAnswer<'_> {
    SenderAnswer::Rejected { code: ErrorCode::F99, by: "test.c", message: "", data }
}

#[test]
fn a_stopped_payment_waits_for_money_in_flight() {
    let now = Now { wall: Timestamp::from_millis(1_700_000_000_000), mono: MonoTime(0) };
    let begun = || Sender::new(settings(100), &SECRET, [1; 32], now.mono);
    let lost = SenderAnswer::NoAnswer { code: ErrorCode::R00, message: "late" };
    // Only a probe in flight, and no reply yet: the payment ends at once.
    let mut sender = begun();
    assert!(sender.next_packet(now).is_some());
    sender.stop();
    assert_eq!((sender.next_packet(now), sender.end()), (None, Some(&PaymentEnd::Stopped)));

    let mut sender = begun();
    let probe = sender.next_packet(now).unwrap();
    let reply = reply(&probe, 100);
    sender.record_answer(probe.sequence, rejected(&reply), now.mono);
    let money = sender.next_packet(now).unwrap();
    sender.stop();
    assert_eq!((sender.next_packet(now), sender.end(), sender.wakes_at()), (None, None, None));
    sender.record_answer(money.sequence, lost, now.mono);
    let close = sender.next_packet(now).unwrap();
    assert_eq!((close.amount, sender.end()), (Amount(0), None));
    sender.record_answer(close.sequence, lost, now.mono);
    assert_eq!((sender.next_packet(now), sender.end()), (None, Some(&PaymentEnd::Stopped)));
    assert_eq!(sender.progress().unresolved, 100);
}

#[test]
fn an_unanswered_probe_does_not_block_the_payment() {
    let start = Timestamp::from_millis(1_700_000_000_000);
    let at =
        |seconds: u64| Now { wall: start, mono: MonoTime(0).after(Duration::from_secs(seconds)) };
    let mut sender = Sender::new(settings(100), &SECRET, [1; 32], at(0).mono);
    let first = sender.next_packet(at(0)).unwrap();
    assert_eq!((sender.next_packet(at(4)), sender.wakes_at()), (None, Some(at(5).mono)));
    let second = sender.next_packet(at(5)).unwrap();
    sender.record_answer(second.sequence, rejected(&reply(&second, 100)), at(6).mono);
    let money = sender.next_packet(at(6)).unwrap();
    assert_eq!(money.amount, Amount(100));
    // The late answer to the first probe changes nothing.
    sender.record_answer(first.sequence, rejected(&reply(&first, 1)), at(6).mono);
    sender.record_answer(money.sequence, SenderAnswer::Fulfilled { data: &[] }, at(7).mono);
    assert_eq!(sender.progress().sent, 100);
    let close = sender.next_packet(at(7)).unwrap();
    assert_eq!((close.amount, sender.wakes_at()), (Amount(0), Some(at(9).mono)));
    assert_eq!((sender.next_packet(at(9)), sender.end()), (None, Some(&PaymentEnd::Complete)));
}

#[test]
fn any_path_with_any_failures() {
    const CODES: &[ErrorCode] = &[
        ErrorCode::T00,
        ErrorCode::T03,
        ErrorCode::T04,
        ErrorCode::T05,
        ErrorCode::R00,
        ErrorCode::R01,
        ErrorCode::F08,
        ErrorCode::T99,
    ];
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let hops = (0..random.random_range(1..6)).map(|_| {
            let rate = (random.random_range(1..3000), random.random_range(1..3000));
            (1 << random.random_range(0..40), rate)
        });
        let hops: Vec<_> = hops.collect();
        let behaviour = [
            Behaviour::Usual,
            Behaviour::Usual,
            Behaviour::Silent,
            Behaviour::Java,
            Behaviour::Garbage,
            Behaviour::Liar,
            Behaviour::Closes(20),
            Behaviour::Wants(1 << 20),
        ];
        let path = TestPath {
            failures: (random.random_range(0..60), CODES),
            lost_percent: random.random_range(0..3),
            in_flight_max: 1 << random.random_range(0..9),
            theft_percent: random.random_range(0..4),
            delay_ms: random.random_range(1..200),
            behaviour: behaviour[random.random_range(0..behaviour.len())],
            ..path(&hops)
        };
        let amount = 1 << random.random_range(0..36);
        let settings = SenderSettings {
            time: Some(Duration::from_secs(20)),
            window_max: 1 << random.random_range(0..9),
            ..settings(amount)
        };
        let (end, progress, outcome) = pay(settings, &path, seed);
        assert!(outcome.duration <= Duration::from_secs(55), "{seed} {end:?} {outcome:?}");
        if end == PaymentEnd::Complete {
            assert_eq!(progress.sent, amount, "{seed}");
        }
    }
}

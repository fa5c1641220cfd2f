//! What is kept of payments, and what is announced.

use super::*;

fn note(payments: &ReceivedPayments, connection: &str, amount: u64, at: u64) {
    let receiver = "wallet".parse().unwrap();
    let (at, next) = (Timestamp::from_millis(at), CutNumber(7));
    payments.note((&receiver, &Asset::default()), connection, Amount(amount), at, next);
}

/// So many connections get ten units each, one after the other.
fn note_each(payments: &ReceivedPayments, count: u64) {
    (0..count).for_each(|number| note(payments, &format!("c{number}"), 10, number));
}

fn seen(changed: &ChangedPayments) -> Vec<(&str, u64, i128, u64)> {
    let rows = changed
        .payments
        .iter()
        .map(|row| (&*row.key.connection, row.packets, row.amount, row.last_at.as_millis()));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    rows
}

#[test]
fn packets_of_a_connection_add_up_and_a_cut_has_what_changed() {
    let payments = ReceivedPayments::default();
    note(&payments, "c1", 5, 10);
    note(&payments, "c1", 6, 20);
    note(&payments, "c2", 1, 15);
    note(&payments, "c3", 0, 15);
    let first = payments.take_changed();
    assert_eq!(seen(&first), [("c1", 2, 11, 20), ("c2", 1, 1, 15)]);
    note(&payments, "c2", 2, 30);
    assert_eq!(seen(&payments.take_changed()), [("c2", 2, 3, 30)]);
    assert_eq!(seen(&payments.take_changed()), []);
    payments.note_all();
    let saved = payments.take_changed();
    assert_eq!(seen(&saved), [("c1", 2, 11, 20), ("c2", 2, 3, 30)]);
    let restarted = ReceivedPayments::new(saved.payments);
    note(&restarted, "c1", 1, 40);
    assert_eq!(seen(&restarted.take_changed()), [("c1", 3, 12, 40)]);
}

#[test]
fn too_many_connections_are_summed_up_and_no_unit_is_lost() {
    let payments = ReceivedPayments::default();
    let count = u64::try_from(CONNECTIONS_MAX).unwrap() + 3;
    note_each(&payments, count);
    note(&payments, &"x".repeat(CONNECTION_ID_BYTES_MAX + 1), 1, count);
    let changed = payments.take_changed();
    let gone: Vec<_> = changed.summed_up.iter().map(|key| &*key.connection).collect();
    assert_eq!(gone, ["c0", "c1", "c2"]);
    assert_eq!(seen(&changed)[0], (SUM, 4, 31, count));
    assert_eq!(changed.payments.len(), CONNECTIONS_MAX + 1);
    let sum: i128 = changed.payments.iter().map(|row| row.amount).sum();
    assert_eq!(sum, i128::from(count * 10 + 1));
    // One of them comes back: it has a row of its own, and another one makes room.
    note(&payments, "c0", 2, count);
    let changed = payments.take_changed();
    let gone: Vec<_> = changed.summed_up.iter().map(|key| &*key.connection).collect();
    assert_eq!(gone, ["c1", "c2", "c3"], "until a cut with them is durable");
    assert_eq!(seen(&changed), [(SUM, 5, 41, count), ("c0", 1, 2, count)]);
    payments.forget_saved(CutNumber(6));
    assert_eq!(payments.take_changed().summed_up.len(), 3);
    payments.forget_saved(CutNumber(7));
    assert!(payments.take_changed().summed_up.is_empty());
}

#[test]
fn the_sum_takes_no_place_of_a_connection() {
    let payments = ReceivedPayments::default();
    note(&payments, &"x".repeat(CONNECTION_ID_BYTES_MAX + 1), 1, 0);
    note(&payments, &"x".repeat(CONNECTION_ID_BYTES_MAX), 1, 0);
    (1..CONNECTIONS_MAX).for_each(|number| note(&payments, &format!("c{number}"), 1, 0));
    let changed = payments.take_changed();
    assert_eq!((changed.payments.len(), changed.summed_up.len()), (CONNECTIONS_MAX + 1, 0));
}

#[test]
fn a_list_goes_on_after_any_payment() {
    let payments = ReceivedPayments::default();
    let mut keys = Vec::new();
    for receiver in ["a", "b"].map(|id| id.parse::<AccountId>().unwrap()) {
        for asset in [("EUR", 9), ("USD", 2), ("USD", 9)] {
            let asset = Asset::new(asset.0, asset.1);
            for connection in ["x", "y"] {
                let of = (&receiver, &asset);
                payments.note(of, connection, Amount(1), Timestamp::EPOCH, CutNumber(1));
                keys.push(key_of(of, connection));
            }
        }
    }
    let list = |receiver, after, max| {
        let found = payments.list(receiver, after, max).into_iter();
        found.map(|payment| payment.key).collect::<Vec<_>>()
    };
    for max in 1..=keys.len() {
        for from in 0..keys.len() {
            let after = from.checked_sub(1).map(|before| &keys[before]);
            let expected = &keys[from..keys.len().min(from + max)];
            assert_eq!(list(None, after, max), expected, "{max} from {from}");
        }
    }
    assert_eq!(list(Some("b"), None, 9), keys[6..]);
    assert_eq!(list(Some("c"), None, 9), []);
}

fn announced(payments: &ReceivedPayments, at: u64, max: usize) -> Vec<(String, i128, i128)> {
    let due = payments.announce(Timestamp::from_millis(at), max).into_iter();
    due.map(|one| (one.key.connection.to_string(), one.news, one.amount)).collect()
}

#[test]
fn a_payment_is_announced_when_it_is_over_and_each_minute_while_it_goes_on() {
    let payments = ReceivedPayments::default();
    note(&payments, "c1", 5, 1_000);
    note(&payments, "c1", 6, 2_000);
    assert_eq!(announced(&payments, 3_999, 9), []);
    assert_eq!(announced(&payments, 4_000, 9), [("c1".to_owned(), 11, 11)]);
    assert_eq!(announced(&payments, 9_000, 9), []);
    (10..=70).for_each(|second| note(&payments, "c1", 1, second * 1_000));
    assert_eq!(announced(&payments, 69_999, 9), []);
    assert_eq!(announced(&payments, 70_000, 9), [("c1".to_owned(), 61, 72)]);
}

#[test]
fn a_restart_announces_what_was_not_announced_and_nothing_twice() {
    let payments = ReceivedPayments::default();
    note(&payments, "c1", 5, 1_000);
    note(&payments, "c2", 7, 1_000);
    let saved = payments.take_changed().payments;
    assert_eq!(announced(&payments, 5_000, 1), [("c1".to_owned(), 5, 5)], "the other one later");
    let mut later = payments.take_changed().payments;
    assert_eq!((later.len(), later[0].announced), (1, later[0].amount));
    let other = saved.into_iter().find(|row| row.key != later[0].key).unwrap();
    let expected = vec![(other.key.connection.to_string(), other.amount, other.amount)];
    later.push(other);
    let restarted = ReceivedPayments::new(later);
    assert_eq!(announced(&restarted, 5_000, 9), expected);
    assert_eq!(announced(&restarted, 9_000, 9), []);
}

#[test]
fn what_is_summed_up_is_announced_too() {
    let payments = ReceivedPayments::default();
    let count = u64::try_from(CONNECTIONS_MAX).unwrap() + 3;
    (0..count).for_each(|number| note(&payments, &format!("c{number}"), 10, 0));
    let all = announced(&payments, 5_000, usize::MAX);
    assert_eq!(all.iter().map(|(_, news, _)| news).sum::<i128>(), i128::from(count * 10));
    assert!(all.contains(&(SUM.to_owned(), 30, 30)));
}

#[test]
fn connections_that_come_and_go_are_remembered_once_each() {
    let payments = ReceivedPayments::default();
    let count = u64::try_from(CONNECTIONS_MAX).unwrap() + 1;
    for round in 0..5 {
        (0..count).for_each(|number| note(&payments, &format!("c{number}"), 1, round));
        assert_eq!(announced(&payments, round, usize::MAX), []);
        // The connections that are kept one by one, and the sum of the others.
        assert!(payments.state.lock().unannounced.len() <= CONNECTIONS_MAX + 1, "{round}");
    }
    let all = announced(&payments, 5_000, usize::MAX);
    assert_eq!(all.iter().map(|(_, news, _)| news).sum::<i128>(), i128::from(count * 5));
}

#[test]
fn a_connection_that_comes_back_before_the_cut_is_in_it_once() {
    let payments = ReceivedPayments::default();
    let count = u64::try_from(CONNECTIONS_MAX).unwrap() + 1;
    note_each(&payments, count);
    note(&payments, "c0", 2, count);
    let changed = payments.take_changed();
    let rows = seen(&changed);
    let rows: Vec<_> = rows.iter().filter(|(connection, ..)| *connection == "c0").collect();
    assert_eq!(rows, [&("c0", 1, 2, count)]);
}

#[test]
fn without_a_store_nothing_waits_for_a_cut() {
    let payments = ReceivedPayments::in_memory();
    note(&payments, "c1", 5, 10);
    assert_eq!(seen(&payments.take_changed()), []);
    assert_eq!(announced(&payments, 9_000, 9), []);
}

#[test]
fn all_payments_of_a_cut_have_the_order_of_their_keys() {
    let payments = ReceivedPayments::default();
    note_each(&payments, 9);
    payments.take_changed();
    payments.note_all();
    let rows = payments.take_changed().payments;
    assert_eq!(rows.len(), 9);
    assert!(rows.is_sorted_by(|a, b| a.key < b.key), "{rows:?}");
}

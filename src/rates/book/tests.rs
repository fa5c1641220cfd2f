//! Ages, jumps and faults of sources, by a clock that the tests set.

use super::*;
use crate::rates::RateGap;

const SOURCE: &str = "rates.json";

fn at(seconds: u64) -> Now {
    let wall = Timestamp::from_millis(1_795_780_800_000 + seconds * 1_000);
    Now { wall, mono: MonoTime(seconds * 1_000_000_000) }
}

fn source(name: &str) -> RateSource {
    RateSource {
        name: name.into(),
        format: RateFormat::Json,
        base: Some("USD".into()),
        max_age: Duration::from_secs(300),
        max_step: "0.2".parse().unwrap(),
    }
}

fn book(names: &[&str]) -> RateBook {
    let mut book = RateBook::default();
    book.configure(names.iter().map(|name| source(name)).collect(), at(0));
    book
}

fn record(book: &mut RateBook, source: &str, rates: &str, seconds: u64) -> Vec<RateNotice> {
    let text = format!("{{\"rates\": {{{rates}}}}}");
    read(book, source, &text, seconds)
}

fn read(book: &mut RateBook, name: &str, text: &str, seconds: u64) -> Vec<RateNotice> {
    let wall = at(seconds).wall;
    let read = source(name).read(text.as_bytes(), wall).map(|quotes| (quotes, wall));
    book.record(name, read, at(seconds))
}

fn find(book: &RateBook, from: &str, to: &str, seconds: u64) -> String {
    match book.table(at(seconds)).find(from, to) {
        Ok(Some(found)) => format!("{} by {}", found.rate, found.source),
        Ok(None) => "none".to_owned(),
        Err(RateGap::Stale { source, as_of, .. }) => {
            format!("{source} is {} s old", at(seconds).wall.millis_since(as_of) / 1_000)
        }
        Err(RateGap::Jumped { asset, .. }) => format!("{asset} jumped"),
    }
}

#[test]
fn pairs_are_crossed_by_the_base() {
    let mut book = book(&[SOURCE]);
    assert_eq!(find(&book, "USD", "EUR", 0), "none", "before the first document");
    assert_eq!(record(&mut book, SOURCE, "\"EUR\": 0.8, \"JPY\": 160", 0), []);
    for (from, to, expected) in [
        ("USD", "EUR", "0.8"),
        ("EUR", "USD", "1.25"),
        ("EUR", "JPY", "200"),
        ("JPY", "EUR", "0.005"),
    ] {
        assert_eq!(find(&book, from, to, 0), format!("{expected} by {SOURCE}"));
    }
    assert_eq!(find(&book, "EUR", "XRP", 0), "none");
}

#[test]
fn old_figures_are_refused_with_their_age_and_said_once() {
    let mut book = book(&[SOURCE]);
    assert_eq!(book.poll(at(1)), [], "it has time for its first document");
    record(&mut book, SOURCE, "\"EUR\": 0.8", 100);
    assert_eq!(book.poll(at(400)), []);
    assert_eq!(find(&book, "USD", "EUR", 400), "0.8 by rates.json");
    let failed = |kind, text: &str| Err(SourceFault { kind, text: text.to_owned() });
    let no_answer = failed(SourceFaultKind::Unreadable, "no answer");
    assert_eq!(book.record(SOURCE, no_answer, at(400)), []);
    assert_eq!(find(&book, "USD", "EUR", 401), "rates.json is 301 s old");
    let (source, age) = (Arc::from(SOURCE), Some(Duration::from_secs(301)));
    let error = Some("no answer".to_owned());
    assert_eq!(book.poll(at(401)), [RateNotice::Stale { source: Arc::clone(&source), age, error }]);
    book.record(SOURCE, failed(SourceFaultKind::Unreadable, "no connection"), at(402));
    assert_eq!(book.poll(at(402)), [], "of the same kind");
    book.record(SOURCE, failed(SourceFaultKind::Unusable, "it is not JSON"), at(403));
    let (age, error) = (Some(Duration::from_secs(303)), Some("it is not JSON".to_owned()));
    assert_eq!(book.poll(at(403)), [RateNotice::Stale { source, age, error }]);
    assert_eq!(book.poll(at(404)), []);
    let mut kinds = [SourceFaultKind::Unreadable, SourceFaultKind::Unusable].into_iter().cycle();
    for second in 405..420 {
        book.record(SOURCE, failed(kinds.next().unwrap(), "again"), at(second));
        assert_eq!(book.poll(at(second)), [], "each kind was said");
    }
    record(&mut book, SOURCE, "\"EUR\": 0.8", 500);
    assert_eq!(book.poll(at(500)), [RateNotice::Fresh { source: SOURCE.into() }]);
    assert_eq!(find(&book, "USD", "EUR", 500), "0.8 by rates.json");
}

#[test]
fn a_document_may_be_older_than_its_arrival() {
    let mut book = book(&[SOURCE]);
    let text = r#"{"timestamp": 1795780700, "rates": {"EUR": 0.8}}"#;
    read(&mut book, SOURCE, text, 250);
    assert_eq!(find(&book, "USD", "EUR", 250), "rates.json is 350 s old");
    let stepped_back = Now { wall: at(0).wall, ..at(251) };
    assert!(book.table(stepped_back).find("USD", "EUR").is_err(), "no step makes it young");
}

#[test]
fn a_source_that_never_answers_is_said_after_its_time() {
    let mut book = book(&[SOURCE]);
    assert_eq!(book.poll(at(300)), []);
    let source = Arc::from(SOURCE);
    assert_eq!(
        book.poll(at(301)),
        [RateNotice::Stale { source: Arc::clone(&source), age: None, error: None }]
    );
}

#[test]
fn a_jump_stops_its_asset_until_the_quote_is_near_again() {
    let mut book = book(&[SOURCE]);
    record(&mut book, SOURCE, "\"EUR\": 0.8, \"JPY\": 160, \"XRP\": 2", 0);
    let (source, asset) = (Arc::<str>::from(SOURCE), Arc::<str>::from("XRP"));
    let rate = |text| Rate::from_quote(text).unwrap();
    let jump = RateJump { asset: Arc::clone(&asset), from: rate("2"), to: rate("20") };
    let jumped = RateNotice::Jumped { source: Arc::clone(&source), jumps: vec![jump.clone()] };
    assert_eq!(record(&mut book, SOURCE, "\"EUR\": 0.81, \"JPY\": 160, \"XRP\": 20", 1), [jumped]);
    assert_eq!(find(&book, "USD", "XRP", 1), "XRP jumped");
    assert_eq!(find(&book, "XRP", "EUR", 1), "XRP jumped");
    assert_eq!(find(&book, "USD", "EUR", 1), "0.81 by rates.json", "no other pair stops");
    assert_eq!(record(&mut book, SOURCE, "\"XRP\": 20", 2), [], "said once");
    assert_eq!(book.states(at(2))[0].jumped, [jump]);
    let ended = RateNotice::JumpsEnded { source, assets: vec![asset] };
    assert_eq!(record(&mut book, SOURCE, "\"XRP\": 2.1", 3), std::slice::from_ref(&ended));
    assert_eq!(find(&book, "USD", "XRP", 3), "2.1 by rates.json");
    // An operator who allows a larger step takes the new quote.
    record(&mut book, SOURCE, "\"XRP\": 3", 4);
    let max_step = "0.9".parse().unwrap();
    book.configure(vec![RateSource { max_step, ..self::source(SOURCE) }], at(5));
    assert_eq!(record(&mut book, SOURCE, "\"XRP\": 3", 5), [ended]);
    assert_eq!(find(&book, "USD", "XRP", 5), "3 by rates.json");
}

#[test]
fn an_operator_accepts_the_quote_that_jumped_and_no_other() {
    let mut book = book(&[SOURCE]);
    let rate = |text| Rate::from_quote(text).unwrap();
    record(&mut book, SOURCE, "\"XRP\": 2", 0);
    let none = |source: &str, asset: &str| {
        let (place, asset) = (source.to_owned(), asset.to_owned());
        Err(AcceptError::NoJump { place, asset })
    };
    assert_eq!(book.accept(SOURCE, "XRP", None), none(SOURCE, "XRP"));
    record(&mut book, SOURCE, "\"XRP\": 20", 1);
    assert_eq!(book.accept(SOURCE, "EUR", None), none(SOURCE, "EUR"));
    let unknown = book.accept("other", "XRP", None).unwrap_err().to_string();
    assert_eq!(unknown, "the node has no source other of exchange rates");
    let other = book.accept(SOURCE, "XRP", Some(rate("21"))).unwrap_err().to_string();
    assert_eq!(other, "the quote of XRP is 20 now");
    assert_eq!(find(&book, "USD", "XRP", 1), "XRP jumped");
    let accepted = RateJump { asset: "XRP".into(), from: rate("2"), to: rate("20") };
    assert_eq!(book.accept(SOURCE, "XRP", Some(rate("20.0"))), Ok(accepted));
    assert_eq!(find(&book, "USD", "XRP", 1), "20 by rates.json");
    assert_eq!(book.states(at(1))[0].jumped, []);
    assert_eq!(record(&mut book, SOURCE, "\"XRP\": 21", 2), [], "near the accepted one");
    let back = record(&mut book, SOURCE, "\"XRP\": 2", 3);
    assert!(matches!(&back[..], [RateNotice::Jumped { .. }]), "{back:?}");
}

#[test]
fn a_document_whose_quotes_all_jump_is_one_notice() {
    let mut book = book(&[SOURCE]);
    let document =
        |rate: u32| (0..100).map(|n| format!("\"C{n:02}\": {rate}")).collect::<Vec<_>>().join(",");
    record(&mut book, SOURCE, &document(1), 0);
    let notices = record(&mut book, SOURCE, &document(2), 1);
    let [RateNotice::Jumped { jumps, .. }] = notices.as_slice() else { panic!("{notices:?}") };
    assert_eq!((jumps.len(), &*jumps[99].asset), (100, "C99"));
    let notices = record(&mut book, SOURCE, &document(1), 2);
    let [RateNotice::JumpsEnded { assets, .. }] = notices.as_slice() else { panic!("{notices:?}") };
    assert_eq!((assets.len(), &*assets[0]), (100, "C00"));
}

#[test]
fn a_later_source_takes_over_both_directions_of_a_pair() {
    let mut book = book(&["first", "second"]);
    record(&mut book, "first", "\"EUR\": 0.8", 0);
    record(&mut book, "second", "\"EUR\": 0.9, \"XRP\": 2", 200);
    assert_eq!(find(&book, "USD", "EUR", 200), "0.8 by first");
    assert_eq!(find(&book, "USD", "XRP", 200), "2 by second");
    for (from, to) in [("USD", "EUR"), ("EUR", "USD")] {
        assert!(find(&book, from, to, 301).ends_with("by second"));
        assert_eq!(find(&book, from, to, 501), "first is 501 s old");
    }
    book.configure(vec![source("second")], at(300));
    assert_eq!(find(&book, "USD", "EUR", 300), "0.9 by second", "its figures stay");
}

#[test]
fn garbage_leaves_the_figures_and_is_shown() {
    let mut book = book(&[SOURCE]);
    record(&mut book, SOURCE, "\"EUR\": 0.8", 0);
    assert_eq!(read(&mut book, SOURCE, "<html>", 1), []);
    let state = &book.states(at(1))[0];
    assert!(state.error.as_ref().unwrap().contains("it is not JSON"), "{state:?}");
    assert!(state.is_fresh);
    assert_eq!(find(&book, "USD", "EUR", 1), "0.8 by rates.json");
}

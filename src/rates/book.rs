//! What each source said last, and since when: ages, jumps, and failures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::document::{self, Quotes, RateFormat};
use super::table::{SourceTable, SourcedRates};
use crate::account::{Rate, Spread};
use crate::time::{MonoTime, Now};
use crate::wire::Timestamp;

/// The settings of a source that concern its figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateSource {
    /// Its file or URL.
    pub name: Arc<str>,
    /// The form of its documents.
    pub format: RateFormat,
    /// The base of its quotes, if its documents need not or do not name it.
    pub base: Option<Arc<str>>,
    /// The oldest that figures may be.
    pub max_age: Duration,
    /// The largest change of a quote from one document to the next, as a share.
    pub max_step: Spread,
}

impl RateSource {
    /// Reads a document of this source. It takes a while for a large one.
    ///
    /// # Errors
    /// A sentence that begins with "it".
    pub fn read(&self, document: &[u8], now: Timestamp) -> Result<Quotes, String> {
        let read = document::read(document, self.format, self.base.as_ref(), now);
        read.map_err(|error| error.to_string())
    }
}

/// What an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateNotice {
    /// The figures of a source have become too old.
    Stale {
        /// The source.
        source: Arc<str>,
        /// Their age; `None`: it never had any.
        age: Option<Duration>,
        /// Why there are no newer ones.
        error: Option<String>,
    },
    /// A source has figures that can be used again.
    Fresh {
        /// The source.
        source: Arc<str>,
    },
    /// Quotes have changed too much at once.
    Jumped {
        /// The source.
        source: Arc<str>,
        /// All quotes of the document that are not used since now.
        jumps: Vec<RateJump>,
    },
    /// Quotes are near those that were used last.
    JumpsEnded {
        /// The source.
        source: Arc<str>,
        /// The assets, each once.
        assets: Vec<Arc<str>>,
    },
}

/// A quote that has changed too much at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateJump {
    /// The asset.
    pub asset: Arc<str>,
    /// The quote that was used until now.
    pub from: Rate,
    /// The quote that is not used.
    pub to: Rate,
}

/// A source for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// Its file or URL.
    pub name: Arc<str>,
    /// The base of its quotes, once it has some.
    pub base: Option<Arc<str>>,
    /// The age of its figures, once it has some.
    pub age: Option<Duration>,
    /// The oldest that they may be.
    pub max_age: Duration,
    /// Whether they can be used.
    pub is_fresh: bool,
    /// Number of assets that it quotes.
    pub quotes: usize,
    /// Quotes that are no rates.
    pub unusable: usize,
    /// The assets that have jumped, with the quote that is not used.
    pub jumped: Vec<(Arc<str>, Rate)>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// All sources of a node.
#[derive(Debug, Default)]
pub struct RateBook {
    sources: Vec<BookedSource>,
}

#[derive(Debug)]
struct BookedSource {
    settings: RateSource,
    figures: Option<Figures>,
    error: Option<String>,
    /// Whether [`RateNotice::Stale`] was returned, and no [`RateNotice::Fresh`] since.
    is_known_stale: bool,
    /// The beginning of the wait for the first figures.
    began: MonoTime,
}

#[derive(Debug)]
struct Figures {
    base: Arc<str>,
    as_of: Timestamp,
    /// Their age when they were read, and when that was.
    age_when_read: Duration,
    read_at: MonoTime,
    quotes: BTreeMap<Arc<str>, Quote>,
    unusable: usize,
}

#[derive(Clone, Copy, Debug)]
struct Quote {
    /// The last one that was used.
    used: Rate,
    /// The newest one, if it is too far from it.
    jumped: Option<Rate>,
}

impl RateBook {
    /// Follows the configuration. Sources that stay keep their figures.
    pub fn configure(&mut self, sources: Vec<RateSource>, now: Now) {
        let mut before = std::mem::take(&mut self.sources);
        self.sources = sources
            .into_iter()
            .map(|settings| {
                let is_same = |known: &BookedSource| {
                    let known = &known.settings;
                    known.name == settings.name
                        && known.format == settings.format
                        && known.base == settings.base
                };
                match before.iter().position(is_same) {
                    Some(index) => BookedSource { settings, ..before.swap_remove(index) },
                    None => BookedSource {
                        settings,
                        figures: None,
                        error: None,
                        is_known_stale: false,
                        began: now.mono,
                    },
                }
            })
            .collect();
    }

    /// Takes the quotes of a source, whose figures are as old as `written` unless they say otherwise; or the reason why
    /// there are none. Returns what an operator should know.
    pub fn record(
        &mut self,
        source: &str,
        read: Result<(Quotes, Timestamp), String>,
        now: Now,
    ) -> Vec<RateNotice> {
        let known = self.sources.iter_mut().find(|known| *known.settings.name == *source);
        let Some(source) = known else { return Vec::new() };
        match read {
            Ok((quotes, written)) => {
                source.error = None;
                source.take(quotes, written.min(now.wall), now)
            }
            Err(error) => {
                source.error = Some(error);
                Vec::new()
            }
        }
    }

    /// What has become too old, or is in time again. Call it every second or so.
    pub fn poll(&mut self, now: Now) -> Vec<RateNotice> {
        self.sources.iter_mut().filter_map(|source| source.poll(now)).collect()
    }

    /// The quotes as they are now.
    pub fn table(&self, now: Now) -> SourcedRates {
        let table = |source: &BookedSource| {
            let figures = source.figures.as_ref()?;
            let quotes = figures.quotes.iter().map(|(code, quote)| {
                (Arc::clone(code), quote.jumped.is_none().then_some(quote.used))
            });
            Some(SourceTable {
                name: Arc::clone(&source.settings.name),
                as_of: figures.as_of,
                max_age: source.settings.max_age,
                is_stale: !source.is_fresh(now),
                quotes: quotes.collect(),
            })
        };
        SourcedRates { sources: self.sources.iter().filter_map(table).collect() }
    }

    /// The sources, for people.
    pub fn states(&self, now: Now) -> Vec<SourceState> {
        self.sources.iter().map(|source| source.state(now)).collect()
    }
}

impl BookedSource {
    fn is_fresh(&self, now: Now) -> bool {
        self.figures.as_ref().is_some_and(|figures| figures.age(now) <= self.settings.max_age)
    }

    fn poll(&mut self, now: Now) -> Option<RateNotice> {
        let source = Arc::clone(&self.settings.name);
        // Before the first figures, a source has as long as its figures may be old.
        let waits = self.figures.is_none()
            && self.error.is_none()
            && now.mono.since(self.began) <= self.settings.max_age;
        match (self.is_fresh(now), self.is_known_stale) {
            (true, true) => {
                self.is_known_stale = false;
                Some(RateNotice::Fresh { source })
            }
            (false, false) if !waits => {
                self.is_known_stale = true;
                let age = self.figures.as_ref().map(|figures| figures.age(now));
                Some(RateNotice::Stale { source, age, error: self.error.clone() })
            }
            _ => None,
        }
    }

    fn take(&mut self, quotes: Quotes, written: Timestamp, now: Now) -> Vec<RateNotice> {
        let Quotes { base, as_of, rates, unusable } = quotes;
        let before = self.figures.take().filter(|figures| figures.base == base);
        let as_of = as_of.unwrap_or(written);
        let (mut jumps, mut ended) = (Vec::new(), Vec::new());
        let quotes = rates.into_iter().map(|(asset, new)| {
            let known = before.as_ref().and_then(|figures| figures.quotes.get(&asset).copied());
            let is_jump =
                known.is_some_and(|known| new.differs_by_more(known.used, self.settings.max_step));
            let quote = match known {
                Some(Quote { used, .. }) if is_jump => Quote { used, jumped: Some(new) },
                _ => Quote { used: new, jumped: None },
            };
            match known {
                Some(Quote { used, jumped: None }) if is_jump => {
                    jumps.push(RateJump { asset: Arc::clone(&asset), from: used, to: new });
                }
                Some(Quote { jumped: Some(_), .. }) if !is_jump => ended.push(Arc::clone(&asset)),
                _ => {}
            }
            (asset, quote)
        });
        let quotes = quotes.collect();
        let age_when_read = Duration::from_millis(now.wall.millis_since(as_of));
        let read_at = now.mono;
        self.figures = Some(Figures { base, as_of, age_when_read, read_at, quotes, unusable });
        let source = || Arc::clone(&self.settings.name);
        let jumped = (!jumps.is_empty()).then(|| RateNotice::Jumped { source: source(), jumps });
        let ended =
            (!ended.is_empty()).then(|| RateNotice::JumpsEnded { source: source(), assets: ended });
        jumped.into_iter().chain(ended).collect()
    }

    fn state(&self, now: Now) -> SourceState {
        let figures = self.figures.as_ref();
        let quotes = figures.iter().flat_map(|figures| &figures.quotes);
        let jumped = quotes.filter_map(|(asset, quote)| Some((Arc::clone(asset), quote.jumped?)));
        SourceState {
            name: Arc::clone(&self.settings.name),
            base: figures.map(|figures| Arc::clone(&figures.base)),
            age: figures.map(|figures| figures.age(now)),
            max_age: self.settings.max_age,
            is_fresh: self.is_fresh(now),
            quotes: figures.map_or(0, |figures| figures.quotes.len()),
            unusable: figures.map_or(0, |figures| figures.unusable),
            jumped: jumped.collect(),
            error: self.error.clone(),
        }
    }
}

impl Figures {
    /// By the clock that never steps, so that no step of the other one makes old figures young.
    fn age(&self, now: Now) -> Duration {
        self.age_when_read.saturating_add(now.mono.since(self.read_at))
    }
}

#[cfg(test)]
mod tests {
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
        let failed = Err("no answer".to_owned());
        assert_eq!(book.record(SOURCE, failed, at(400)), []);
        assert_eq!(find(&book, "USD", "EUR", 401), "rates.json is 301 s old");
        let (source, age) = (Arc::from(SOURCE), Some(Duration::from_secs(301)));
        let error = Some("no answer".to_owned());
        assert_eq!(book.poll(at(401)), [RateNotice::Stale { source, age, error }]);
        assert_eq!(book.poll(at(402)), []);
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
        let jumped = RateNotice::Jumped { source: Arc::clone(&source), jumps: vec![jump] };
        assert_eq!(
            record(&mut book, SOURCE, "\"EUR\": 0.81, \"JPY\": 160, \"XRP\": 20", 1),
            [jumped]
        );
        assert_eq!(find(&book, "USD", "XRP", 1), "XRP jumped");
        assert_eq!(find(&book, "XRP", "EUR", 1), "XRP jumped");
        assert_eq!(find(&book, "USD", "EUR", 1), "0.81 by rates.json", "no other pair stops");
        assert_eq!(record(&mut book, SOURCE, "\"XRP\": 20", 2), [], "said once");
        assert_eq!(book.states(at(2))[0].jumped, [(Arc::clone(&asset), rate("20"))]);
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
    fn a_document_whose_quotes_all_jump_is_one_notice() {
        let mut book = book(&[SOURCE]);
        let document = |rate: u32| {
            (0..100).map(|n| format!("\"C{n:02}\": {rate}")).collect::<Vec<_>>().join(",")
        };
        record(&mut book, SOURCE, &document(1), 0);
        let notices = record(&mut book, SOURCE, &document(2), 1);
        let [RateNotice::Jumped { jumps, .. }] = notices.as_slice() else { panic!("{notices:?}") };
        assert_eq!((jumps.len(), &*jumps[99].asset), (100, "C99"));
        let notices = record(&mut book, SOURCE, &document(1), 2);
        let [RateNotice::JumpsEnded { assets, .. }] = notices.as_slice() else {
            panic!("{notices:?}")
        };
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
}

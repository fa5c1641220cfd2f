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
    pub fn read(&self, document: &[u8], now: Timestamp) -> Result<Quotes, SourceFault> {
        let read = document::read(document, self.format, self.base.as_ref(), now);
        read.map_err(|error| SourceFault {
            kind: SourceFaultKind::Unusable,
            text: error.to_string(),
        })
    }
}

/// Why a source has no quotes at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFault {
    /// Where to look.
    pub kind: SourceFaultKind,
    /// What is wrong, in words.
    pub text: String,
}

/// What of a source fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFaultKind {
    /// There is no document.
    Unreadable,
    /// The document cannot be used.
    Unusable,
}

/// What an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateNotice {
    /// The figures of a source have become too old, or the reason for it is of another kind now.
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

/// Why no quote was accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// There is no such source.
    #[error("the node has no source {0} of exchange rates")]
    UnknownSource(String),
    /// The quote has not jumped, or the source has none.
    #[error("no quote of {asset} in {place} has jumped")]
    NoJump {
        /// The file or URL of the source.
        place: String,
        /// The asset.
        asset: String,
    },
    /// It has jumped, but to another quote than the one that was meant.
    #[error("the quote of {asset} is {quote} now")]
    OtherQuote {
        /// The asset.
        asset: String,
        /// The quote that is not used.
        quote: Rate,
    },
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
    /// The quotes that have jumped.
    pub jumped: Vec<RateJump>,
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
    fault: Option<SourceFault>,
    /// The kinds of fault in each [`RateNotice::Stale`] since the last [`RateNotice::Fresh`]. A source that goes from
    /// one to another and back is reported once for each.
    known_stale: Vec<Option<SourceFaultKind>>,
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
                        fault: None,
                        known_stale: Vec::new(),
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
        read: Result<(Quotes, Timestamp), SourceFault>,
        now: Now,
    ) -> Vec<RateNotice> {
        let known = self.sources.iter_mut().find(|known| *known.settings.name == *source);
        let Some(source) = known else { return Vec::new() };
        match read {
            Ok((quotes, written)) => {
                source.fault = None;
                source.take(quotes, written.min(now.wall), now)
            }
            Err(fault) => {
                source.fault = Some(fault);
                Vec::new()
            }
        }
    }

    /// From now on the quote that jumped is used, and later quotes are compared with it. `expected`: only if it still
    /// is this one. Returns what was accepted.
    ///
    /// # Errors
    /// There is no such quote.
    pub fn accept(
        &mut self,
        source: &str,
        asset: &str,
        expected: Option<Rate>,
    ) -> Result<RateJump, AcceptError> {
        let known = self.sources.iter_mut().find(|known| *known.settings.name == *source);
        let known = known.ok_or_else(|| AcceptError::UnknownSource(source.to_owned()))?;
        let none = || AcceptError::NoJump { place: source.to_owned(), asset: asset.to_owned() };
        let figures = known.figures.as_mut().ok_or_else(none)?;
        let (asset, quote) =
            figures.quotes.iter_mut().find(|(code, _)| ***code == *asset).ok_or_else(none)?;
        let to = quote.jumped.ok_or_else(none)?;
        if expected.is_some_and(|expected| expected != to) {
            return Err(AcceptError::OtherQuote { asset: asset.to_string(), quote: to });
        }
        let from = std::mem::replace(quote, Quote { used: to, jumped: None }).used;
        Ok(RateJump { asset: Arc::clone(asset), from, to })
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
            && self.fault.is_none()
            && now.mono.since(self.began) <= self.settings.max_age;
        if self.is_fresh(now) {
            let was_stale = !std::mem::take(&mut self.known_stale).is_empty();
            return was_stale.then_some(RateNotice::Fresh { source });
        }
        let kind = self.fault.as_ref().map(|fault| fault.kind);
        if waits || self.known_stale.contains(&kind) {
            return None;
        }
        self.known_stale.push(kind);
        let age = self.figures.as_ref().map(|figures| figures.age(now));
        let error = self.fault.as_ref().map(|fault| fault.text.clone());
        Some(RateNotice::Stale { source, age, error })
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
        let jumped = quotes.filter_map(|(asset, quote)| {
            Some(RateJump { asset: Arc::clone(asset), from: quote.used, to: quote.jumped? })
        });
        SourceState {
            name: Arc::clone(&self.settings.name),
            base: figures.map(|figures| Arc::clone(&figures.base)),
            age: figures.map(|figures| figures.age(now)),
            max_age: self.settings.max_age,
            is_fresh: self.is_fresh(now),
            quotes: figures.map_or(0, |figures| figures.quotes.len()),
            unusable: figures.map_or(0, |figures| figures.unusable),
            jumped: jumped.collect(),
            error: self.fault.as_ref().map(|fault| fault.text.clone()),
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
mod tests;

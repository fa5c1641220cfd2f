//! `rates` and `rateSources`: exchange rates, and where further ones come from.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostics::DiagnosticSink;
use super::file::absolute;
use super::key_types::KeySet;
use super::location::FirstUses;
use super::mapping::Mapping;
use super::node_keys::NODE;
use super::route_keys::{RATE, RATE_SOURCE, RateDraft, RateSettings, RateSourceSettings};
use super::settings::{RateSourceConfig, RateSourcePlace};
use crate::account::{Asset, Conversion, ConversionError, Rate, Spread, has_round_trip_gain};
use crate::connector::PairRate;
use crate::rates::{RateFormat, RateSource};

/// Sources of one node.
const SOURCES_MAX: usize = 16;
const MAX_AGE: Duration = Duration::from_secs(300);
/// The European Central Bank publishes on working days; Easter has four days without.
const MAX_AGE_OF_ECB: Duration = Duration::from_secs(5 * 86_400);

/// The codes of two assets, `from` and `to`.
pub type AssetPair = (Arc<str>, Arc<str>);

/// The rates that a configuration has, for its checks.
#[derive(Clone, Copy)]
pub struct KnownRates<'a> {
    pub rates: &'a [PairRate],
    /// The pairs of those with a mistake.
    pub broken: &'a [AssetPair],
    /// Whether further ones come while the node runs.
    pub has_sources: bool,
}

/// Reads `rates`. Those with mistakes are known by their pair only; if that cannot be read either, `rates` is unread in
/// the report.
pub fn read(mapping: Mapping<'_>, report: &mut DiagnosticSink) -> (Vec<PairRate>, Vec<AssetPair>) {
    let list = mapping.list(&NODE.rates, report);
    let path = mapping.path_of(&NODE.rates);
    let mut rates: Vec<PairRate> = Vec::with_capacity(list.len());
    let mut known: HashSet<AssetPair> = HashSet::new();
    let (mut broken, mut all_pairs) = (Vec::new(), true);
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let Some(item) = Mapping::of_item(value, &path, RateSettings::KEYS.iter(), report) else {
            all_pairs = false;
            continue;
        };
        let RateDraft { from, to, rate, spread } = RateSettings::read(item, report);
        let (Some(from), Some(to)) = (from, to) else {
            all_pairs = false;
            continue;
        };
        if from == to {
            let help = "an asset needs no rate to itself";
            item.problem(&RATE.to, "is the same asset as from", help, report);
            continue;
        }
        if !known.insert((from.clone(), to.clone())) {
            let what = format!("a second rate from {from} to {to}");
            item.problem(&RATE.from, what, "remove one of them", report);
            continue;
        }
        match rate {
            Some(rate) => rates.push(PairRate { from, to, rate, spread }),
            None => broken.push((from, to)),
        }
    }
    if !all_pairs {
        report.unread(mapping.key_place(&NODE.rates));
    }
    (rates, broken)
}

/// Reads `rateSources`. Relative paths start at `directory`.
pub fn read_sources(
    directory: Option<&Path>,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) -> Vec<RateSourceConfig> {
    let list = mapping.list(&NODE.rate_sources, report);
    if list.len() > SOURCES_MAX {
        let what = format!("holds {} sources", list.len());
        let help = format!("a node has at most {SOURCES_MAX}");
        mapping.problem(&NODE.rate_sources, what, help, report);
        return Vec::new();
    }
    let path = mapping.path_of(&NODE.rate_sources);
    let mut sources = Vec::with_capacity(list.len());
    let mut names = FirstUses::default();
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let Some(item) = Mapping::of_item(value, &path, RateSourceSettings::KEYS.iter(), report)
        else {
            continue;
        };
        let Some(source) = read_source(directory, item, report) else { continue };
        let key = item.first_set([&RATE_SOURCE.file, &RATE_SOURCE.url]);
        let place = item.path_of(key).place();
        if let Some(first) = names.note(&source.source.name, place.within_sentence()) {
            let what = format!("a second source of this place; the first is {first}");
            item.problem(key, what, "remove one of them", report);
            continue;
        }
        sources.push(source);
    }
    if sources.len() != list.len() {
        report.unread(mapping.key_place(&NODE.rate_sources));
    }
    sources
}

fn read_source(
    directory: Option<&Path>,
    item: Mapping<'_>,
    report: &mut DiagnosticSink,
) -> Option<RateSourceConfig> {
    let source = RateSourceSettings::finish(RateSourceSettings::read(item, report))?;
    let (place, name) = match (source.file, source.url) {
        (Some(file), None) => {
            if file.to_string_lossy().contains(char::is_whitespace) {
                let help = "name a path without spaces; is the next line, which YAML adds to it, indented too far?";
                item.problem(&RATE_SOURCE.file, "has a space", help, report);
                return None;
            }
            let file = absolute(file, directory);
            let name = file.display().to_string();
            (RateSourcePlace::File(file), name)
        }
        (None, Some(url)) => {
            let name = url.to_string();
            (RateSourcePlace::Url(url), name)
        }
        (Some(_), Some(_)) => {
            let help = "remove one of the two; another source is another item of the list";
            item.problem(&RATE_SOURCE.url, "file is set as well", help, report);
            return None;
        }
        (None, None) => {
            // With a mistake in one of them, that is reported.
            if !item.has(&RATE_SOURCE.file) && !item.has(&RATE_SOURCE.url) {
                let help = "name the file or the URL of the rates";
                item.problem(&RATE_SOURCE.file, "is missing, and so is url", help, report);
            }
            return None;
        }
    };
    let default_age = match source.format {
        RateFormat::Json => MAX_AGE,
        RateFormat::Ecb => MAX_AGE_OF_ECB,
    };
    let max_age = source.max_age.unwrap_or(default_age);
    if max_age <= source.refresh {
        let key = item.first_set([&RATE_SOURCE.max_age, &RATE_SOURCE.refresh]);
        let what = "figures are too old before the source is read again";
        let help = "set maxAgeMs to several times refreshMs";
        item.problem(key, what, help, report);
        return None;
    }
    Some(RateSourceConfig {
        place,
        refresh: source.refresh,
        source: RateSource {
            name: name.into(),
            format: source.format,
            base: source.base,
            max_age,
            max_step: source.max_step,
        },
    })
}

/// Warns of pairs by which a sender could take money from the node, there and back.
pub fn warn_of_gains(
    rates: &[PairRate],
    spread: Spread,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) {
    for (index, there) in rates.iter().enumerate() {
        let back = rates.iter().skip(index + 1);
        let mut back = back.filter(|back| back.from == there.to && back.to == there.from);
        let Some(back) = back.next() else { continue };
        let priced = |pair: &PairRate| (pair.rate, pair.spread.unwrap_or(spread));
        if has_round_trip_gain(priced(there), priced(back)) {
            let what = format!(
                "from {from} to {to} and back, an amount becomes larger: {} times {} is above 1",
                there.rate,
                back.rate,
                from = there.from,
                to = there.to,
            );
            let help = "any sender can take the difference; lower one of the two, or set a spread";
            mapping.warn(&NODE.rates, what, help, report);
        }
    }
}

impl KnownRates<'_> {
    /// Why amounts in `source` cannot become amounts in `target`, and what to do. `ends` names the accounts of the two
    /// assets.
    pub fn no_conversion(
        self,
        source: &Asset,
        target: &Asset,
        ends: (String, String),
    ) -> Option<(String, String)> {
        let is_it = |pair: &&PairRate| pair.from == source.code && pair.to == target.code;
        if self.broken.iter().any(|(from, to)| *from == source.code && *to == target.code) {
            return None;
        }
        let rate = match source.code == target.code {
            true => Some((Rate::ONE, Spread::NONE)),
            false => {
                let known = self.rates.iter().find(is_it);
                known.map(|pair| (pair.rate, pair.spread.unwrap_or_default()))
            }
        };
        let (from, to) = ends;
        let converted = rate.map(|(rate, spread)| match spread {
            Spread::NONE => Conversion::new(source, target, rate),
            spread => {
                Conversion::less(source, target, rate, spread).ok_or(ConversionError::TooPrecise)
            }
        });
        match converted {
            Some(Ok(_)) => None,
            // Which assets a source has is not known before it is read.
            None if self.has_sources => None,
            None => Some((
                format!("no rate from {} ({from}) to {} ({to})", source.code, target.code),
                format!(
                    "add to rates: {{from: {}, to: {}, rate: \"...\"}}",
                    source.code, target.code
                ),
            )),
            Some(Err(error)) => Some((
                format!("{source} ({from}) to {target} ({to}) cannot be exact"),
                error.to_string(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{loaded, mistakes_in};

    const BASE: &str = "nodeId: a\npeers:\n  - {id: b, authToken: s, url: ws://b}\n";

    fn problems(rest: &str) -> String {
        mistakes_in(&format!("{BASE}{rest}\n")).0
    }

    #[test]
    fn sources_have_one_place_and_time_to_be_read_again() {
        let check = |source: &str, expected: &str| {
            let problems = problems(&format!("rateSources: [{source}]"));
            assert!(problems.contains(expected), "{source}: {problems}");
        };
        check("{}", "rateSources[0].file: is missing, and so is url");
        check("{file: a, url: \"http://b/\"}", "file is set as well");
        check("{file: a}, {file: a}", "a second source of this place");
        check("{file: a, maxAgeMs: 60000}", "figures are too old before the source is read again");
        check("{url: \"https://u:t@b/\"}", "must not hold a user, a token or a query");
        check("{url: \"https://b/?key=hunter2\"}", "must not hold a user, a token or a query");
        check("{file: a, format: csv}", "one of json, ecb");
        check("{file: a, maxStep: 20}", "a decimal number from 0 to less than 1");
        check("{file: a, refreshMs: 1}", "milliseconds from 1000");
        assert!(!problems("rateSources: [{url: \"https://b/?key=hunter2\"}]").contains("hunter2"));
    }

    #[test]
    fn the_age_follows_from_the_format() {
        let file =
            format!("{BASE}rateSources: [{{file: /r.json}}, {{file: /e.xml, format: ecb}}]\n");
        let sources = loaded(&file, &[]).config.rate_sources;
        let ages: Vec<_> = sources.iter().map(|source| source.source.max_age.as_secs()).collect();
        assert_eq!(ages, [300, 432_000]);
        assert_eq!(&*sources[0].source.name, "/r.json");
    }

    #[test]
    fn a_way_there_and_back_that_gains_is_warned_of() {
        let warnings = |rest: &str| {
            let warnings = loaded(&format!("{BASE}{rest}\n"), &[]).warnings;
            warnings
                .iter()
                .map(ToString::to_string)
                .filter(|text| text.contains("and back"))
                .count()
        };
        let rates = |there: &str, back: &str| {
            format!("rates: [{{from: USD, to: EUR, {there}}}, {{from: EUR, to: USD, {back}}}]")
        };
        assert_eq!(warnings(&rates("rate: 0.8", "rate: 1.25")), 0);
        assert_eq!(warnings(&rates("rate: 0.8", "rate: 1.26")), 1);
        assert_eq!(warnings(&rates("rate: 0.8", "rate: 1.26, spread: 0.01")), 0);
        assert_eq!(warnings(&format!("spread: 0.005\n{}", rates("rate: 0.8", "rate: 1.26"))), 0);
    }
}

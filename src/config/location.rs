//! The place of a value: `routes[2].nextHop` in line 14 of a file, a variable, or a flag.
//!
//! Each value of a tree keeps its [`ValuePlace`]: line and origin. A reader that walks the tree links a [`ValuePath`]
//! on its stack. A message names a [`Location`], the place in words. A path becomes words only when a problem needs
//! them, so that a million routes without a mistake cost no formatting.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueOrigin {
    /// A flag of the command line, such as `--node`.
    CommandLine(Arc<str>),
    /// A variable of the environment, by its name.
    Environment(Arc<str>),
    /// The configuration file.
    File,
    /// Computed from a topology file.
    Computed,
    /// Not set anywhere.
    Default,
}

/// The place of a value, as far as the value itself knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValuePlace {
    /// Line of the file, from 1; 0 without a line.
    pub line: u32,
    /// `None`: the value is what the file holds at this place.
    pub more: Option<Arc<PlaceDetails>>,
}

/// The origin of a value that the file does not hold at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceDetails {
    pub origin: ValueOrigin,
    /// The place to name in messages, for a value that was moved.
    pub place: Option<String>,
    /// Variables that `${...}` took from the environment.
    pub variables: Vec<String>,
    /// The file that a secret was read from.
    pub file: Option<PathBuf>,
}

impl ValuePlace {
    pub fn line(line: usize) -> Self {
        let line = u32::try_from(line).expect("a file has fewer lines than FILE_BYTES_MAX");
        Self { line, more: None }
    }

    /// The place of a value that was moved or does not come from the file.
    pub fn relocated(line: u32, origin: ValueOrigin, place: Option<String>) -> Self {
        let variables = Vec::new();
        let more = PlaceDetails { origin, place, variables, file: None };
        Self { line, more: Some(Arc::new(more)) }
    }

    /// The place of a value of the file that was moved.
    pub fn moved(line: u32, place: String) -> Self {
        Self::relocated(line, ValueOrigin::File, Some(place))
    }

    /// The place of a value that was computed, without a line.
    pub fn computed(place: String) -> Self {
        Self::relocated(0, ValueOrigin::Computed, Some(place))
    }

    pub fn origin(&self) -> ValueOrigin {
        self.more.as_ref().map_or(ValueOrigin::File, |more| more.origin.clone())
    }
}

/// The way from the root of a tree to a value.
#[derive(Clone, Copy)]
pub struct ValuePath<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
    at: &'a ValuePlace,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> ValuePath<'a> {
    pub fn root(at: &'a ValuePlace) -> Self {
        ValuePath { parent: None, step: Step::Root, at }
    }

    /// The value of a key.
    pub fn key(&'a self, key: &'a str, at: &'a ValuePlace) -> Self {
        ValuePath { parent: Some(self), step: Step::Key(key), at }
    }

    /// A key that is not there: it has its parent's line.
    pub fn missing(&'a self, key: &'a str) -> Self {
        ValuePath { parent: Some(self), step: Step::Key(key), at: &NOWHERE }
    }

    /// An item of a list.
    pub fn index(&'a self, index: usize, at: &'a ValuePlace) -> Self {
        ValuePath { parent: Some(self), step: Step::Index(index), at }
    }

    /// The place in words.
    pub fn place(&self) -> Location {
        let mut place =
            Location { origin: self.origin(), line: self.nearest_line(), text: String::new() };
        self.write(&mut place.text);
        if let ValueOrigin::CommandLine(name) | ValueOrigin::Environment(name) = &place.origin {
            place.text = name.to_string();
            place.line = None;
        }
        place
    }

    fn write(&self, out: &mut String) {
        if let Some(moved) = self.at.more.as_ref().and_then(|more| more.place.as_ref()) {
            out.push_str(moved);
            return;
        }
        if let Some(parent) = self.parent {
            parent.write(out);
        }
        match self.step {
            Step::Root => {}
            Step::Key(key) => push_key(out, key),
            Step::Index(index) => out.push_str(&format!("[{index}]")),
        }
    }

    fn origin(&self) -> ValueOrigin {
        match (&self.at.more, self.parent) {
            (Some(more), _) => more.origin.clone(),
            (None, Some(parent)) => parent.origin(),
            (None, None) => ValueOrigin::File,
        }
    }

    fn nearest_line(&self) -> Option<u32> {
        match (self.at.line, self.parent) {
            (0, Some(parent)) => parent.nearest_line(),
            (0, None) => None,
            (line, _) => Some(line),
        }
    }
}

static NOWHERE: ValuePlace = ValuePlace { line: 0, more: None };

/// Appends `.key`, or `key` at the start, redacted.
pub fn push_key(out: &mut String, key: &str) {
    if !out.is_empty() {
        out.push('.');
    }
    out.push_str(&super::redact::key(key));
}

/// A place in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The origin of the value.
    pub origin: ValueOrigin,
    /// Line of the file, from 1, if it is known.
    pub line: Option<u32>,
    /// `routes[2].nextHop`, `BTP_SERVER_PORT`, `--node`; empty for the file as a whole.
    pub text: String,
}

impl Location {
    /// The file as a whole.
    pub fn file() -> Self {
        Self { origin: ValueOrigin::File, line: None, text: String::new() }
    }

    /// A line of the file.
    pub fn line(line: usize) -> Self {
        Self { line: u32::try_from(line).ok(), ..Self::file() }
    }

    /// A variable of the environment.
    pub fn variable(name: &str) -> Self {
        Self { origin: ValueOrigin::Environment(name.into()), line: None, text: name.into() }
    }

    /// A value that no file, variable or flag sets.
    pub fn nowhere(text: &str) -> Self {
        Self { origin: ValueOrigin::Default, line: None, text: text.into() }
    }

    /// The place within a sentence: `in line 3` or `at BTP_PEER_B_URL`.
    pub fn within_sentence(&self) -> String {
        match self.line {
            Some(line) => format!("in line {line}"),
            None => format!("at {}", self.text),
        }
    }
}

/// Where each value of a key was used first, in words, to find values that must differ and do not.
#[derive(Debug, Default)]
pub struct FirstUses(HashMap<String, String>);

impl FirstUses {
    /// Notes a use. Returns the first one, if there was one before.
    pub fn note(&mut self, value: &str, used: String) -> Option<&str> {
        match self.0.entry(value.to_owned()) {
            Entry::Occupied(first) => Some(first.into_mut()),
            Entry::Vacant(entry) => {
                entry.insert(used);
                None
            }
        }
    }
}

impl Ord for Location {
    /// Flags, then variables, then the file from top to bottom; `routes[10]` after `routes[9]`.
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |place: &Self| match place.origin {
            ValueOrigin::CommandLine(_) => 0,
            ValueOrigin::Environment(_) => 1,
            ValueOrigin::File | ValueOrigin::Computed => 2,
            ValueOrigin::Default => 3,
        };
        rank(self)
            .cmp(&rank(other))
            .then(self.line.cmp(&other.line))
            .then_with(|| natural(&self.text, &other.text))
    }
}

impl PartialOrd for Location {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares texts with the numbers in them as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a_parts, mut b_parts) = (a.split(['[', ']']), b.split(['[', ']']));
    loop {
        let order = match (a_parts.next(), b_parts.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<usize>(), b.parse::<usize>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_in_the_file() {
        let (root, routes, item) = (ValuePlace::line(1), ValuePlace::line(3), ValuePlace::line(7));
        let root = ValuePath::root(&root);
        let routes = root.key("routes", &routes);
        let item = routes.index(2, &item);
        let hop = item.missing("nextHop");
        let odd = item.missing("nextHop b");
        let check = |path: ValuePath<'_>, text: &str, line| {
            let place = path.place();
            assert_eq!((place.text.as_str(), place.line), (text, line));
        };
        check(root, "", Some(1));
        check(item, "routes[2]", Some(7));
        check(hop, "routes[2].nextHop", Some(7));
        check(odd, "routes[2].nextHop…", Some(7));

        let moved = ValuePlace::moved(9, "links[0].secret".into());
        check(item.key("authToken", &moved), "links[0].secret", Some(9));
        let variable =
            ValuePlace::relocated(0, ValueOrigin::Environment("BTP_SERVER_PORT".into()), None);
        check(root.key("btpServerPort", &variable), "BTP_SERVER_PORT", None);
    }

    #[test]
    fn sorted_as_one_reads() {
        let place = |line, text: &str| Location { line, text: text.into(), ..Location::file() };
        let mut places = [
            Location::nowhere("nodeId"),
            place(Some(9), "routes[10]"),
            place(Some(9), "routes[9]"),
            Location::variable("Z"),
            place(Some(2), "x"),
            place(None, ""),
        ];
        places.sort();
        let texts: Vec<_> = places.iter().map(|place| place.text.as_str()).collect();
        assert_eq!(texts, ["Z", "", "x", "routes[9]", "routes[10]", "nodeId"]);
    }
}

//! Everything that is wrong with a configuration, at once.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use super::location::{Location, ValuePath};
use crate::net::mask_random_words;

/// Problems and warnings kept of one load. Further ones are only counted: a file of a million wrong routes must not
/// print a million lines.
pub const PROBLEMS_MAX: usize = 500;

/// One mistake, or one warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's name as it was given; `None` without a file.
    pub file: Option<String>,
    /// Its place.
    pub place: Location,
    /// The value at that place, with secrets masked.
    pub value: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What is allowed, or what to do. May be empty.
    pub help: String,
    /// The keys that it follows from. It is left out if one of them could not be read.
    pub follows_from: Vec<String>,
}

impl fmt::Display for Diagnostic {
    /// `config.yaml:14: routes[2].nextHop = "bobb": no such peer; did you mean "bob"?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::location::ValueOrigin;
        match &self.place.origin {
            ValueOrigin::CommandLine(_) => f.write_str("command line: ")?,
            ValueOrigin::Environment(_) => f.write_str("environment: ")?,
            ValueOrigin::Default if self.file.is_none() => f.write_str("configuration: ")?,
            _ => match (&self.file, self.place.line) {
                (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
                (Some(file), None) => write!(f, "{file}: ")?,
                (None, _) => f.write_str("configuration: ")?,
            },
        }
        if !self.place.text.is_empty() {
            f.write_str(&self.place.text)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.what)?;
        if !self.help.is_empty() {
            write!(f, "; {}", self.help)?;
        }
        Ok(())
    }
}

/// All mistakes of one configuration, sorted by place, and the warnings found beside them.
///
/// `Display` has one line for each mistake; warnings are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// The mistakes. An error holds at least one.
    pub problems: Vec<Diagnostic>,
    /// Hashes of the mistakes beyond [`PROBLEMS_MAX`], which are only counted: each once, although the nodes of a
    /// network are read twice.
    left_out: HashSet<u64>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// The only mistake is that the topology file does not name the node. At start that is an error; at a reload the
    /// node drops its links and waits until the file names it again.
    pub node_not_named: bool,
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if !self.left_out.is_empty() {
            write!(f, "\n... and {} more", self.left_out.len())?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// Collects problems while a configuration is read.
#[derive(Debug)]
pub struct DiagnosticSink {
    /// What messages call the file.
    pub file: Option<String>,
    problems: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    left_out: HashSet<u64>,
    node_not_named: bool,
    /// Keys that are set but could not be read. Misspelt ones are listed by the name that was meant.
    unread: HashSet<String>,
    /// The keys from which the problems reported now follow.
    follows_from: Vec<String>,
}

impl DiagnosticSink {
    pub fn new(file: Option<&Path>) -> Self {
        Self {
            file: file.map(|file| file.to_string_lossy().into_owned()),
            problems: Vec::new(),
            warnings: Vec::new(),
            left_out: HashSet::new(),
            node_not_named: false,
            unread: HashSet::new(),
            follows_from: Vec::new(),
        }
    }

    /// Notes a key that is set but could not be read. The reason is reported separately.
    pub fn unread(&mut self, place: Location) {
        if self.unread.len() < PROBLEMS_MAX {
            self.unread.insert(place.text);
        }
    }

    /// Whether a key is set but could not be read.
    pub fn is_unread(&self, place: &Location) -> bool {
        self.unread.contains(&place.text)
    }

    /// Reports what follows from missing keys. If one of them is set but could not be read, only that is reported.
    pub fn following(
        &mut self,
        keys: impl IntoIterator<Item = Location>,
        find: impl FnOnce(&mut Self),
    ) {
        let outer = self.follows_from.len();
        self.follows_from.extend(keys.into_iter().map(|key| key.text));
        find(self);
        self.follows_from.truncate(outer);
    }

    /// Drops problems that follow from keys that could not be read.
    fn drop_consequences(&mut self) {
        let unread = &self.unread;
        let is_cause = |problem: &Diagnostic| !follows(problem, unread);
        if self.problems.iter().any(is_cause) {
            self.problems.retain(is_cause);
            self.warnings.retain(is_cause);
        }
    }

    /// Reports a mistake at a value; `value` is already masked.
    pub fn problem(
        &mut self,
        place: Location,
        value: Option<String>,
        what: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = self.make(place, value, what.into(), help.into());
        self.keep_problem(problem);
    }

    /// Keeps a problem once. If there are too many, only its hash is kept.
    fn keep_problem(&mut self, problem: Diagnostic) {
        if let Some(problem) = keep(&mut self.problems, problem) {
            self.left_out.insert(hash(&problem));
        }
    }

    /// Reports a mistake at a path.
    pub fn at(&mut self, path: &ValuePath<'_>, what: impl Into<String>, help: impl Into<String>) {
        self.problem(path.place(), None, what, help);
    }

    /// Warns of something allowed that is probably not meant.
    pub fn warn(&mut self, place: Location, what: impl Into<String>, help: impl Into<String>) {
        let warning = self.make(place, None, what.into(), help.into());
        keep(&mut self.warnings, warning);
    }

    /// Notes that the topology has no such node.
    pub fn node_not_named(&mut self) {
        self.node_not_named = true;
    }

    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Adds the problems and warnings of another report, without repetitions.
    pub fn absorb(&mut self, other: Self) {
        for problem in other.problems {
            self.keep_problem(problem);
        }
        self.unread.extend(other.unread);
        for warning in other.warnings {
            // A warning about every node of a network is given once.
            if !self.warnings.iter().any(|known| known.what == warning.what) {
                keep(&mut self.warnings, warning);
            }
        }
        self.left_out.extend(other.left_out);
    }

    /// Adds the problems of a finished report.
    pub fn absorb_problems(&mut self, other: Diagnostics) {
        for problem in other.problems {
            self.keep_problem(problem);
        }
        self.left_out.extend(other.left_out);
        self.node_not_named |= other.node_not_named;
    }

    /// The warnings, or all mistakes.
    pub fn finish(mut self) -> Result<Vec<Diagnostic>, Diagnostics> {
        self.drop_consequences();
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
        self.warnings.sort_by(|a, b| a.place.cmp(&b.place));
        if self.problems.is_empty() {
            return Ok(self.warnings);
        }
        for problem in &self.problems {
            self.left_out.remove(&hash(problem));
        }
        Err(Diagnostics {
            node_not_named: self.node_not_named && self.problems.len() == 1,
            problems: self.problems,
            left_out: self.left_out,
            warnings: self.warnings,
        })
    }

    /// The problems of a load that has failed.
    pub fn into_problems(self) -> Diagnostics {
        self.finish().err().unwrap_or_else(|| {
            // A fault of this program: something failed without a reported problem.
            let what = "cannot be read, and no reason was found; this is a fault of ilp-connector";
            let mut report = Self::new(None);
            report.problem(Location::file(), None, what, "");
            Diagnostics { problems: report.problems, ..Diagnostics::default() }
        })
    }

    /// Every text passes here last: words that look like secrets are masked.
    fn make(
        &self,
        mut place: Location,
        value: Option<String>,
        what: String,
        help: String,
    ) -> Diagnostic {
        let [text, what, help] = [place.text, what, help].map(mask_random_words);
        place.text = text;
        let value = value.map(mask_random_words);
        let follows_from = self.follows_from.clone();
        Diagnostic { file: self.file.clone(), place, value, what, help, follows_from }
    }
}

/// Whether one of the keys that a problem follows from could not be read. A key of a node may stand in `defaults`, and
/// its peers in `links`.
fn follows(problem: &Diagnostic, unread: &HashSet<String>) -> bool {
    problem.follows_from.iter().any(|key| {
        let name = key.rsplit('.').next().unwrap_or(key);
        unread.contains(key)
            || unread.contains(&format!("defaults.{name}"))
            || (name == "peers" && unread.contains("links"))
    })
}

/// Adds a diagnostic to a list, once. Returns it if the list is full.
fn keep(list: &mut Vec<Diagnostic>, diagnostic: Diagnostic) -> Option<Diagnostic> {
    if list.contains(&diagnostic) {
        return None;
    }
    if list.len() >= PROBLEMS_MAX {
        return Some(diagnostic);
    }
    list.push(diagnostic);
    None
}

fn hash(problem: &Diagnostic) -> u64 {
    let mut hasher = DefaultHasher::new();
    problem.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each_and_never_too_many() {
        let mut report = DiagnosticSink::new(Some("c.yaml".as_ref()));
        report.problem(Location::line(3), None, "bad", "do better");
        report.problem(Location::variable("PORT"), Some("abc".into()), "not a number", "");
        for n in 0..PROBLEMS_MAX {
            report.problem(Location::nowhere(&format!("x[{n}]")), None, "missing", "");
        }
        report.problem(Location::variable("PORT"), Some("abc".into()), "not a number", "");
        let problems = report.finish().unwrap_err();
        let text = problems.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), PROBLEMS_MAX + 1);
        assert_eq!(lines[0], "environment: PORT = abc: not a number");
        assert_eq!(lines[1], "c.yaml:3: bad; do better");
        assert_eq!(lines[2], "c.yaml: x[0]: missing");
        assert_eq!(lines[PROBLEMS_MAX], "... and 2 more");
    }
}

//! Files that are broken around a secret, and what `check` says of them.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use ilp_connector::internals::config::{self, Environment, Source};
use ilp_connector::internals::topology::{self, Deployment};

use super::CANARIES;
use super::hunt::Hunt;
use super::mistakes::{AT_ANOTHER_KEY, BESIDE_OTHERS, IN_ITS_LINE};
use super::places::{one_of_each_mapping, places};
use crate::running::{folder, write};

/// All that is said of a configuration, as `check --print` says it: mistakes and warnings, or the values in force.
pub(super) struct Said {
    pub(super) accepted: bool,
    pub(super) messages: String,
    pub(super) printed: String,
}

pub(super) fn said(file: PathBuf, environment: Environment) -> Said {
    let source = Source { file: Some(file), environment, ..Source::default() };
    let mut said = Said { accepted: false, messages: String::new(), printed: String::new() };
    match topology::check(&source) {
        Ok(checked) => {
            said.accepted = true;
            for warning in &checked.warnings {
                said.messages += &format!("{warning}\n");
            }
            if let Some(node) = &checked.node {
                said.printed += &node.print();
            }
            for id in checked.topology.iter().flat_map(|topology| topology.node_ids()) {
                let node = checked.topology.as_ref().map(|all| all.node(id, Deployment::Spread));
                if let Some(Ok(node)) = node {
                    said.printed += &node.print();
                }
            }
        }
        Err(problems) => {
            said.messages += &problems.to_string();
            for warning in &problems.warnings {
                said.messages += &format!("\n{warning}");
            }
        }
    }
    said
}

/// A file to look at, and whether the secret in it may be a value that is no secret.
struct Look {
    text: String,
    may_be_public: bool,
}

pub(super) fn hunt() -> Hunt {
    Hunt::new(CANARIES.iter().map(|canary| (*canary, *canary)))
}

/// What of the canaries can be read in what is said of files: each finding once, with a file.
fn leaks(looks: &[Look]) -> BTreeMap<String, String> {
    let hunt = hunt();
    let found: Mutex<BTreeMap<String, String>> = Mutex::default();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for worker in 0..workers {
            let (hunt, found) = (&hunt, &found);
            scope.spawn(move || {
                let folder = folder();
                let mut seen = HashSet::new();
                for Look { text, may_be_public } in looks.iter().skip(worker).step_by(workers) {
                    let file = write(&folder, "c.yaml", text);
                    let said = said(file, Environment::new());
                    let mut all = said.messages;
                    if !(said.accepted && *may_be_public) {
                        all += &said.printed;
                    }
                    for line in all.lines() {
                        if seen.insert(line.to_owned()) {
                            for leak in hunt.leaks(line) {
                                found.lock().unwrap().entry(leak).or_insert_with(|| text.clone());
                            }
                        }
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

fn assert_none(found: &BTreeMap<String, String>) {
    let shown: Vec<String> =
        found.iter().map(|(leak, file)| format!("{leak}\n--- of\n{file}")).collect();
    assert!(shown.is_empty(), "{} leaks:\n{}", shown.len(), shown.join("\n\n"));
}

#[test]
fn a_secret_where_none_belongs_is_found_by_this_search() {
    let text = format!("nodeId: {}\n", CANARIES[0]);
    assert_eq!(leaks(&[Look { text: text.clone(), may_be_public: true }]).len(), 0);
    assert!(!leaks(&[Look { text, may_be_public: false }]).is_empty());
}

/// Another canary each time: in the end each of them has stood in each kind of place.
fn next<'a>(looks: &[Look]) -> &'a str {
    CANARIES[looks.len() % CANARIES.len()]
}

#[test]
fn no_mistake_in_the_line_of_a_secret_shows_it() {
    let mut looks = Vec::new();
    for place in places() {
        for line in IN_ITS_LINE {
            let text = place.file(line, next(&looks), ["", ""]);
            looks.push(Look { text, may_be_public: false });
        }
    }
    assert_none(&leaks(&looks));
}

#[test]
fn no_mistake_beside_other_keys_shows_a_secret() {
    let mut looks = Vec::new();
    for place in one_of_each_mapping() {
        for other in place.one_of_each_type() {
            let other = format!("{}: {}", other.name, other.value);
            for line in BESIDE_OTHERS {
                for around in [[other.as_str(), ""], ["", &other]] {
                    let text = place.file(line, next(&looks), around);
                    looks.push(Look { text, may_be_public: false });
                }
            }
        }
    }
    assert_none(&leaks(&looks));
}

#[test]
fn no_secret_behind_another_key_is_shown() {
    let mut looks = Vec::new();
    for place in one_of_each_mapping() {
        for other in &place.others {
            // What a topology makes of a node's keys is what a node's file makes of them.
            if place.is_of_topology()
                && !place.one_of_each_type().any(|one| std::ptr::eq(one, other))
            {
                continue;
            }
            for line in AT_ANOTHER_KEY {
                // A phrase of words looks like a name, and is one where a name belongs.
                let canary = CANARIES[looks.len() % 2];
                let text = place.file(&line.replace("<n>", &other.name), canary, ["", ""]);
                looks.push(Look { text, may_be_public: true });
            }
        }
    }
    assert_none(&leaks(&looks));
}

#[test]
fn a_configuration_as_debug_output_shows_no_secret() {
    let (folder, hunt) = (folder(), hunt());
    for place in places() {
        for canary in CANARIES {
            let text = place.file("<p><k>: <v>", canary, ["", ""]);
            let environment = Environment::from([("API_TOKEN".to_owned(), canary.to_owned())]);
            let file = Some(write(&folder, "c.yaml", &text));
            let overrides = vec![config::Override {
                key: "receiverSecret",
                value: canary.to_owned(),
                flag: "--x".to_owned(),
            }];
            let source = Source { file, environment, overrides, ..Source::default() };
            let checked = topology::check(&source);
            // A URL cannot hold every secret.
            assert!(checked.is_ok() || place.key() == "url", "{text}\n{checked:?}");
            let content = source.read();
            let shown = format!("{source:?}\n{content:?}\n{checked:?}");
            assert_eq!(hunt.leaks(&shown), Vec::<String>::new(), "{text}");
        }
    }
}

//! Files that are broken around a secret, and the output of `check` about them.

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
use crate::process::{temp_folder, write_file};

/// The output of `check --print` for a configuration: mistakes and warnings, or the values.
pub(super) struct CheckOutput {
    pub(super) accepted: bool,
    pub(super) messages: String,
    pub(super) printed: String,
}

pub(super) fn check_output(file: PathBuf, environment: Environment) -> CheckOutput {
    let source = Source { file: Some(file), environment, ..Source::default() };
    let mut output =
        CheckOutput { accepted: false, messages: String::new(), printed: String::new() };
    match topology::check(&source) {
        Ok(checked) => {
            output.accepted = true;
            for warning in &checked.warnings {
                output.messages += &format!("{warning}\n");
            }
            if let Some(node) = &checked.node {
                output.printed += &node.print();
            }
            for id in checked.topology.iter().flat_map(|topology| topology.node_ids()) {
                let node = checked.topology.as_ref().map(|all| all.node(id, Deployment::Spread));
                if let Some(Ok(node)) = node {
                    output.printed += &node.print();
                }
            }
        }
        Err(problems) => {
            output.messages += &problems.to_string();
            for warning in &problems.warnings {
                output.messages += &format!("\n{warning}");
            }
        }
    }
    output
}

/// A file to check, and whether its secret may stand at a public key.
struct Case {
    text: String,
    may_be_public: bool,
}

pub(super) fn hunt() -> Hunt {
    Hunt::new(CANARIES.iter().map(|canary| (*canary, *canary)))
}

/// The parts of the canaries that the output about these files shows: each once, with a file.
fn leaks(cases: &[Case]) -> BTreeMap<String, String> {
    let hunt = hunt();
    let found: Mutex<BTreeMap<String, String>> = Mutex::default();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for worker in 0..workers {
            let (hunt, found) = (&hunt, &found);
            scope.spawn(move || {
                let folder = temp_folder();
                let mut seen = HashSet::new();
                for Case { text, may_be_public } in cases.iter().skip(worker).step_by(workers) {
                    let file = write_file(&folder, "c.yaml", text);
                    let output = check_output(file, Environment::new());
                    let mut all = output.messages;
                    if !(output.accepted && *may_be_public) {
                        all += &output.printed;
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

fn assert_no_leaks(found: &BTreeMap<String, String>) {
    let shown: Vec<String> =
        found.iter().map(|(leak, file)| format!("{leak}\n--- of\n{file}")).collect();
    assert!(shown.is_empty(), "{} leaks:\n{}", shown.len(), shown.join("\n\n"));
}

#[test]
fn the_search_finds_a_secret_at_a_public_key() {
    let text = format!("nodeId: {}\n", CANARIES[0]);
    assert_eq!(leaks(&[Case { text: text.clone(), may_be_public: true }]).len(), 0);
    assert!(!leaks(&[Case { text, may_be_public: false }]).is_empty());
}

/// The canaries in turn, so that each appears in each kind of position.
fn next_canary<'a>(cases: &[Case]) -> &'a str {
    CANARIES[cases.len() % CANARIES.len()]
}

#[test]
fn no_mistake_in_the_line_of_a_secret_shows_it() {
    let mut cases = Vec::new();
    for place in places() {
        for line in IN_ITS_LINE {
            let text = place.file(line, next_canary(&cases), ["", ""]);
            cases.push(Case { text, may_be_public: false });
        }
    }
    assert_no_leaks(&leaks(&cases));
}

#[test]
fn no_mistake_beside_other_keys_shows_a_secret() {
    let mut cases = Vec::new();
    for place in one_of_each_mapping() {
        for other in place.one_of_each_type() {
            let other = format!("{}: {}", other.name, other.value);
            for line in BESIDE_OTHERS {
                for around in [[other.as_str(), ""], ["", &other]] {
                    let text = place.file(line, next_canary(&cases), around);
                    cases.push(Case { text, may_be_public: false });
                }
            }
        }
    }
    assert_no_leaks(&leaks(&cases));
}

#[test]
fn no_secret_at_another_key_is_shown() {
    let mut cases = Vec::new();
    for place in one_of_each_mapping() {
        for other in &place.others {
            // A topology reads a node's keys as a node's file does.
            if place.is_of_topology()
                && !place.one_of_each_type().any(|one| std::ptr::eq(one, other))
            {
                continue;
            }
            for line in AT_ANOTHER_KEY {
                // The canary of words looks like a name, so it may be shown where a name belongs.
                let canary = CANARIES[cases.len() % 2];
                let text = place.file(&line.replace("<n>", &other.name), canary, ["", ""]);
                cases.push(Case { text, may_be_public: true });
            }
        }
    }
    assert_no_leaks(&leaks(&cases));
}

#[test]
fn a_configuration_as_debug_output_shows_no_secret() {
    let (folder, hunt) = (temp_folder(), hunt());
    for place in places() {
        for canary in CANARIES {
            let text = place.file("<p><k>: <v>", canary, ["", ""]);
            let environment = Environment::from([("API_TOKEN".to_owned(), canary.to_owned())]);
            let file = Some(write_file(&folder, "c.yaml", &text));
            let overrides = vec![config::Override {
                key: "receiverSecret",
                value: canary.to_owned(),
                flag: "--x".to_owned(),
            }];
            let source = Source { file, environment, overrides, ..Source::default() };
            let checked = topology::check(&source);
            // A URL cannot hold every secret, two tokens of the API must differ, and a webhook needs a store.
            assert!(
                checked.is_ok() || ["url", "token"].contains(&place.key()) || place.is_of_webhook(),
                "{text}\n{checked:?}"
            );
            let content = source.read();
            let shown = format!("{source:?}\n{content:?}\n{checked:?}");
            assert_eq!(hunt.leaks(&shown), Vec::<String>::new(), "{text}");
        }
    }
}

//! Every list of every file in `tests/vectors` is run by some test.

use std::path::Path;

use serde_json::Value;

use super::source::files_below;
use super::{read, repository};

/// File, list, and why no test runs it.
const NOT_RUN: &[(&str, &str, &str)] =
    &[("forwarding", "settlement_scale", "there is no settlement yet")];

/// Files without vectors: the checklist, and the differences of other codecs.
const OTHER: &[&str] = &["checklist", "differences"];

#[test]
fn every_vector_is_used() {
    let folders = ["src", "tests/it", "crates"].map(|folder| repository().join(folder));
    let here = Path::new("house/vectors.rs");
    let sources = folders.iter().flat_map(|folder| files_below(folder, "rs"));
    let sources: Vec<String> =
        sources.filter(|file| !file.ends_with(here)).map(|file| read(&file)).collect();
    let mut lists = 0;
    for file in files_below(&repository().join("tests/vectors"), "json") {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if OTHER.contains(&name.as_str()) {
            continue;
        }
        let reads = |source: &&String| {
            source.contains(&format!("\"{name}\"")) || source.contains(&format!("{name}.json"))
        };
        let readers: Vec<_> = sources.iter().filter(reads).collect();
        assert!(!readers.is_empty(), "no test reads {name}.json");
        let vectors: Value = serde_json::from_str(&read(&file)).unwrap();
        for (list, _) in vectors.as_object().unwrap().iter().filter(|(_, value)| value.is_array()) {
            let is_run = readers.iter().any(|source| source.contains(&format!("\"{list}\"")));
            let excused = NOT_RUN
                .iter()
                .any(|(file, known, _)| (*file, *known) == (name.as_str(), list.as_str()));
            assert_ne!(is_run, excused, "{name}.json, {list}: run: {is_run}, excused: {excused}");
            lists += 1;
        }
    }
    assert!(lists > 20, "{lists}");
}

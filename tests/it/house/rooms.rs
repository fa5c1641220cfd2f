//! Dependencies point one way: the rooms of the code depend on each other exactly as the table of docs/ARCHITECTURE.md
//! says.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, sources};
use super::{read, repository};

/// Rooms to which time, randomness and IO are passed in.
const PURE: [&str; 9] =
    ["wire", "time", "stream", "account", "rates", "link", "routing", "local", "connector"];

/// The only crates that pure rooms may use: data structures, locks, hashes, texts, numbers. `rand` is for generators
/// with a seed.
const CRATES_OF_PURE_ROOMS: [&str; 16] = [
    "ahash",
    "arc_swap",
    "base64",
    "crossbeam_queue",
    "hex",
    "jiff",
    "num_bigint",
    "oer_codec",
    "parking_lot",
    "quick_xml",
    "rand",
    "ring",
    "serde",
    "serde_json",
    "smol_str",
    "thiserror",
];

/// Words that pure rooms never use: sockets, files, threads, clocks, the environment, waiting, randomness of the
/// system.
const NOT_IN_PURE_ROOMS: [&str; 14] = [
    "std::net",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::os",
    "Instant",
    "SystemTime",
    "async",
    "await",
    "println",
    "rand::rng",
    "rand::random",
    "Timestamp::now",
];

/// Crates that only these rooms use, so that a change of the crate concerns few rooms.
const CRATE_ROOMS: [(&str, &[&str]); 14] = [
    ("axum", &["web", "http", "settlement", "api"]),
    ("clap", &["console", "tools", "cli"]),
    ("clap_complete", &["cli"]),
    ("hdrhistogram", &["tools"]),
    ("hyper", &["web", "http", "api"]),
    ("prometheus_client", &["telemetry"]),
    ("rlimit", &["node"]),
    ("rustix", &["cli", "config", "machine", "net", "node", "store"]),
    ("saphyr_parser", &["config"]),
    ("terminal_size", &["cli"]),
    ("tokio_rustls", &["net", "btp", "http"]),
    ("tokio_tungstenite", &["btp"]),
    ("tracing_subscriber", &["telemetry"]),
    ("webpki", &["net"]),
];

/// Calls that start a thread or a task.
const SPAWNING: [&str; 7] = [
    "tokio::spawn",
    "task::spawn",
    "thread::spawn",
    "thread::Builder",
    "spawn_blocking",
    "spawn_local",
    "JoinSet",
];

/// Every room of the page, in order, with the rooms that it may use.
fn rooms_of_page() -> Vec<(String, BTreeSet<String>)> {
    let page = read(&repository().join("docs/ARCHITECTURE.md"));
    let table = page
        .split("| room | knows |")
        .nth(1)
        .unwrap_or_else(|| panic!("no table of rooms in the page"));
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cell = |text: &str| -> Vec<String> {
        text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let rows = rows.map(|row| {
        let mut cells = row.split('|').skip(1);
        let name = cell(cells.next().unwrap_or_default()).remove(0);
        (name, cell(cells.next().unwrap_or_default()).into_iter().collect())
    });
    rows.collect()
}

/// Every room of the code but the top of the crate, with the rooms that it uses.
fn rooms_of_code(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.room != "lib") {
        let known = rooms.entry(source.room.clone()).or_default();
        known.extend(
            named_after(&source.code, "crate::")
                .filter(|room| *room != source.room)
                .map(str::to_owned),
        );
        if names(&source.code, "oer_codec") {
            known.insert("oer-codec".to_owned());
        }
    }
    rooms
}

/// The names after each occurrence of the beginning of a path.
fn named_after<'a>(code: &'a str, beginning: &'a str) -> impl Iterator<Item = &'a str> {
    let parts = code.split(beginning).skip(1);
    parts.map(|rest| {
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
    })
}

/// Whether code has this word or path.
fn names(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (code.get(..at), code.get(at + word.len()..));
        !before.is_some_and(|text| text.ends_with(is_part))
            && !after.is_some_and(|text| text.starts_with(is_part))
    })
}

/// Whether code uses this crate.
fn uses(code: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let path = format!("{name}::");
    code.match_indices(&path)
        .any(|(at, _)| !code.get(..at).is_some_and(|text| text.ends_with(is_part)))
}

#[test]
fn rooms_depend_only_on_those_that_the_page_lists() {
    let page = rooms_of_page();
    let code = rooms_of_code(&sources());
    assert_eq!(
        page.iter()
            .map(|(room, _)| room)
            .filter(|room| *room != "oer-codec")
            .collect::<BTreeSet<_>>(),
        code.keys().collect::<BTreeSet<_>>(),
        "the rooms of docs/ARCHITECTURE.md are not those of src"
    );
    let mut above = BTreeSet::new();
    let mut differences = Vec::new();
    for (room, known) in &page {
        if let Some(used) = code.get(room).filter(|used| *used != known) {
            differences.push(format!("{room}: the page has {known:?}, src {used:?}"));
        }
        let ahead: Vec<&String> = known.difference(&above).collect();
        assert!(
            ahead.is_empty(),
            "{room} knows {ahead:?}, which do not stand above it in the table"
        );
        above.insert(room.clone());
    }
    assert!(
        differences.is_empty(),
        "docs/ARCHITECTURE.md and src differ:\n{}",
        differences.join("\n")
    );
}

#[test]
fn rooms_are_named_by_their_path() {
    for source in sources() {
        let place = source.path.display();
        assert!(
            !source.code.contains("crate::{"),
            "{place}: one `use crate::room` a line, which can be read by eye"
        );
        for (at, _) in source.code.match_indices("super::") {
            let rest = source.code.get(at..).unwrap_or_default();
            let mut supers = 0;
            let mut left = rest;
            while let Some(next) = left.strip_prefix("super::") {
                (supers, left) = (supers + 1, next);
            }
            assert!(
                supers < source.depth,
                "{place}: {supers} times `super` leaves the room; write `crate::`"
            );
        }
    }
}

#[test]
fn pure_rooms_use_no_io_clock_or_thread() {
    let manifest = read(&repository().join("Cargo.toml"));
    let section =
        manifest.split("\n[dependencies]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let dependencies: Vec<String> = section
        .unwrap_or_else(|| panic!("no dependencies in Cargo.toml"))
        .lines()
        .filter_map(|line| Some(line.split_once(" = ")?.0.replace('-', "_")))
        .collect();
    assert!(dependencies.iter().any(|name| name == "tokio"), "{dependencies:?}");
    for source in sources().iter().filter(|source| PURE.contains(&source.room.as_str())) {
        let place = source.path.display();
        for word in NOT_IN_PURE_ROOMS {
            assert!(!names(&source.code, word), "{place} uses `{word}`; pass it in");
        }
        for name in
            dependencies.iter().filter(|name| !CRATES_OF_PURE_ROOMS.contains(&name.as_str()))
        {
            assert!(
                !uses(&source.code, name),
                "{place} uses the crate {name}, which is none for pure rooms"
            );
        }
    }
}

#[test]
fn some_crates_have_one_home() {
    for source in sources() {
        for (name, homes) in CRATE_ROOMS {
            let elsewhere = !homes.contains(&source.room.as_str());
            assert!(
                !(elsewhere && uses(&source.code, name)),
                "{}: {name} belongs to {homes:?}",
                source.path.display()
            );
        }
    }
}

#[test]
fn only_node_spawns() {
    let mut spawning = 0;
    for source in sources() {
        for word in SPAWNING {
            if source.room == "node" {
                spawning += usize::from(names(&source.code, word));
            } else {
                assert!(
                    !names(&source.code, word),
                    "{}: only node spawns, this says {word}",
                    source.path.display()
                );
            }
        }
    }
    assert!(spawning > 0, "no call of SPAWNING was found");
}

#[test]
fn names_are_matched_as_whole_words() {
    assert!(names("tokio::spawn(x)", "tokio::spawn"));
    assert!(!names("AwaitInstantly", "Instant"));
    assert!(!names("async_stuff", "async"));
    assert_eq!(
        named_after("use crate::wire::X; crate::link", "crate::").collect::<Vec<_>>(),
        ["wire", "link"]
    );
}

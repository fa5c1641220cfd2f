//! Files that cannot be read, are not texts, or are hostile.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::super::{Topology, check, load, load_content};
use super::{content_of, source_of_file};
use crate::config::{Diagnostics, FILE_BYTES_MAX, FileContent, PROBLEMS_MAX, Source};

fn messages_of(bytes: &[u8]) -> String {
    let loaded = load_content(&Source::default(), Some(&content_of(bytes)));
    loaded.map_or_else(|problems| problems.to_string(), |_| "ok".into())
}

fn messages_of_path(path: PathBuf) -> String {
    let source = Source { file: Some(path), ..Source::default() };
    load(&source).map_or_else(|problems| problems.to_string(), |_| "ok".into())
}

#[test]
fn files_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    assert_eq!(
        messages_of_path(path.clone()),
        format!("{}: is a directory; name the file in it", path.display())
    );
    let missing = path.join("x.yaml");
    assert_eq!(
        messages_of_path(missing.clone()),
        format!(
            "{}: no such file; name a node file or a topology file, see examples/",
            missing.display()
        )
    );
    let below = path.join("x.yaml/y");
    std::fs::write(&missing, "nodeId: a").unwrap();
    assert!(
        messages_of_path(below.clone())
            .starts_with(&format!("{}: cannot be read: ", below.display()))
    );
    let large = path.join("large.yaml");
    std::fs::File::create(&large).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
    assert_eq!(
        messages_of_path(large.clone()),
        format!("{}: is larger than 256 MiB; split the network, or shorten it", large.display())
    );
}

#[test]
fn bytes_that_are_not_text() {
    let check = |bytes: &[u8], expected: &str| assert_eq!(messages_of(bytes), expected);
    check(b"nodeId: a\n# \xff\n", "c.yaml:2: not UTF-8; save the file as UTF-8");
    check(b"\xff\xfen\0", "c.yaml:1: not UTF-8 but UTF-16; save the file as UTF-8");
    check("\u{feff}nodeId: a\n".as_bytes(), "ok");
    check(b"nodeId: a\r\nbtpServerPort: 1\r\n", "ok");
    let control = "not valid YAML: a control character; remove it; texts may hold it escaped, as in \"\\x07\"";
    check(b"nodeId: a\n\x07: b", &format!("c.yaml:2: {control}"));
    check(b"nodeId: a\0\nbroken", &format!("c.yaml:1: {control}"));
}

#[test]
fn aliases_do_not_multiply_without_bound() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(laughs, "a{n}: &a{n} [{aliases}]").unwrap();
    }
    let messages = messages_of(laughs.as_bytes());
    assert!(messages.contains("the aliases of this file repeat too many values"), "{messages}");
}

#[test]
fn a_million_mistakes_are_not_a_million_lines() {
    let mut file = "nodeId: a\nroutes:\n".to_owned();
    for n in 0..20_000 {
        writeln!(file, "  - {{prefix: test.x{n}, nextHop: nobody}}").unwrap();
    }
    let messages = messages_of(file.as_bytes());
    assert_eq!(messages.lines().count(), PROBLEMS_MAX + 1);
    assert!(messages.ends_with("... and 19500 more"), "{}", messages.lines().last().unwrap());
}

/// `up`, and `run` and `check` of a named node, read the nodes of a network twice.
#[test]
fn mistakes_that_are_left_out_are_counted_once() {
    let mut text = "nodes:\n  - id: a\n    routes:\n".to_owned();
    for n in 0..2_000 {
        writeln!(text, "      - {{prefix: test.x{n}, nextHop: nobody}}").unwrap();
    }
    let assert_count = |problems: Diagnostics| {
        let messages = problems.to_string();
        assert!(messages.ends_with("... and 1500 more"), "{}", messages.lines().last().unwrap());
    };
    let up = Topology::load_all_on_loopback(&Source::default(), &content_of(&text), |_| {});
    assert_count(up.unwrap_err());
    let folder = tempfile::tempdir().unwrap();
    let source = Source { node: Some("a".into()), ..source_of_file(folder.path(), &text) };
    assert_count(check(&source).unwrap_err());
    assert_count(load(&source).unwrap_err());
}

/// A path need not be UTF-8, although messages are.
#[test]
fn relative_paths_start_from_the_directory_of_the_file() {
    let directory = Path::new(OsStr::from_bytes(b"caf\xe9"));
    let text = "nodes:\n  - {id: a, tls: {certificate: c.pem, key: k.pem}}\n";
    let content = FileContent { path: directory.join("c.yaml"), bytes: text.into() };
    let up = Topology::load_all_on_loopback(&Source::default(), &content, |_| {}).unwrap();
    let run = Source { node: Some("a".into()), ..Source::default() };
    for loaded in [&up[0], &load_content(&run, Some(&content)).unwrap()] {
        assert_eq!(loaded.file.as_ref(), Some(&content.path));
        let tls = loaded.config.settings.tls.as_ref().unwrap();
        assert_eq!(tls.certificate, directory.join("c.pem"));
    }
}

/// Every truncation and many mutations of a file: a report or a configuration, never a panic, never a secret.
#[test]
fn broken_files_are_reported_without_their_secrets() {
    const SECRET: &str = "hunter2hunter2";
    let file = format!(
        "nodeId: a\napiToken: {SECRET}\npeers:\n  - {{id: b, authToken: \"{SECRET}\", url: 'ws://u:{SECRET}@b'}}\n  \
         - id: c\n    authToken: &t {SECRET}\nroutes:\n- prefix: test\n  nextHop: [b]\n"
    );
    let cuts = (0..file.len()).map(|end| file[..end].to_owned());
    let swaps = (0..file.len()).flat_map(|at| {
        let file = &file;
        ['\t', ':', '-', '"', '{', '[', '\n', '*', '&', '!', '$', '@', '#']
            .into_iter()
            .map(move |c| format!("{}{c}{}", &file[..at], &file[at + 1..]))
    });
    let mut seen = 0;
    for text in cuts.chain(swaps) {
        let messages = messages_of(text.as_bytes());
        // A cut or changed secret is another text. The whole secret must not be shown.
        if text.contains(SECRET) && messages.contains(SECRET) {
            panic!("{text}\n---\n{messages}");
        }
        seen += 1;
    }
    assert!(seen > 2000);
}

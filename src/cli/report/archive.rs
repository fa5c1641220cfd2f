//! The archive: its files, what is missing and why, and all of it as one `.tar.gz`. Every file is bounded and harmless
//! to a terminal, and so is the whole.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::console::{Failure, count, sanitize, sanitize_json};

/// Bytes of one file; the rest is cut off.
pub(super) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of all files together.
const ARCHIVE_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Things of which the manifest says that they are missing.
const MISSING_MAX: usize = 1_000;
/// All files are in this folder.
const FOLDER: &str = "ilp-connector-report";

/// The files of a report.
#[derive(Debug)]
pub(super) struct Archive {
    made_at: String,
    files: Vec<ReportFile>,
    missing: Vec<Missing>,
    bytes: usize,
}

/// The text of a file: harmless, and at most as long as a file.
#[derive(Debug)]
pub(super) struct FileText {
    pub(super) text: String,
    pub(super) is_cut: bool,
}

#[derive(Debug)]
struct ReportFile {
    name: String,
    about: String,
    text: String,
    is_cut: bool,
}

#[derive(Debug)]
struct Missing {
    what: String,
    why: String,
}

impl FileText {
    pub(super) fn new(text: String) -> Self {
        let mut text = sanitize_json(text);
        let is_cut = text.len() > FILE_BYTES_MAX;
        text.truncate(text.floor_char_boundary(FILE_BYTES_MAX));
        text.shrink_to_fit();
        Self { text, is_cut }
    }
}

impl Archive {
    pub(super) fn new(made_at: String) -> Self {
        Self { made_at, files: Vec::new(), missing: Vec::new(), bytes: 0 }
    }

    /// Adds a file of text. `about`: what it is, in a few words.
    pub(super) fn add_text(&mut self, name: &str, about: &str, text: &str) {
        self.add_file(name, about, FileText::new(text.to_owned()));
    }

    /// Adds a file whose text is cut already.
    pub(super) fn add_file(&mut self, name: &str, about: &str, text: FileText) {
        let FileText { text, is_cut } = text;
        if self.bytes + text.len() > ARCHIVE_BYTES_MAX {
            return self.miss(name, "the archive has its largest size");
        }
        self.bytes += text.len();
        let name = self.free_name(name);
        self.files.push(ReportFile { name, about: about.to_owned(), text, is_cut });
    }

    /// Adds a file of JSON, on several lines.
    pub(super) fn add_json(&mut self, name: &str, about: &str, value: &Value) {
        self.add_text(name, about, &format!("{value:#}\n"));
    }

    /// Notes what is not in the archive, and why.
    pub(super) fn miss(&mut self, what: &str, why: &str) {
        let missing = Missing { what: sanitize(what), why: sanitize(why) };
        match self.missing.len() {
            MISSING_MAX => {
                let (what, why) = ("more".to_owned(), "there are too many to list".to_owned());
                self.missing.push(Missing { what, why });
            }
            len if len < MISSING_MAX => self.missing.push(missing),
            _ => {}
        }
    }

    /// Two configurations may have files of one name.
    fn free_name(&self, name: &str) -> String {
        let is_taken = |name: &str| self.files.iter().any(|file| file.name == name);
        let mut free = name.to_owned();
        let mut number = 2;
        while is_taken(&free) {
            let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "txt"));
            free = format!("{stem}-{number}.{extension}");
            number += 1;
        }
        free
    }

    fn manifest(&self, version: &str) -> Value {
        let files = self.files.iter().map(|file| {
            json!({
                "name": file.name, "about": file.about, "bytes": file.text.len(), "cut": file.is_cut,
            })
        });
        let missing = self.missing.iter().map(|one| json!({ "what": one.what, "why": one.why }));
        json!({
            "format": 1,
            "program": "ilp-connector",
            "version": version,
            "madeAt": self.made_at,
            "files": files.collect::<Vec<_>>(),
            "missing": missing.collect::<Vec<_>>(),
        })
    }

    fn readme(&self, version: &str) -> String {
        let mut text = format!(
            "A report about ilp-connector {version}, made at {}.\n\n\
             It has no secrets: tokens, passwords, keys and the secrets of receivers are masked (***) or were never\n\
             read. Comments of configuration files are left out.\n\n\
             It does have ids, hosts and addresses of nodes and peers, paths of files, limits, balances, exchange rates,\n\
             messages of peers, and the destinations, amounts and conditions of packets that were rejected last. In these\n\
             packets, in events, in health, peers, links and webhooks, and in log lines, words that look random are\n\
             masked, such as the tokens in addresses of receivers.\n\
             It has no rows of the books, no fulfilled packets but those of a packet log, and no lines of the audit log.\n\n\
             Look it over before you publish it.\n\nFiles:\n",
            self.made_at
        );
        for ReportFile { name, about, text: content, is_cut } in &self.files {
            let cut = if *is_cut { ", cut off" } else { "" };
            text += &format!("  {name}: {about} ({} bytes{cut})\n", content.len());
        }
        if !self.missing.is_empty() {
            text += "\nNot here:\n";
        }
        for Missing { what, why } in &self.missing {
            text += &format!("  {what}: {why}\n");
        }
        text
    }

    /// The bytes of the `.tar.gz`.
    pub(super) fn pack(&self, version: &str) -> io::Result<Vec<u8>> {
        let manifest = sanitize_json(format!("{:#}\n", self.manifest(version)));
        let readme = sanitize_json(self.readme(version));
        let own = [("README.txt", readme.as_str()), ("manifest.json", manifest.as_str())];
        let files = self.files.iter().map(|file| (file.name.as_str(), file.text.as_str()));
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for (name, text) in own.into_iter().chain(files) {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len().try_into().map_err(io::Error::other)?);
            header.set_mode(0o600);
            tar.append_data(&mut header, format!("{FOLDER}/{name}"), text.as_bytes())?;
        }
        tar.into_inner()?.finish()
    }

    /// What is in it, for people.
    pub(super) fn describe(&self, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "{}:", count(self.files.len() + 2, "file"))?;
        for ReportFile { name, about, text, is_cut } in &self.files {
            let cut = if *is_cut { ", cut off" } else { "" };
            writeln!(out, "  {name}: {about} ({} bytes{cut})", text.len())?;
        }
        for Missing { what, why } in &self.missing {
            writeln!(out, "not in it: {what}: {why}")?;
        }
        Ok(())
    }
}

/// An id, a host or the name of a file as a part of a name in the archive.
pub(super) fn name_part(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '~');
    let mut part = String::new();
    for c in text.chars().take(CHARS_MAX) {
        match c {
            // No name begins with one, and no two dots lead to the folder above.
            '.' | '-' if !part.is_empty() && !part.ends_with('.') => part.push(c),
            c if plain(c) => part.push(c),
            _ => part.push('_'),
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn unpacked(archive: &Archive) -> Vec<(String, String)> {
        let bytes = archive.pack("1.2.3").unwrap();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&*bytes));
        let entries = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mode().unwrap(), 0o600);
            let (path, mut text) = (entry.path().unwrap().display().to_string(), String::new());
            entry.read_to_string(&mut text).unwrap();
            (path.strip_prefix("ilp-connector-report/").unwrap().to_owned(), text)
        });
        entries.collect()
    }

    #[test]
    fn files_are_bounded_harmless_and_listed() {
        let mut archive = Archive::new("2026-11-28T12:34:56.789Z".to_owned());
        archive.add_text("a.txt", "one", "\u{1b}[2J\n");
        archive.add_json("b.json", "two", &json!({ "k": "\u{202e}" }));
        archive.add_text("c.txt", "three", &"é".repeat(FILE_BYTES_MAX));
        archive.add_text("a.txt", "four", "x");
        archive.miss("node b", "no answer:\n\u{7} refused");
        let files = unpacked(&archive);
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["README.txt", "manifest.json", "a.txt", "b.json", "c.txt", "a-2.txt"]);
        assert_eq!(files[2].1, "\\u001b[2J\n");
        assert!(files[3].1.contains("\\u202e"), "{}", files[3].1);
        assert_eq!(files[4].1.len(), FILE_BYTES_MAX);
        let manifest: Value = serde_json::from_str(&files[1].1).unwrap();
        assert_eq!(manifest["version"], "1.2.3");
        assert_eq!(manifest["files"][2]["cut"], true);
        assert_eq!(manifest["files"][3]["name"], "a-2.txt");
        assert_eq!(manifest["missing"][0]["what"], "node b");
        assert!(files[0].1.contains("  node b: no answer:\\n\\u{7} refused\n"), "{}", files[0].1);
        assert!(files[0].1.contains("c.txt: three (1048576 bytes, cut off)"), "{}", files[0].1);
    }

    #[test]
    fn the_whole_is_bounded() {
        let mut archive = Archive::new(String::new());
        let text = "x".repeat(FILE_BYTES_MAX);
        for number in 0..30 {
            archive.add_text(&format!("{number}.txt"), "", &text);
        }
        (0..2 * MISSING_MAX).for_each(|_| archive.miss("node", "no answer"));
        assert_eq!(archive.bytes, ARCHIVE_BYTES_MAX);
        assert_eq!(archive.files.len(), 24);
        assert_eq!(archive.missing.len(), MISSING_MAX + 1);
        assert_eq!(archive.missing[0].what, "24.txt");
    }

    #[test]
    fn names_in_the_archive_lead_nowhere_else() {
        for (given, expected) in [
            ("b", "b"),
            ("../../etc/passwd", "_._.__etc_passwd"),
            ("a..b", "a._b"),
            (".hidden", "_hidden"),
            ("node-1.yaml", "node-1.yaml"),
            ("127.0.0.1:8080", "127.0.0.1_8080"),
            ("-o", "_o"),
            ("é\n", "__"),
        ] {
            assert_eq!(name_part(given), expected, "{given}");
        }
    }
}

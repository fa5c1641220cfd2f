//! The files of exchange rates. A node follows them while it runs, so that a file that is absent or garbage is no
//! mistake of the configuration: `check` warns of it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::diagnostics::DiagnosticSink;
use super::location::{Location, ValuePath};
use super::node_keys::NODE;
use super::route_keys::RATE_SOURCE;
use super::settings::{NodeConfig, RateSourceConfig, RateSourcePlace};
use super::value::Value;
use crate::net::{describe_io_error, sanitize};
use crate::rates::DOCUMENT_BYTES_MAX;
use crate::time::format_age;
use crate::wire::Timestamp;

/// A file of exchange rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateFile {
    /// What it holds. If that is too long, one byte more than a document may have.
    pub content: Vec<u8>,
    /// When it was written.
    pub written: Timestamp,
}

/// Reads a file of exchange rates. Reading a pipe could block for ever.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn read_rate_file(path: &Path) -> Result<RateFile, String> {
    let error = |error: io::Error| describe_io_error(error.kind());
    if !std::fs::metadata(path).map_err(error)?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let file = File::open(path).map_err(error)?;
    let written = file.metadata().and_then(|found| found.modified()).map_err(error)?;
    let mut content = Vec::new();
    let most = u64::try_from(DOCUMENT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut content).map_err(error)?;
    Ok(RateFile { content, written: timestamp(written) })
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Checks the files of nodes, each once for each way to read it.
#[derive(Debug, Default)]
pub struct RateFileCheck(HashSet<(PathBuf, String)>);

impl RateFileCheck {
    /// Warns of the files of one node, which was made from `tree`, that give no rates now.
    pub fn check(&mut self, node: &NodeConfig, tree: &Value, report: &mut DiagnosticSink) {
        let now = timestamp(SystemTime::now());
        for (index, source) in node.rate_sources.iter().enumerate() {
            let RateSourcePlace::File(file) = &source.place else { continue };
            if !self.0.insert((file.clone(), format!("{:?}", source.source))) {
                continue;
            }
            if let Err(why) = judge(source, file, now) {
                let what = format!("gives no rates now: {why}");
                let help = "packets that need them are refused until it does";
                report.warn(place(tree, index), what, help);
            }
        }
    }
}

fn judge(source: &RateSourceConfig, file: &Path, now: Timestamp) -> Result<(), String> {
    let RateFile { content, written } = read_rate_file(file)?;
    let quotes = source.source.read(&content, now).map_err(|fault| sanitize(&fault.text))?;
    let age = Duration::from_millis(now.millis_since(quotes.as_of().unwrap_or(written)));
    match age > source.source.max_age {
        true => Err(format!(
            "its figures are {} old, and maxAgeMs allows {}",
            format_age(age),
            format_age(source.source.max_age)
        )),
        false => Ok(()),
    }
}

/// The place of a source's file.
fn place(tree: &Value, index: usize) -> Location {
    let root = ValuePath::root(&tree.at);
    let missing = || root.missing(NODE.rate_sources.name).place();
    let Some(list) = tree.get(NODE.rate_sources.name) else { return missing() };
    let Some(item) = list.as_list().and_then(|items| items.get(index)) else { return missing() };
    let list_path = root.key(NODE.rate_sources.name, &list.at);
    let path = list_path.index(index, &item.at);
    match item.get(RATE_SOURCE.file.name) {
        Some(file) => path.key(RATE_SOURCE.file.name, &file.at).place(),
        None => path.place(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::loaded;

    fn warnings(folder: &Path, sources: &str) -> Vec<String> {
        let sources = sources.replace("DIR", &folder.display().to_string());
        let text = format!(
            "nodeId: a\npeers:\n  - {{id: b, authToken: s, url: ws://b}}\nrateSources: [{sources}]\n"
        );
        let loaded = loaded(&text, &[]);
        let mut report = DiagnosticSink::new(None);
        RateFileCheck::default().check(&loaded.config, &loaded.tree, &mut report);
        report.finish().unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_without_rates_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("good.json", r#"{"base": "USD", "rates": {"EUR": 0.8}}"#);
        write("garbage.json", "<html>");
        write("old.json", r#"{"base": "USD", "timestamp": 1, "rates": {"EUR": 0.8}}"#);
        let check = |source: &str, expected: &str| {
            let found = warnings(folder.path(), source);
            assert_eq!(found.len(), 1, "{source}: {found:?}");
            assert!(found[0].contains("rateSources[") && found[0].contains(expected), "{found:?}");
        };
        let good = "{file: DIR/good.json}, {url: \"http://127.0.0.1:1/\"}";
        assert_eq!(warnings(folder.path(), good), Vec::<String>::new());
        check("{file: DIR/none.json}", "rateSources[0].file: gives no rates now: no such file");
        check(
            "{file: DIR/good.json}, {file: DIR/garbage.json}",
            "rateSources[1].file: gives no rates now: it is not JSON with an object `rates`",
        );
        check("{file: DIR/old.json}", "years old, and maxAgeMs allows 5 min");
        check("{file: DIR}", "it is no regular file");
        check("{file: DIR/good.json, base: EUR}", "its base is USD, not EUR");
    }
}

//! Reads lines of an audit log for the API.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::file::sealed_files;
use super::line::LINE_BYTES_MAX;

/// Bytes of the lines of one page.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What each line begins with.
const SEQ_MEMBER: &[u8] = br#"{"seq":"#;

/// Lines of an audit log, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditPage {
    /// The file that is written now.
    pub file: PathBuf,
    /// The lines, with their hashes.
    pub lines: Vec<Value>,
    /// The number of the last line of the log.
    pub last: u64,
    /// The hash of that line.
    pub hash: String,
}

/// Up to `limit` lines that follow the line `after`. What is no line is left out; `verify` finds it.
pub(super) fn read_lines(path: &Path, after: u64, limit: usize) -> io::Result<Vec<Value>> {
    let mut files: Vec<PathBuf> = sealed_files(path)?.into_iter().map(|(_, file)| file).collect();
    files.push(path.to_owned());
    // The newest file that begins before the wanted lines.
    let begin = files.iter().rposition(
        |file| matches!(first_seq(file), Ok(Some(seq)) if seq <= after.saturating_add(1)),
    );
    let mut lines = Vec::new();
    let mut bytes = 0;
    for file in files.get(begin.unwrap_or_default()..).unwrap_or_default() {
        let mut reader = BufReader::new(File::open(file)?);
        while let Some(line) = next_line(&mut reader)? {
            if seq_of(&line).is_none_or(|seq| seq <= after) {
                continue;
            }
            let Ok(value) = serde_json::from_slice(&line) else { continue };
            bytes += line.len();
            if lines.len() == limit || bytes > PAGE_BYTES_MAX {
                return Ok(lines);
            }
            lines.push(value);
        }
    }
    Ok(lines)
}

fn first_seq(file: &Path) -> io::Result<Option<u64>> {
    let mut reader = BufReader::new(File::open(file)?);
    Ok(next_line(&mut reader)?.and_then(|line| seq_of(&line)))
}

/// The next line without its line break; `None` at the end. A longer one than any line is cut.
fn next_line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok((read > 0).then_some(line))
}

fn seq_of(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(SEQ_MEMBER)?.split(|byte| *byte == b',').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

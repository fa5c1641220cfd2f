//! Whether the lines of audit logs are those that were written: all of them, unchanged, in order.
//!
//! The files are read as they are, from the first one to the last one, and the first line that does not fit is named.
//! What a crash leaves behind is no mistake: an unfinished line, which the node has noted when it opened the file
//! again, or which no line follows yet.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use super::chain::{ChainEnd, LineHash};
use super::head;
use super::line::{AuditLine, AuditLineKind, HashedLine, LINE_BYTES_MAX};

/// Bytes that are no lines, between two lines.
const TORN_BYTES_MAX: usize = 64 * LINE_BYTES_MAX;
/// Remarks; further ones are left out.
const NOTES_MAX: usize = 100;

/// The lines are those that were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifiedAudit {
    /// How many there are.
    pub lines: u64,
    /// When the first one was written.
    pub from: String,
    /// When the last one was written.
    pub to: String,
    /// The number of the last one.
    pub last: u64,
    /// The hash of the last one.
    pub hash: String,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// The first line that does not fit.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {kind}: {text}", file.display())]
pub struct AuditMistake {
    /// Its file.
    pub file: PathBuf,
    /// Its place in the file, from 1 on.
    pub line: u64,
    /// What happened to it.
    pub kind: AuditMistakeKind,
    /// What exactly, and what was expected.
    pub text: String,
}

/// What happened to lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditMistakeKind {
    /// The content of a line is not what was written.
    Altered,
    /// Lines are missing between two others.
    Removed,
    /// A line stands at another place.
    Reordered,
    /// Lines at the end are missing.
    Truncated,
    /// A file between two others is missing.
    FileMissing,
    /// The files are given in another order than they were written.
    FileOrder,
    /// The file cannot be read, or has no line.
    Unreadable,
    /// No line has the hash that was noted elsewhere.
    OtherChain,
}

impl fmt::Display for AuditMistakeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Altered => "altered",
            Self::Removed => "removed lines",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::FileMissing => "a file is missing",
            Self::FileOrder => "wrong order of files",
            Self::Unreadable => "unreadable",
            Self::OtherChain => "another chain",
        })
    }
}

/// Checks audit logs, given from the oldest to the newest. `noted`: the hash of a line that must be among them.
///
/// # Errors
/// The first mistake.
pub fn verify(
    files: &[PathBuf],
    noted: Option<LineHash>,
) -> Result<VerifiedAudit, Box<AuditMistake>> {
    // First: the log of a running node goes on.
    let head = files.last().and_then(|file| head::read(file));
    let mut check =
        Check { files, at: Place::default(), last: None, found: VerifiedAudit::default(), noted };
    for (index, _) in files.iter().enumerate() {
        check.at = Place { file: index, line: 0 };
        check.check_file(head)?;
    }
    check.finish(head)
}

/// A line of a file, from 1 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    file: usize,
    line: u64,
}

struct Check<'f> {
    files: &'f [PathBuf],
    at: Place,
    /// The last line that fits.
    last: Option<ChainEnd>,
    found: VerifiedAudit,
    /// What was noted elsewhere and has not been found yet.
    noted: Option<LineHash>,
}

/// Bytes that are no lines, and where they begin.
#[derive(Debug, Default)]
struct Torn {
    bytes: Vec<u8>,
    line: u64,
}

impl Check<'_> {
    fn check_file(&mut self, head: Option<ChainEnd>) -> Result<(), Box<AuditMistake>> {
        let mut reader = self.open(self.at.file)?;
        let mut torn = Torn::default();
        loop {
            let bytes = match next_line(&mut reader) {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => bytes,
                Err(error) => return Err(self.unreadable(&error)),
            };
            self.at.line += 1;
            match bytes.strip_suffix(b"\n").and_then(HashedLine::decode) {
                Some(line) => {
                    self.check_torn(&torn, &line.line)?;
                    torn = Torn::default();
                    self.check_line(&line)?;
                }
                None => {
                    if torn.bytes.is_empty() {
                        torn.line = self.at.line;
                    }
                    torn.bytes.extend_from_slice(&bytes);
                    if torn.bytes.len() > TORN_BYTES_MAX {
                        return Err(self.altered(torn.line));
                    }
                }
            }
        }
        if self.at.line == 0 {
            return Err(self.mistake(AuditMistakeKind::Unreadable, "the file has no line"));
        }
        self.check_end(&torn, head)
    }

    /// What is no line must be what the line after it says.
    fn check_torn(&mut self, torn: &Torn, next: &AuditLine) -> Result<(), Box<AuditMistake>> {
        let noted = next.parameters.get("torn").filter(|_| next.kind == AuditLineKind::Opened);
        let Some(noted) = noted else {
            return if torn.bytes.is_empty() { Ok(()) } else { Err(self.altered(torn.line)) };
        };
        let bytes = noted.get("bytes").and_then(serde_json::Value::as_u64);
        let hash = noted.get("sha256").and_then(serde_json::Value::as_str);
        let is_noted = |found: &[u8]| {
            bytes == Some(found.len() as u64) && hash == Some(&*LineHash::of(found).to_string())
        };
        // The node has ended it with a line break.
        let without_break = torn.bytes.strip_suffix(b"\n").unwrap_or(&torn.bytes);
        if !is_noted(&torn.bytes) && !is_noted(without_break) {
            let line = if torn.bytes.is_empty() { self.at.line } else { torn.line };
            return Err(self.altered(line));
        }
        self.note(format!(
            "line {}: an unfinished line of {} bytes, which the node noted when it started again at {}",
            torn.line,
            torn.bytes.len(),
            next.at
        ));
        Ok(())
    }

    fn check_line(&mut self, line: &HashedLine) -> Result<(), Box<AuditMistake>> {
        let AuditLine { seq, kind, .. } = line.line;
        match self.last {
            None if seq == 1 && line.prev != LineHash::NONE => {
                return Err(
                    self.mistake(AuditMistakeKind::Altered, "line 1 of a chain continues nothing")
                );
            }
            None if seq > 1 => {
                self.note(format!(
                    "the chain begins with line {seq}; what was before is not in these files"
                ));
            }
            None => {}
            Some(last) if line.prev != last.hash => return Err(self.explain_break(last, line)),
            Some(last) => {
                let missing =
                    line.line.parameters.get("missing").filter(|_| kind == AuditLineKind::Opened);
                if missing.is_some() {
                    let text = format!(
                        "lines {} to {} are missing, which the node noted when it opened the file at {}",
                        last.seq + 1,
                        seq.saturating_sub(1),
                        line.line.at
                    );
                    return Err(self.mistake(AuditMistakeKind::Truncated, &text));
                }
                if seq != last.seq + 1 {
                    let text = format!("it has the number {seq} instead of {}", last.seq + 1);
                    return Err(self.mistake(AuditMistakeKind::Altered, &text));
                }
            }
        }
        if let Some(failed) = line.line.parameters.get("failedLine") {
            self.note(format!(
                "line {}: writing line {failed} had failed before; its verb was refused, even if the line is there",
                self.at.line
            ));
        }
        if self.found.lines == 0 {
            self.found.from.clone_from(&line.line.at);
        }
        self.found.to.clone_from(&line.line.at);
        self.found.lines += 1;
        self.last = Some(line.end());
        if self.noted == Some(line.hash) {
            self.noted = None;
        }
        Ok(())
    }

    /// The line is as it was written, but does not continue the one before it.
    fn explain_break(&self, last: ChainEnd, line: &HashedLine) -> Box<AuditMistake> {
        use AuditMistakeKind::{Altered, FileMissing, FileOrder, Removed, Reordered};
        let (seq, expected) = (line.line.seq, last.seq + 1);
        if seq == 1 {
            let text =
                format!("a new chain begins here, which does not continue line {}", last.seq);
            let is_first = self.at.line == 1;
            return self.mistake(if is_first { FileOrder } else { Altered }, &text);
        }
        let places = self.places();
        let found = places.get(&expected).copied();
        let shown = |place: Place| format!("{}:{}", self.shown_file(place.file), place.line);
        if self.at.line == 1 && self.at.file > 0 && seq != expected {
            return match found {
                Some(place) => {
                    let text = format!("line {expected} follows, which is at {}", shown(place));
                    self.mistake(FileOrder, &text)
                }
                None if seq > expected => {
                    let text = format!("lines {expected} to {} are missing before it", seq - 1);
                    self.mistake(FileMissing, &text)
                }
                None => {
                    let text = format!("it begins with line {seq}, but {} came before", last.seq);
                    self.mistake(FileOrder, &text)
                }
            };
        }
        match (seq, found) {
            (seq, _) if seq == expected => {
                let text =
                    format!("the line before it is not the line {} that was written", last.seq);
                self.mistake(Altered, &text)
            }
            (seq, None) if seq > expected => {
                let text = format!("lines {expected} to {} are missing before it", seq - 1);
                self.mistake(Removed, &text)
            }
            (seq, Some(place)) if seq > expected => {
                let text = format!("it is line {seq}; line {expected} is at {}", shown(place));
                self.mistake(Reordered, &text)
            }
            (seq, _) => {
                let text = format!("it is line {seq}, but line {} came before", last.seq);
                self.mistake(Reordered, &text)
            }
        }
    }

    /// Where the lines after this one are, by their numbers.
    fn places(&self) -> BTreeMap<u64, Place> {
        let mut places = BTreeMap::new();
        for file in self.at.file..self.files.len() {
            let Ok(mut reader) = self.open(file) else { continue };
            let mut place = Place { file, line: 0 };
            while let Ok(bytes) = next_line(&mut reader)
                && !bytes.is_empty()
            {
                place.line += 1;
                let is_later = file > self.at.file || place.line > self.at.line;
                let line = bytes.strip_suffix(b"\n").filter(|_| is_later);
                if let Some(line) = line.and_then(HashedLine::decode) {
                    places.entry(line.line.seq).or_insert(place);
                }
            }
        }
        places
    }

    /// What follows the last line of a file.
    fn check_end(&mut self, torn: &Torn, head: Option<ChainEnd>) -> Result<(), Box<AuditMistake>> {
        if torn.bytes.is_empty() {
            return Ok(());
        }
        if torn.bytes.contains(&b'\n') {
            return Err(self.altered(torn.line));
        }
        let last = self.last.unwrap_or(ChainEnd::BEGINNING);
        let is_newest = self.at.file + 1 == self.files.len();
        // Nothing has begun before its line was finished, and then the head says so.
        if is_newest && head.is_some_and(|head| head.seq <= last.seq) {
            self.note(format!(
                "line {}: an unfinished line of {} bytes at the end: the node ended while it wrote it, and did nothing",
                torn.line,
                torn.bytes.len()
            ));
            return Ok(());
        }
        let place = Place { line: torn.line, ..self.at };
        Err(self.mistake_at(place, AuditMistakeKind::Truncated, "the last line is not complete"))
    }

    fn finish(mut self, head: Option<ChainEnd>) -> Result<VerifiedAudit, Box<AuditMistake>> {
        let last = self.last.unwrap_or(ChainEnd::BEGINNING);
        match head {
            Some(head) if head.seq > last.seq => {
                let text = format!(
                    "line {} is the last one here, but the head beside the file names line {}",
                    last.seq, head.seq
                );
                return Err(self.mistake(AuditMistakeKind::Truncated, &text));
            }
            Some(head) if head.seq == last.seq && head.hash != last.hash => {
                let text = "the head beside the file has another hash for this line";
                return Err(self.mistake(AuditMistakeKind::Altered, text));
            }
            Some(_) => {}
            None => self.note_without_head(),
        }
        if let Some(noted) = self.noted {
            let text = format!("no line has the hash {noted}");
            return Err(self.mistake(AuditMistakeKind::OtherChain, &text));
        }
        let Check { found, .. } = self;
        Ok(VerifiedAudit { last: last.seq, hash: last.hash.to_string(), ..found })
    }

    fn note_without_head(&mut self) {
        let file = self.shown_file(self.files.len().saturating_sub(1));
        self.note(format!(
            "{file}.head is not there: lines that are missing at the end cannot be found, unless --head names the last one"
        ));
    }

    fn open(&self, index: usize) -> Result<BufReader<File>, Box<AuditMistake>> {
        let Some(path) = self.files.get(index) else {
            return Err(self.unreadable(&io::ErrorKind::NotFound.into()));
        };
        File::open(path).map(BufReader::new).map_err(|error| {
            let kind = AuditMistakeKind::Unreadable;
            self.mistake_at(Place { file: index, line: 1 }, kind, &error.to_string())
        })
    }

    fn shown_file(&self, index: usize) -> String {
        self.files.get(index).map(|file| file.display().to_string()).unwrap_or_default()
    }

    fn note(&mut self, text: String) {
        if self.found.notes.len() < NOTES_MAX {
            self.found.notes.push(text);
        }
    }

    fn unreadable(&self, error: &io::Error) -> Box<AuditMistake> {
        self.mistake(AuditMistakeKind::Unreadable, &error.to_string())
    }

    fn altered(&self, line: u64) -> Box<AuditMistake> {
        let text =
            "it is not what was written: its hash does not fit, or it is no line of an audit log";
        self.mistake_at(Place { line, ..self.at }, AuditMistakeKind::Altered, text)
    }

    fn mistake(&self, kind: AuditMistakeKind, text: &str) -> Box<AuditMistake> {
        self.mistake_at(self.at, kind, text)
    }

    fn mistake_at(&self, place: Place, kind: AuditMistakeKind, text: &str) -> Box<AuditMistake> {
        let file = self.files.get(place.file).cloned().unwrap_or_default();
        Box::new(AuditMistake { file, line: place.line.max(1), kind, text: text.to_owned() })
    }
}

/// The next line with its line break; empty at the end. A longer one than any line comes in pieces.
fn next_line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
    Ok(line)
}

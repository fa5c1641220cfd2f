//! The file of an audit log: opened, continued, and replaced when it is full.
//!
//! What cannot be a line of the chain is never removed: the line after it says how many bytes it has and their hash. So
//! an unfinished line, which a crash or a full disk leaves behind, is neither hidden nor taken for a change.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::chain::{ChainEnd, LineHash};
use super::head::{HeadError, HeadFile};
use super::line::{AuditLineKind, LINE_BYTES_MAX, LineContent};
use super::tail::Tail;
use crate::net::{directory_of, sync_directory};
use crate::wire::Timestamp;

/// Digits of the number in the name of a sealed file.
const NUMBER_DIGITS: usize = 6;

/// Where the audit log of a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuditPlace {
    pub(super) path: PathBuf,
    pub(super) node: String,
    /// A file that would become larger is sealed.
    pub(super) file_bytes_max: u64,
}

/// Why an audit log cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuditFileError {
    #[error("another process writes the audit log {}", .0.display())]
    Locked(PathBuf),
    #[error("{} is not an audit log; set auditLog to a file of its own", .0.display())]
    NotALog(PathBuf),
    #[error("the audit log {} is that of the node {node}; each node has one of its own", path.display())]
    OtherNode { path: PathBuf, node: String },
    #[error("the audit log {} cannot be written: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// An open audit log.
#[derive(Debug)]
pub(super) struct AuditFile {
    place: AuditPlace,
    file: File,
    head: HeadFile,
    bytes: u64,
    /// The number that this file has in the name once it is sealed.
    number: u64,
    end: ChainEnd,
}

/// What the process has done to the log before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BeforeOpening {
    /// The write of this line failed, and so its verb was refused; it may be in the file nevertheless.
    pub(super) failed_line: Option<u64>,
}

/// What was found at an opening.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FoundAtOpening {
    /// Bytes after the last line that are none.
    pub(super) torn_bytes: usize,
    /// The first and the last number of lines that are missing at the end.
    pub(super) missing: Option<(u64, u64)>,
}

impl AuditFile {
    /// Opens the log, or creates it, and adds a line that says so.
    pub(super) fn open(
        place: AuditPlace,
        before: BeforeOpening,
        at: Timestamp,
    ) -> Result<(Self, FoundAtOpening), AuditFileError> {
        let failed = |error| AuditFileError::Io { path: place.path.clone(), error };
        let mut head = HeadFile::open(&place.path).map_err(|error| match error {
            HeadError::Locked => AuditFileError::Locked(place.path.clone()),
            HeadError::Io(error) => failed(error),
        })?;
        let noted = head.read().map_err(failed)?;
        let mut file = create(&place.path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(AuditFileError::NotALog(place.path.clone()));
        }
        let sealed = sealed_files(&place.path).map_err(failed)?;
        let number = sealed.last().map_or(1, |(number, _)| number + 1);
        let mut parameters = Map::from_iter([
            ("version".to_owned(), json!(env!("CARGO_PKG_VERSION"))),
            ("file".to_owned(), json!(number)),
        ]);
        let mut found = FoundAtOpening::default();
        let mut torn = Vec::new();
        let mut end = match Tail::read(&mut file).map_err(failed)? {
            Tail::Empty => {
                let end = end_before_file(&place, sealed, noted).map_err(failed)?;
                if end.seq > 0 {
                    parameters.insert("continues".to_owned(), json!(end.seq));
                }
                end
            }
            Tail::Line(line, rest) if line.line.node == place.node => {
                torn = rest;
                line.end()
            }
            Tail::Line(line, _) => {
                let (path, node) = (place.path.clone(), line.line.node);
                return Err(AuditFileError::OtherNode { path, node });
            }
            Tail::NoLine => return Err(AuditFileError::NotALog(place.path.clone())),
        };
        let mut bytes = Vec::new();
        if !torn.is_empty() {
            found.torn_bytes = torn.len();
            parameters.insert("torn".to_owned(), torn_value(&torn));
            if !torn.ends_with(b"\n") {
                bytes.push(b'\n');
            }
        }
        let mut seq = end.seq.saturating_add(1);
        if let Some(noted) = noted.filter(|noted| noted.seq > end.seq) {
            found.missing = Some((seq, noted.seq));
            let missing = json!({ "from": seq, "to": noted.seq, "hash": noted.hash.to_string() });
            parameters.insert("missing".to_owned(), missing);
            seq = noted.seq.saturating_add(1);
        }
        if let Some(line) = before.failed_line {
            parameters.insert("failedLine".to_owned(), json!(line));
        }
        let content = LineContent::of_file(AuditLineKind::Opened, parameters);
        let (line, new_end) = content.encode(end, seq, at, &place.node);
        bytes.extend_from_slice(&line);
        file.write_all(&bytes).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        sync_directory(&place.path).map_err(failed)?;
        end = new_end;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut opened = Self { place, file, head, bytes, number, end };
        opened.note_head();
        Ok((opened, found))
    }

    pub(super) fn end(&self) -> ChainEnd {
        self.end
    }

    /// Adds a line, which is on the disk when this returns. After an error the log must be opened again: what the
    /// file has then is not known.
    pub(super) fn append(
        &mut self,
        content: LineContent,
        at: Timestamp,
    ) -> Result<u64, AuditFileError> {
        let path = self.place.path.clone();
        self.try_append(content, at).map_err(|error| AuditFileError::Io { path, error })
    }

    fn try_append(&mut self, content: LineContent, at: Timestamp) -> io::Result<u64> {
        if self.bytes + LINE_BYTES_MAX as u64 > self.place.file_bytes_max {
            self.seal(at)?;
        }
        self.write_line(content, at)
    }

    /// Whether the path still leads to this file. It does not after another program has moved or removed it.
    pub(super) fn is_in_place(&self) -> bool {
        let same = |path: &Path| -> io::Result<bool> {
            let (there, here) = (fs::metadata(path)?, self.file.metadata()?);
            Ok((there.dev(), there.ino()) == (here.dev(), here.ino()))
        };
        same(&self.place.path).unwrap_or(false)
    }

    fn write_line(&mut self, content: LineContent, at: Timestamp) -> io::Result<u64> {
        let seq = self.end.seq.saturating_add(1);
        let (line, end) = content.encode(self.end, seq, at, &self.place.node);
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.bytes += line.len() as u64;
        self.end = end;
        self.note_head();
        Ok(seq)
    }

    fn note_head(&mut self) {
        if let Err(error) = self.head.write(self.end) {
            let path = self.place.path.display();
            tracing::warn!(%path, %error, "the head of the audit log cannot be written");
        }
    }

    /// Ends this file, and goes on in a new one.
    fn seal(&mut self, at: Timestamp) -> io::Result<()> {
        let parameters = Map::from_iter([("file".to_owned(), json!(self.number))]);
        let sealed_by = LineContent::of_file(AuditLineKind::Sealed, parameters);
        self.write_line(sealed_by, at)?;
        self.file.sync_all()?;
        let path = self.place.path.clone();
        let mut name = sealed_path(&path, self.number);
        while name.exists() {
            self.number += 1;
            name = sealed_path(&path, self.number);
        }
        fs::rename(&path, &name)?;
        sync_directory(&path)?;
        tracing::info!(
            file = %name.display(), line = self.end.seq, hash = %self.end.hash,
            "the audit log goes on in a new file"
        );
        self.file = create(&path)?;
        self.number += 1;
        self.bytes = 0;
        let parameters = Map::from_iter([
            ("version".to_owned(), json!(env!("CARGO_PKG_VERSION"))),
            ("file".to_owned(), json!(self.number)),
            ("continues".to_owned(), json!(self.end.seq)),
        ]);
        self.write_line(LineContent::of_file(AuditLineKind::Opened, parameters), at)?;
        sync_directory(&path)
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// What a new file continues: the newest sealed file, or what the head says if the last file was moved away.
fn end_before_file(
    place: &AuditPlace,
    sealed: Vec<(u64, PathBuf)>,
    noted: Option<ChainEnd>,
) -> io::Result<ChainEnd> {
    let mut end = ChainEnd::BEGINNING;
    if let Some((_, newest)) = sealed.last()
        && let Tail::Line(line, _) = Tail::read(&mut File::open(newest)?)?
        && line.line.node == place.node
    {
        end = line.end();
    }
    Ok(noted.filter(|noted| noted.seq > end.seq).unwrap_or(end))
}

fn torn_value(torn: &[u8]) -> Value {
    json!({ "bytes": torn.len(), "sha256": LineHash::of(torn).to_string() })
}

/// `audit.jsonl` becomes `audit-000001.jsonl`, so that a shell lists the files in their order.
pub(super) fn sealed_path(path: &Path, number: u64) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number:0NUMBER_DIGITS$}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The sealed files of a log with their numbers, in order.
pub(super) fn sealed_files(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    let stem: OsString = path.file_stem().unwrap_or_default().to_owned();
    for entry in fs::read_dir(directory_of(path))? {
        let name = entry?.file_name();
        let number = || {
            let stem = format!("{}-", stem.to_str()?);
            let number = Path::new(&name).file_stem()?.to_str()?.strip_prefix(&stem)?;
            number.parse::<u64>().ok()
        };
        if let Some(number) = number()
            && sealed_path(path, number).file_name() == Some(&name)
        {
            found.push((number, path.with_file_name(&name)));
        }
    }
    found.sort();
    Ok(found)
}

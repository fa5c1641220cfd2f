//! The file beside an audit log with the number and the hash of its last line: it shows that lines at the end are
//! missing. Its lock keeps other processes from writing the log.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::chain::ChainEnd;

/// Digits of the number, so that each head has the same length and overwrites the one before.
const SEQ_DIGITS: usize = 20;
/// Longer than a head.
const HEAD_BYTES_MAX: u64 = 256;

#[derive(Debug)]
pub(super) struct HeadFile(File);

/// Why the head cannot be had.
#[derive(Debug)]
pub(super) enum HeadError {
    /// Another process writes the log.
    Locked,
    Io(io::Error),
}

/// `<log>.head`
pub(super) fn path_of(log: &Path) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(".head");
    PathBuf::from(name)
}

/// What the head beside this log says. `None`: there is none, or it cannot be read.
pub(super) fn read(log: &Path) -> Option<ChainEnd> {
    let mut text = String::new();
    File::open(path_of(log)).ok()?.take(HEAD_BYTES_MAX).read_to_string(&mut text).ok()?;
    parse(&text)
}

fn parse(text: &str) -> Option<ChainEnd> {
    let (seq, hash) = text.strip_suffix('\n')?.split_once(' ')?;
    Some(ChainEnd { seq: seq.parse().ok()?, hash: hash.parse().ok()? })
}

impl HeadFile {
    /// Creates the file if there is none, and takes its lock.
    pub(super) fn open(log: &Path) -> Result<Self, HeadError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path_of(log)).map_err(HeadError::Io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(HeadError::Locked),
            Err(TryLockError::Error(error)) => Err(HeadError::Io(error)),
        }
    }

    pub(super) fn read(&mut self) -> io::Result<Option<ChainEnd>> {
        let mut text = String::new();
        self.0.rewind()?;
        // Bytes that are no text are no head.
        match Read::by_ref(&mut self.0).take(HEAD_BYTES_MAX).read_to_string(&mut text) {
            Ok(_) => Ok(parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Not synchronized: after a loss of power it may be older than the log, which is no contradiction.
    pub(super) fn write(&mut self, end: ChainEnd) -> io::Result<()> {
        let text = format!("{:0SEQ_DIGITS$} {}\n", end.seq, end.hash);
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(text.as_bytes())?;
        self.0.set_len(text.len() as u64)
    }
}

impl Drop for HeadFile {
    /// Closing the file is not enough: a process that another thread is just starting has a copy of it for a moment.
    fn drop(&mut self) {
        // If this fails, closing gives the lock back a little later.
        let _ = self.0.unlock();
    }
}

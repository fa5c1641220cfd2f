//! The names of the files beside a store, and whether a name still leads to the same file.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// `path` with more at its end.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The file that a symbolic link leads to, also if it is missing: SQLite puts its other files beside that one.
pub(super) fn follow_links(path: &Path) -> PathBuf {
    let target = || {
        let target = fs::read_link(path).ok()?;
        Some(path.parent()?.join(target))
    };
    fs::canonicalize(path).ok().or_else(target).unwrap_or_else(|| path.to_owned())
}

/// SQLite's log of a store.
pub(super) fn log_of(store: &Path) -> PathBuf {
    with_suffix(&follow_links(store), "-wal")
}

/// A name in use, and the file that it led to.
#[derive(Debug)]
pub(super) struct FileInUse {
    path: PathBuf,
    id: FileId,
}

/// Device and inode.
type FileId = (u64, u64);

impl FileInUse {
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        Ok(Self { id: id_of(&path)?, path })
    }

    /// Whether the name still leads to the same file.
    pub(super) fn is_in_place(&self) -> bool {
        id_of(&self.path).is_ok_and(|id| id == self.id)
    }
}

fn id_of(path: &Path) -> io::Result<FileId> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

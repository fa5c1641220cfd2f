//! Puts a backup in the place of a store. What was there stays beside it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::SqliteStore;
use super::read_only::with_suffix;
use crate::books::SavedBooks;
use crate::store::error::OpenError;
use crate::store::file_lock::FileLock;

/// What SQLite keeps beside a file: the log, and the index of the log.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];
/// Stores that earlier restores have put aside, at most.
const PUT_ASIDE_MAX: u32 = 1_000;

impl SqliteStore {
    /// Puts a copy of `backup` in the place of the store of a node that does not run. Returns the books that are in
    /// force then, and the new name of the file that was there.
    ///
    /// # Errors
    /// [`OpenError`]: the backup is not a whole store of ours, a node runs with the store, or a file cannot be written.
    pub fn restore(path: &Path, backup: &Path) -> Result<(SavedBooks, Option<PathBuf>), OpenError> {
        Self::verify(backup)?;
        let _lock = FileLock::acquire(path)?;
        let failed = |error| OpenError::Io { path: path.to_owned(), error };
        let copy = with_suffix(path, ".restoring");
        match fs::remove_file(&copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        Self::backup(backup, &copy)?;
        File::open(&copy).and_then(|copy| copy.sync_all()).map_err(failed)?;
        let aside = put_aside(path).map_err(failed)?;
        fs::rename(&copy, path).and_then(|()| sync_directory(path)).map_err(failed)?;
        Ok((Self::verify(path)?, aside))
    }
}

/// Gives the store another name, and its log too: SQLite would take it for the log of the new file, and write pages of
/// the one into the other. The store goes first: if the process ends in between, it is missing, and no node starts.
fn put_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    let free = |number| {
        let name = with_suffix(path, &format!(".before-restore-{number}"));
        (!name.exists()).then_some(name)
    };
    let aside = (1..=PUT_ASIDE_MAX).find_map(free).ok_or(io::ErrorKind::AlreadyExists)?;
    let was_there = rename_if_there(path, &aside)?;
    for suffix in COMPANIONS {
        rename_if_there(&with_suffix(path, suffix), &with_suffix(&aside, suffix))?;
    }
    sync_directory(path)?;
    Ok(was_there.then_some(aside))
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes new names in the directory of a file durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

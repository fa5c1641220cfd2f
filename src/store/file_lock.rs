//! The lock beside a store: one process at a time, and a note of which books the file holds.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::ownership::{adopt_owner, directory_of};
use super::paths::{follow_links, with_suffix};

/// Held as long as the store is open. The file stays: it shows later that the store held books.
#[derive(Debug)]
pub(super) struct FileLock {
    file: File,
    path: PathBuf,
    /// The books that the store held when it was last open.
    books_id: Option<String>,
}

impl FileLock {
    /// The lock of a store: `<store>.lock`, the same under each name of the store.
    pub(super) fn path_of(store: &Path) -> PathBuf {
        with_suffix(&follow_links(store), ".lock")
    }

    /// Takes the lock.
    pub(super) fn acquire(store: &Path) -> Result<Self, OpenError> {
        let path = Self::path_of(store);
        let failed = |error| OpenError::Io { path: path.clone(), error };
        let is_new = !path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        if is_new {
            let like = if store.exists() { store } else { directory_of(&path) };
            adopt_owner(&path, like).map_err(failed)?;
        }
        let mut text = String::new();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // What another process is writing may be unreadable; the message goes without it then.
                let _ = file.read_to_string(&mut text);
                let holder = text.lines().next().unwrap_or("?").to_owned();
                return Err(OpenError::Locked { path: store.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.read_to_string(&mut text).map_err(failed)?;
        let books_id = text.lines().nth(1).map(str::to_owned);
        Ok(Self { file, path, books_id })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The books that the store held when it was last open.
    pub(super) fn last_books_id(&self) -> Option<&str> {
        self.books_id.as_deref()
    }

    /// Notes this process and the books that the store holds.
    pub(super) fn write_holder(&mut self, books_id: &str) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        writeln!(self.file, "{}\n{books_id}", std::process::id())?;
        self.file.sync_all()
    }
}

impl Drop for FileLock {
    /// Closing the file is not enough: a process that another thread is just starting has a copy of it for a moment.
    fn drop(&mut self) {
        // If this fails, closing gives the lock back a little later.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_although_a_copy_of_its_file_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("a.db");
        let lock = FileLock::acquire(&store).unwrap();
        let _copy = lock.file.try_clone().unwrap();
        assert!(matches!(FileLock::acquire(&store), Err(OpenError::Locked { .. })));
        drop(lock);
        FileLock::acquire(&store).unwrap();
    }
}

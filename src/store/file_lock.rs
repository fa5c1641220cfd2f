//! The lock beside a store: one process at a time, and a note of which books the file holds.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::ownership::{adopt_owner, directory_of, without_links};
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
        let mut options = without_links();
        let options = options.read(true).write(true);
        let mut file = match options.clone().create_new(true).open(&path) {
            Ok(made) => {
                let like = fs::symlink_metadata(follow_links(store))
                    .or_else(|_| fs::metadata(directory_of(&path)));
                like.and_then(|like| adopt_owner(&made, &like)).map_err(failed)?;
                made
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                options.open(&path).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
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

    /// Whose the store is if there is no file.
    pub(super) fn metadata(&self) -> io::Result<fs::Metadata> {
        self.file.metadata()
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

//! The lock beside a store: one process at a time, and a note of which books the file holds.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::ownership::{adopt_owner, is_named, without_links};
use super::paths::{follow_links, with_suffix};
use crate::net::directory_of;

/// A process whose start fails may remove the file that another one has just opened; that one then begins again.
const ATTEMPTS_MAX: u32 = 10;

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
        Self::acquire_and_give(store, |made| {
            let like = fs::symlink_metadata(follow_links(store))
                .or_else(|_| fs::metadata(directory_of(&path)));
            adopt_owner(made, &like?)
        })
    }

    /// Takes the lock, and gives a new file its owner.
    fn acquire_and_give(
        store: &Path,
        give: impl Fn(&File) -> io::Result<()>,
    ) -> Result<Self, OpenError> {
        let path = Self::path_of(store);
        let failed = |error| OpenError::Io { path: path.clone(), error };
        for _ in 0..ATTEMPTS_MAX {
            let Some((mut file, is_made)) = open_or_make(&path).map_err(failed)? else { continue };
            let locked = lock(&file, &path);
            if is_made {
                give_or_remove(&file, &path, matches!(locked, Ok(true)), &give).map_err(failed)?;
            }
            let mut text = String::new();
            match locked {
                Ok(true) => {
                    file.read_to_string(&mut text).map_err(failed)?;
                    let books_id = text.lines().nth(1).map(str::to_owned);
                    return Ok(Self { file, path, books_id });
                }
                Ok(false) => {}
                Err(TryLockError::WouldBlock) => {
                    // What another process is writing may be unreadable; the message goes without it then.
                    let _ = file.read_to_string(&mut text);
                    let holder = text.lines().next().unwrap_or("?").to_owned();
                    return Err(OpenError::Locked { path: store.to_owned(), holder });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Err(failed(io::Error::other("other processes make and remove it all the time")))
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

/// The file, and whether this process has made it. `None`: it was removed in between.
fn open_or_make(path: &Path) -> io::Result<Option<(File, bool)>> {
    let mut options = without_links();
    let options = options.read(true).write(true);
    match options.clone().create_new(true).open(path) {
        Ok(made) => return Ok(Some((made, true))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(open_found(options, path)?.map(|found| (found, false)))
}

/// `None`: there is no such file any more.
fn open_found(options: &fs::OpenOptions, path: &Path) -> io::Result<Option<File>> {
    match options.open(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives a new file its owner. One that cannot be given is removed, because it would stay that of this user; but only
/// if it `is_held` here: another process may have locked it meanwhile, and two could hold locks, one of a file without
/// a name.
fn give_or_remove(
    file: &File,
    path: &Path,
    is_held: bool,
    give: impl Fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    give(file).inspect_err(|_| {
        if is_held {
            // The first error says more.
            let _ = fs::remove_file(path);
        }
    })
}

/// Locks a file. `false`: it was removed before, so that this lock holds nothing.
fn lock(file: &File, path: &Path) -> Result<bool, TryLockError> {
    file.try_lock()?;
    match is_named(file, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        is_named => is_named.map_err(TryLockError::Error),
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

    #[test]
    fn a_lock_that_cannot_be_given_away_is_held_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("a.db");
        let opened = std::cell::Cell::new(None);
        let refused = FileLock::acquire_and_give(&store, |_| {
            // Another process finds the file.
            assert!(matches!(FileLock::acquire(&store), Err(OpenError::Locked { .. })));
            opened.set(open_or_make(&FileLock::path_of(&store)).unwrap());
            Err(io::Error::other("no"))
        });
        assert!(matches!(refused, Err(OpenError::Io { .. })), "{refused:?}");
        assert!(!FileLock::path_of(&store).exists());
        // A third one makes a file of its own, and the other one holds nothing.
        let _third = FileLock::acquire(&store).unwrap();
        let (opened, is_made) = opened.take().unwrap();
        assert!(!is_made);
        assert!(!lock(&opened, &FileLock::path_of(&store)).unwrap());
    }

    #[test]
    fn a_lock_is_neither_made_through_a_link_nor_without_its_directory() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |store: &Path| match FileLock::acquire(store) {
            Err(OpenError::Io { error, .. }) => error,
            other => panic!("{other:?}"),
        };
        let store = folder.path().join("missing/a.db");
        assert_eq!(refusal(&store).kind(), io::ErrorKind::NotFound);
        let store = folder.path().join("a.db");
        std::os::unix::fs::symlink("elsewhere", FileLock::path_of(&store)).unwrap();
        assert_eq!(refusal(&store).raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
        assert!(!folder.path().join("elsewhere").exists());
        let file = File::create(&store).unwrap();
        assert!(lock(&file, &store.join("below-a-file")).is_err());
    }

    /// A process whose start fails removes the file at any moment, also between two steps of another one.
    #[test]
    fn a_file_that_was_removed_in_between_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = without_links();
        let options = options.read(true).write(true);
        assert!(open_found(options, &folder.path().join("a.db.lock")).unwrap().is_none());
    }

    #[test]
    fn the_holder_of_a_file_that_another_process_has_made_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("a.db");
        let path = FileLock::path_of(&store);
        // Made here, and locked by another process before it could be locked here.
        let (made, is_made) = open_or_make(&path).unwrap().unwrap();
        let (held, _) = open_or_make(&path).unwrap().unwrap();
        assert!(is_made && lock(&held, &path).unwrap());
        let is_held = matches!(lock(&made, &path), Ok(true));
        let refuse = |_: &File| Err(io::Error::other("no"));
        assert!(give_or_remove(&made, &path, is_held, refuse).is_err());
        assert!(is_named(&held, &path).unwrap());
        assert!(matches!(FileLock::acquire(&store), Err(OpenError::Locked { .. })));
        fs::remove_file(&path).unwrap();
        assert!(!lock(&held, &path).unwrap(), "the file has no name");
    }
}

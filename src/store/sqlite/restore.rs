//! Puts a backup in the place of a store. What was there stays beside it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::SqliteStore;
use crate::books::SavedBooks;
use crate::net::sync_directory;
use crate::store::error::OpenError;
use crate::store::file_lock::FileLock;
use crate::store::identity::StoreIdentity;
use crate::store::ownership::{adopt_owner, check_link, explain};
use crate::store::paths::{follow_links, with_suffix};

/// What SQLite keeps beside a file: the log, and the index of the log.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];
/// Stores that earlier restores have put aside, at most.
const PUT_ASIDE_MAX: u32 = 1_000;

impl SqliteStore {
    /// Puts a copy of `backup` in the place of the store of a node that does not run, with the same owner and
    /// permissions. Returns the books that are in force then, and the new name of the file that was there.
    ///
    /// # Errors
    /// [`OpenError`]: the backup is not a whole store of this node, a node runs with the store, or a file cannot be
    /// written.
    pub fn restore(
        path: &Path,
        backup: &Path,
        identity: &StoreIdentity,
    ) -> Result<(SavedBooks, Option<PathBuf>), OpenError> {
        let failed = |error| OpenError::Io { path: path.to_owned(), error };
        let restored = check_link(path)
            .map_err(failed)
            .and_then(|()| Self::restore_allowed(&follow_links(path), backup, identity));
        restored.map_err(|error| explain(error, path, Access::WRITE_OK | Access::READ_OK))
    }

    fn restore_allowed(
        path: &Path,
        backup: &Path,
        identity: &StoreIdentity,
    ) -> Result<(SavedBooks, Option<PathBuf>), OpenError> {
        let books = Self::verify(backup, identity)?;
        let mut lock = FileLock::acquire(path)?;
        let failed = |error| OpenError::Io { path: path.to_owned(), error };
        let copy = with_suffix(path, ".restoring");
        match fs::remove_file(&copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let made = Self::copy_to_new(backup, &copy)?;
        take_rights(&made, path, &lock).map_err(failed)?;
        // If the process ends in between, no node takes the missing file for a new one.
        lock.write_holder(&books.books_id).map_err(failed)?;
        let aside = put_aside(path).map_err(failed)?;
        fs::rename(&copy, path).and_then(|()| sync_directory(path)).map_err(failed)?;
        Ok((Self::verify(path, identity)?, aside))
    }
}

/// Gives the new file the owner and the permissions of the one that it replaces. If there is none, the lock shows whose
/// the store is.
fn take_rights(new: &File, store: &Path, lock: &FileLock) -> io::Result<()> {
    match fs::symlink_metadata(store) {
        Ok(replaced) => {
            adopt_owner(new, &replaced)?;
            new.set_permissions(Permissions::from_mode(replaced.mode() & 0o777))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            adopt_owner(new, &lock.metadata()?)
        }
        Err(error) => Err(error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_file_is_taken_for_one_that_was_never_there() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["file", "other"].map(|name| folder.path().join(name));
        let opened = File::create(&file).unwrap();
        assert!(!rename_if_there(&other, &file).unwrap());
        rename_if_there(&file.join("below-a-file"), &other).unwrap_err();
        let lock = FileLock::acquire(&folder.path().join("n.db")).unwrap();
        take_rights(&opened, &other, &lock).unwrap();
        take_rights(&opened, &file.join("below-a-file"), &lock).unwrap_err();
    }
}

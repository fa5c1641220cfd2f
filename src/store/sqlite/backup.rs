//! Copies a store to a new file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::read_only::connect_without_links;
use super::{SqliteStore, StoreFault};
use crate::net::{directory_of, sync_directory};
use crate::store::OpenError;
use crate::store::identity::StoreIdentity;
use crate::store::ownership::is_named;

/// The permissions of a new file: other users must not read balances.
const PRIVATE: u32 = 0o600;

impl SqliteStore {
    /// Copies the store to a new file, also while it is in use. Only the user of this process may read the copy. A copy
    /// that fails leaves no file.
    ///
    /// # Errors
    /// [`OpenError`]: the store is not ours or damaged, or the new file exists or cannot be written.
    pub fn backup(path: &Path, target: &Path) -> Result<(), OpenError> {
        Self::copy_to_new(path, target).map(drop)
    }

    /// The same. Returns the new file.
    pub(super) fn copy_to_new(path: &Path, target: &Path) -> Result<File, OpenError> {
        Self::read(path)?;
        let failed = |error| OpenError::Io { path: target.to_owned(), error };
        // SQLite writes to an empty file too. This way, nothing that another program has made is removed below.
        let new = File::options().write(true).create_new(true).mode(PRIVATE).open(target);
        let new = new.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenError::Exists { path: target.to_owned() },
            _ => failed(error),
        })?;
        let copied = copy(path, target)
            .map_err(|fault| match &fault {
                // A new file is not damaged.
                StoreFault::Damaged(_) => fault.into_open_error(path),
                _ => fault.into_open_error(target),
            })
            .and_then(|()| new.sync_all().and_then(|()| sync_directory(target)).map_err(failed))
            .and_then(|()| Self::verify(target, &StoreIdentity { node: None }))
            .and_then(|_| match is_named(&new, target) {
                Ok(true) => Ok(()),
                // Another user has put something in its place.
                Ok(false) => Err(failed(io::ErrorKind::PermissionDenied.into())),
                Err(error) => Err(failed(error)),
            });
        if copied.is_err() {
            // The first error says more than one of this could.
            let _ = fs::remove_file(target);
        }
        copied.map(|()| new)
    }
}

/// Follows no link at the name of the target: another user may put one there at any moment.
fn copy(path: &Path, target: &Path) -> Result<(), StoreFault> {
    let failed = |error| StoreFault::open(OpenError::Io { path: target.to_owned(), error });
    let name = target.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()));
    let real = fs::canonicalize(directory_of(target)).map_err(failed)?.join(name?);
    let real = real.to_str().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
    connect_without_links(path)?.connection.execute("VACUUM INTO ?1", [real])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_not_written_through_a_link_that_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let [store, foreign, target] =
            ["a.db", "foreign", "copy.db"].map(|name| folder.path().join(name));
        let connection = rusqlite::Connection::open(&store).unwrap();
        connection.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
        copy(&store, &target).unwrap();
        fs::remove_file(&target).unwrap();
        std::os::unix::fs::symlink(&foreign, &target).unwrap();
        assert!(copy(&store, &target).is_err());
        assert!(!foreign.exists());
    }
}

//! Copies a store to a new file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::read_only::connect_read_only;
use super::{SqliteStore, StoreFault};
use crate::store::OpenError;
use crate::store::identity::StoreIdentity;
use crate::store::ownership::{directory_of, is_named};

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
        let Some(name) = target.to_str() else {
            return Err(failed(io::ErrorKind::InvalidFilename.into()));
        };
        // SQLite writes to an empty file too. This way, nothing that another program has made is removed below.
        let new = File::options().write(true).create_new(true).mode(PRIVATE).open(target);
        let new = new.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenError::Exists { path: target.to_owned() },
            _ => failed(error),
        })?;
        let copied = copy(path, name)
            .map_err(|fault| match &fault {
                // A new file is not damaged.
                StoreFault::Damaged(_) => fault.into_open_error(path),
                _ => fault.into_open_error(target),
            })
            .and_then(|()| sync(target).map_err(failed))
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

fn copy(path: &Path, target: &str) -> Result<(), StoreFault> {
    connect_read_only(path)?.connection.execute("VACUUM INTO ?1", [target])?;
    Ok(())
}

fn sync(file: &Path) -> io::Result<()> {
    File::open(file)?.sync_all()?;
    sync_directory(file)
}

/// Makes new names in the directory of a file durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

//! Who may use the files of a store: what root makes belongs to the user of the node, and a refusal names both users.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::error::OpenError;
use super::file_lock::FileLock;
use super::paths::{follow_links, with_suffix};

/// Gives a new file the owner and the group of another one. A process that may not do so leaves it as it is: only root
/// makes files for other users.
pub(super) fn adopt_owner(file: &Path, like: &Path) -> io::Result<()> {
    let (own, like) = (fs::metadata(file)?, fs::metadata(like)?);
    if (own.uid(), own.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    match chown(file, Some(like.uid()), Some(like.gid())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// The directory of a file.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// An error of the system or of SQLite that may come from the rights of this process, with the file that it may not
/// `use_as`, if that is so.
pub(super) fn explain(error: OpenError, store: &Path, use_as: Access) -> OpenError {
    let may_be_rights = match &error {
        OpenError::Io { error, .. } => error.kind() == io::ErrorKind::PermissionDenied,
        OpenError::Sqlite { error, .. } => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied)
        ),
        _ => false,
    };
    let refused = may_be_rights.then(|| first_refused(&follow_links(store), use_as)).flatten();
    refused.unwrap_or(error)
}

/// The first file of a store, with its directory, that this process may not use like this.
fn first_refused(store: &Path, use_as: Access) -> Option<OpenError> {
    let beside = ["-wal", "-shm"].map(|suffix| with_suffix(store, suffix));
    let files = [store.to_owned(), FileLock::path_of(store)].into_iter().chain(beside);
    let files = files.map(|file| (file, use_as));
    let directory = (directory_of(store).to_owned(), use_as | Access::EXEC_OK);
    [directory].into_iter().chain(files).find_map(|(path, use_as)| refused(path, use_as))
}

fn refused(path: PathBuf, use_as: Access) -> Option<OpenError> {
    if access(&path, use_as) != Err(Errno::ACCESS) {
        return None;
    }
    let user = rustix::process::geteuid().as_raw();
    // If this fails, a directory above it is closed.
    let found = fs::metadata(&path).ok()?;
    let action = if use_as.contains(Access::WRITE_OK) { "write" } else { "read" };
    Some(OpenError::NotAllowed {
        path,
        action,
        owner: found.uid(),
        mode: found.mode() & 0o777,
        user,
    })
}

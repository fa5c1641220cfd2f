//! Who may use the files of a store: what root makes belongs to the user of the node, and a refusal names both users.
//!
//! The directory may belong to the user of the node, whom root must not trust: so root gives away only files that it
//! has open because it made them, and follows no link of that user.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rustix::fs::{Access, OFlags, access};
use rustix::io::Errno;

use super::error::OpenError;
use super::file_lock::FileLock;
use super::paths::{follow_links, with_suffix};
use crate::net::directory_of;

/// Gives a file that this process has made the owner and the group of another one. A process that may not do so leaves
/// it as it is: only root makes files for other users.
pub(super) fn adopt_owner(made: &File, like: &Metadata) -> io::Result<()> {
    let own = made.metadata()?;
    if (own.uid(), own.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    match fchown(made, Some(like.uid()), Some(like.gid())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Options that open the file itself: a link in its place is an error.
pub(super) fn without_links() -> OpenOptions {
    let mut options = File::options();
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Whether a name still leads to a file that this process has open.
pub(super) fn is_named(open: &File, name: &Path) -> io::Result<bool> {
    let (open, named) = (open.metadata()?, fs::symlink_metadata(name)?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// Refuses a link that another user has made: what it leads to is perhaps not a store at all.
pub(super) fn check_link(path: &Path) -> io::Result<()> {
    let owner = match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => found.uid(),
        _ => return Ok(()),
    };
    match owner == 0 || owner == rustix::process::geteuid().as_raw() {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("it is a link of user {owner}; name the file that it leads to"),
        )),
    }
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

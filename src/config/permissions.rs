//! Who else may read or write a file that holds secrets.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// `everybody may write` and the like; `None`: nobody but the owner and the group, or the file cannot be looked at.
pub(super) fn who_else(path: &Path) -> Option<&'static str> {
    match mode(path)? & 0o007 {
        bits if bits & 0o002 != 0 => Some("all users of this machine may write (mode others: w)"),
        bits if bits & 0o004 != 0 => Some("all users of this machine may read (mode others: r)"),
        _ => None,
    }
}

/// Whether everybody may write a file.
pub(super) fn is_writable_by_all(path: &Path) -> bool {
    mode(path).is_some_and(|mode| mode & 0o002 != 0)
}

fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|found| found.permissions().mode())
}

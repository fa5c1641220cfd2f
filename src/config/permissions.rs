//! Which other users may read or write a file with secrets.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// `write` or `read`: what all users may do with the file. `None`: neither, or the file cannot be inspected.
pub fn access_of_others(path: &Path) -> Option<&'static str> {
    match mode(path)? & 0o007 {
        bits if bits & 0o002 != 0 => Some("write"),
        bits if bits & 0o004 != 0 => Some("read"),
        _ => None,
    }
}

/// Whether all users may write a file.
pub fn is_writable_by_all(path: &Path) -> bool {
    mode(path).is_some_and(|mode| mode & 0o002 != 0)
}

fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|found| found.permissions().mode())
}

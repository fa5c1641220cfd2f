//! Which other users may read or write a file with secrets.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What takes this access away.
pub const CLOSE_TO_OTHERS: &str = "remove this permission: chmod o-rwx";

/// `write` or `read`: what all users may do with the file. `None`: neither, or the file cannot be inspected.
pub fn access_of_others(path: &Path) -> Option<&'static str> {
    let access = match mode(path)? & 0o007 {
        bits if bits & 0o002 != 0 => "write",
        bits if bits & 0o004 != 0 => "read",
        _ => return None,
    };
    is_reachable_by_all(path).then_some(access)
}

/// Whether all users may write a file.
pub fn is_writable_by_all(path: &Path) -> bool {
    access_of_others(path) == Some("write")
}

/// Whether all users may pass through the directories above a file.
fn is_reachable_by_all(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let mut directories = path.ancestors().skip(1);
    directories.all(|directory| mode(directory).is_some_and(|mode| mode & 0o001 != 0))
}

fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|found| found.permissions().mode())
}

//! Reads a store without changing it: while its node runs, after it has stopped, and where nothing may be written.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{BUSY_TIMEOUT, StoreFault};
use crate::store::OpenError;
use crate::store::file_lock::FileLock;
use crate::store::paths::{follow_links, log_of};

/// A connection that cannot write.
pub(super) struct ReadOnly {
    pub(super) connection: Connection,
    /// Keeps a node from starting while the file is read without SQLite's own locks.
    _lock: Option<File>,
}

/// Opens a file for reading. SQLite needs its files `-wal` and `-shm` for that, and creates them. If it cannot, because
/// the directory is read-only, the file is read as one that nobody changes, provided that no process has the store
/// open and no cut is outside of the file.
pub(super) fn connect_read_only(path: &Path) -> Result<ReadOnly, StoreFault> {
    connect(path, OpenFlags::empty())
}

/// The same. What the connection opens besides, such as the target of a copy, must not be behind a link.
pub(super) fn connect_without_links(path: &Path) -> Result<ReadOnly, StoreFault> {
    connect(&follow_links(path), OpenFlags::SQLITE_OPEN_NOFOLLOW)
}

fn connect(path: &Path, more: OpenFlags) -> Result<ReadOnly, StoreFault> {
    fs::metadata(path).map_err(|error| {
        let path = path.to_owned();
        StoreFault::open(match error.kind() {
            io::ErrorKind::NotFound => OpenError::Missing { path },
            _ => OpenError::Io { path, error },
        })
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The first read opens the other files.
    match connection.pragma_query_value(None, "schema_version", |row| row.get::<_, u32>(0)) {
        Err(error) if is_unwritable(&error) => {
            let Some(lock) = lock_unused(path) else { return Err(error.into()) };
            let connection = Connection::open_with_flags(
                immutable_uri(path),
                flags | OpenFlags::SQLITE_OPEN_URI,
            )?;
            Ok(ReadOnly { connection, _lock: lock.0 })
        }
        _ => Ok(ReadOnly { connection, _lock: None }),
    }
}

fn is_unwritable(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
}

/// The lock of a store that no process uses; without a lock file, no process ever did.
struct UnusedStore(Option<File>);

/// `None`: a process uses the store, or its newest cuts are in the log beside it.
fn lock_unused(path: &Path) -> Option<UnusedStore> {
    let log = fs::metadata(log_of(path));
    if log.is_ok_and(|metadata| metadata.len() > 0) {
        return None;
    }
    let lock = FileLock::path_of(path);
    if !lock.exists() {
        return Some(UnusedStore(None));
    }
    let lock = File::open(lock).ok()?;
    lock.try_lock_shared().ok()?;
    Some(UnusedStore(Some(lock)))
}

/// The file as SQLite's URI for a file that does not change.
fn immutable_uri(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = "file://".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri + "?immutable=1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_is_a_uri() {
        let uri = immutable_uri(Path::new("/a b/ü?#%.db"));
        assert_eq!(uri, "file:///a%20b/%c3%bc%3f%23%25.db?immutable=1");
    }

    /// Only a file that no program changes may be read without SQLite's locks.
    #[test]
    fn a_file_that_another_program_has_locked_is_not_read_around_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE t (x); BEGIN EXCLUSIVE").unwrap();
        let reader = connect_read_only(&path).unwrap().connection;
        reader.busy_timeout(std::time::Duration::ZERO).unwrap();
        let read = reader.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, u32>(0));
        let code = read.unwrap_err().sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::DatabaseBusy));
    }
}

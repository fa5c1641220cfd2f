//! Why a store cannot be opened or written.

use std::io;
use std::path::PathBuf;

use super::lease::BooksHolder;
use super::postgres::PostgresError;
use crate::books::UnbalancedRow;

/// What helps if a file has lost its books.
const RESTORE: &str = "put a backup in its place with `ilp-connector ledger restore`";

/// Why a node does not start with its store. Nothing in the store has changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is missing.
    #[error(
        "the directory of the store {} does not exist; create it for the user of the process, or name another \
         store (`store`, STORE)", path.display()
    )]
    NoDirectory {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to read.
    #[error("there is no store {}; check the path, or start the node once", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The new file of a backup is there.
    #[error("{} exists already; name a new file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file, its lock, or a copy of it cannot be opened or written.
    #[error("cannot use the file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The file, its directory, its lock or its log belongs to another user.
    #[error(
        "this process may not {action} {}: it belongs to user {owner} with mode {mode:03o}, and this is user {user}; run a \
         command as root or as user {owner}; to give the file to a node, as root: chown {user} {}",
        path.display(), path.display()
    )]
    NotAllowed {
        /// The file.
        path: PathBuf,
        /// `read` or `write`.
        action: &'static str,
        /// Whose it is.
        owner: u32,
        /// Its permissions.
        mode: u32,
        /// The user of this process.
        user: u32,
    },
    /// Another process has it open.
    #[error(
        "the store {} is in use by process {holder}, perhaps one in a container; stop that node or container first: a \
         store belongs to one node, and a node runs once", path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// The process, as far as its lock file says.
        holder: String,
    },
    /// The file was made by another program.
    #[error(
        "{} is not a store of ilp-connector, or was copied without its log (-wal), as `ledger backup` does not; choose \
         another file", path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error(
        "the store {} has version {found}, and this program knows versions up to {known}; use the newer program", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// It belongs to another node.
    #[error("the store {} belongs to the node {found}, not to {wanted}; each node has a store of its own", path.display())]
    OtherNode {
        /// The file.
        path: PathBuf,
        /// The node that it belongs to.
        found: String,
        /// This node.
        wanted: String,
    },
    /// SQLite cannot read it, or its check fails.
    #[error("the store {} is damaged ({detail}); {RESTORE}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// Its file system lacks what several readers and one writer need.
    #[error(
        "the store {} is on a file system where SQLite has no write-ahead log, only '{mode}'; put it on a local disk",
        path.display()
    )]
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
        /// What SQLite offers instead.
        mode: String,
    },
    /// The file is gone or empty, but its lock file shows that there were books.
    #[error(
        "the store {} is {}, but it held the books {books_id}; put the file back, or {RESTORE}. To begin with empty \
         books, remove {}",
        path.display(), if *is_missing { "missing" } else { "empty" }, lock.display()
    )]
    Emptied {
        /// The file.
        path: PathBuf,
        /// Whether there is no file.
        is_missing: bool,
        /// The lock file.
        lock: PathBuf,
        /// The books that it held.
        books_id: String,
    },
    /// A row breaks the rule of the books.
    #[error("the store {} is inconsistent; {RESTORE}", path.display())]
    Unbalanced {
        /// The file.
        path: PathBuf,
        /// The row.
        #[source]
        row: Box<UnbalancedRow>,
    },
    /// SQLite cannot do something else.
    #[error("cannot use the store {}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: rusqlite::Error,
    },
    /// A database cannot be used.
    #[error("cannot use the store {database}")]
    Postgres {
        /// Its URL, without the password.
        database: String,
        /// Why.
        #[source]
        error: Box<PostgresError>,
    },
    /// A database has tools of its own for this.
    #[error("the store {database} is a database of PostgreSQL; use {tool}, see docs/OPERATIONS.md")]
    NotAFile {
        /// Its URL, without the password.
        database: String,
        /// The program.
        tool: &'static str,
    },
}

impl OpenError {
    /// Whether another process uses the books.
    pub fn is_in_use(&self) -> bool {
        match self {
            Self::Locked { .. } => true,
            Self::Postgres { error, .. } => matches!(**error, PostgresError::Held(_)),
            _ => false,
        }
    }

    /// The process that has the books, if they are in a database: they may be free later.
    pub fn holder(&self) -> Option<BooksHolder> {
        match self {
            Self::Postgres { error, .. } => match &**error {
                PostgresError::Held(holder) => Some(holder.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the database may work again by itself: it cannot be reached, or does not answer.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Postgres { error, .. } => matches!(
                **error,
                PostgresError::Connect(_)
                    | PostgresError::Statement(_)
                    | PostgresError::Closed
                    | PostgresError::Timeout(_)
                    | PostgresError::ReadOnlyServer
            ),
            _ => false,
        }
    }
}

/// Why a cut was not saved. It may be durable nevertheless, so the next one repeats its rows.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// SQLite could not commit.
    #[error("cannot write the store")]
    Sqlite(#[from] rusqlite::Error),
    /// The file was moved, deleted or replaced by another while it was in use.
    #[error("the store is not the file that was opened: {0}")]
    Replaced(String),
    /// SQLite cannot read it any more.
    #[error("the store is damaged ({0})")]
    Damaged(String),
    /// It cannot be opened again.
    #[error(transparent)]
    Open(Box<OpenError>),
    /// The database could not save it.
    #[error("cannot write the store")]
    Postgres(#[source] Box<PostgresError>),
    /// Another process has taken the books, for good: nothing can be written any more.
    #[error("{holder} has taken the books; stop this process")]
    LeaseLost {
        /// The other process.
        holder: String,
    },
    /// The thread of the store has ended.
    #[error("the thread of the store has ended")]
    NoThread,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A standby waits for the holder, and for a database that may come back; nothing else ends by itself.
    #[test]
    fn a_process_waits_only_for_what_ends_by_itself() {
        let of_database = |error| OpenError::Postgres {
            database: "postgres://db/books".to_owned(),
            error: Box::new(error),
        };
        let holder = BooksHolder { process: "process 7 on a".to_owned(), until: "?".to_owned() };
        let path = PathBuf::from("n.db");
        let locked = OpenError::Locked { path: path.clone(), holder: "7".to_owned() };
        for (error, is_in_use, is_held, is_temporary) in [
            (locked, true, false, false),
            (OpenError::Foreign { path }, false, false, false),
            (of_database(PostgresError::Held(holder.clone())), true, true, false),
            (of_database(PostgresError::Foreign), false, false, false),
            (of_database(PostgresError::Closed), false, false, true),
            (of_database(PostgresError::Timeout(Duration::from_secs(5))), false, false, true),
            (of_database(PostgresError::ReadOnlyServer), false, false, true),
        ] {
            assert_eq!(error.is_in_use(), is_in_use, "{error:?}");
            assert_eq!(error.holder(), is_held.then(|| holder.clone()), "{error:?}");
            assert_eq!(error.is_temporary(), is_temporary, "{error:?}");
        }
    }
}

//! Why a store cannot be opened or written.

use std::io;
use std::path::PathBuf;

use crate::books::UnbalancedRow;

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
    /// The file, or its lock, cannot be opened.
    #[error("cannot open the store {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Another process has it open.
    #[error(
        "the store {} is in use by process {holder}; a store belongs to one node, and a node runs once", path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// The process, as far as its lock file says.
        holder: String,
    },
    /// The file was made by another program.
    #[error("{} is not a store of ilp-connector; choose another file", path.display())]
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
    #[error("the store {} is damaged ({detail}); restore a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// The file is gone or empty, but its lock file shows that there were books.
    #[error(
        "the store {} is empty, but it held the books {books_id}; restore the file or a backup. To begin with empty books, remove {}",
        path.display(), lock.display()
    )]
    Emptied {
        /// The file.
        path: PathBuf,
        /// The lock file.
        lock: PathBuf,
        /// The books that it held.
        books_id: String,
    },
    /// A row breaks the rule of the books.
    #[error("the store {} is inconsistent; restore a backup", path.display())]
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
}

/// Why a cut was not saved. It may be durable nevertheless, so the next one repeats its rows.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// SQLite could not commit.
    #[error("cannot write the store")]
    Sqlite(#[from] rusqlite::Error),
    /// The file was replaced by another while it was in use.
    #[error("the store is not the file that was opened: {0}")]
    Replaced(String),
    /// The thread of the store has ended.
    #[error("the thread of the store has ended")]
    NoThread,
}

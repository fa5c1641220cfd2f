//! Why the books in a database cannot be used.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::books::UnbalancedRow;
use crate::net::TlsError;
use crate::store::{BooksHolder, WriteError};

/// What is wrong with a database, or with the books in it. No message contains the password.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The thread has no runtime.
    #[error("cannot start the client of the database")]
    Runtime(#[source] io::Error),
    /// A certificate for `sslmode` cannot be used.
    #[error("cannot use TLS with the database")]
    Tls(#[from] TlsError),
    /// The file with the password cannot be used.
    #[error("cannot use the file with the password, {}", path.display())]
    PasswordFile {
        /// The file that `passfile` names.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// No connection, or no login.
    #[error(
        "cannot connect to the database; check that its server runs, and `store` with user, password and sslmode"
    )]
    Connect(#[source] tokio_postgres::Error),
    /// A statement failed.
    #[error("the database failed")]
    Statement(#[from] tokio_postgres::Error),
    /// The connection has ended.
    #[error("the connection to the database has ended")]
    Closed,
    /// The server does not answer.
    #[error("the database has not answered for {0:?}")]
    Timeout(Duration),
    /// A server that only follows another one.
    #[error(
        "the database is read-only: its server follows another one; name the server that is written to"
    )]
    ReadOnlyServer,
    /// Texts could not be saved.
    #[error("the database has the encoding {0}; create one with ENCODING 'UTF8'")]
    Encoding(String),
    /// The schema has tables of another program.
    #[error("its schema ilp_connector was not made by ilp-connector; choose another database")]
    Foreign,
    /// A newer version wrote it.
    #[error(
        "its books have version {found}, and this program knows versions up to {known}; use the newer program"
    )]
    Newer {
        /// Their version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// It was never used by a node.
    #[error("it has no books{0}")]
    NoBooks(String),
    /// The books of several nodes, and none was named.
    #[error(
        "it has the books of several nodes ({0}); name one: --config FILE, and --node ID for a topology file"
    )]
    SeveralNodes(String),
    /// Another process holds the lease.
    #[error(
        "its books are in use by {}, whose lease ends at {} UTC unless it is renewed; a node runs once",
        .0.process, .0.until
    )]
    Held(BooksHolder),
    /// Another process has taken the books.
    #[error("{0} has taken the books; this process must not write them any more")]
    LeaseLost(String),
    /// A value or a table is not what this program has written.
    #[error("the books are damaged ({0}); restore a backup")]
    Damaged(String),
    /// A row breaks the rule of the books.
    #[error("the books are inconsistent; restore a backup")]
    Unbalanced(#[source] Box<UnbalancedRow>),
}

impl PostgresError {
    /// The error of a statement that reads what this program has written.
    pub(super) fn of_reading(error: tokio_postgres::Error) -> Self {
        let damage = [
            SqlState::UNDEFINED_TABLE,
            SqlState::UNDEFINED_COLUMN,
            SqlState::DATA_CORRUPTED,
            SqlState::INDEX_CORRUPTED,
        ];
        match error.as_db_error() {
            Some(found) if damage.contains(found.code()) => {
                Self::Damaged(found.message().to_owned())
            }
            _ => Self::Statement(error),
        }
    }
}

impl From<PostgresError> for WriteError {
    fn from(error: PostgresError) -> Self {
        match error {
            PostgresError::LeaseLost(holder) => Self::LeaseLost { holder },
            error => Self::Postgres(Box::new(error)),
        }
    }
}

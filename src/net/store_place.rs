//! Where the books of a node are kept.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::postgres_url::{PostgresUrl, PostgresUrlError};

/// A file, or a database of a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// An SQLite file.
    File(PathBuf),
    /// A database that nodes may share.
    Postgres(PostgresUrl),
}

impl FromStr for StorePlace {
    type Err = PostgresUrlError;

    /// A URL of any kind is meant as one of PostgreSQL, also with a slash too few: as the path of a file, its password
    /// would be shown. All else is the path of a file.
    fn from_str(text: &str) -> Result<Self, PostgresUrlError> {
        let (scheme, _) = text.split_once(':').unwrap_or_default();
        let is_database =
            ["postgres", "postgresql"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
        match is_database || text.contains("://") {
            true => text.parse().map(Self::Postgres),
            false => Ok(Self::from(PathBuf::from(text))),
        }
    }
}

impl From<PathBuf> for StorePlace {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// Without the password.
impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_database_and_all_else_a_file() {
        let place = |text: &str| text.parse::<StorePlace>().map(|place| place.to_string());
        assert_eq!(place("books/"), Ok("books/".to_owned()));
        assert_eq!(place("/x/b.db"), Ok("/x/b.db".to_owned()));
        assert_eq!(place("postgres://u:p@h/d"), Ok("postgres://u@h:5432/d".to_owned()));
        assert_eq!(place("postgres/x:1.db"), Ok("postgres/x:1.db".to_owned()));
        assert_eq!(place("Postgres:/u:p@h/d"), Err(PostgresUrlError::Scheme));
        assert_eq!(place("redis://h"), Err(PostgresUrlError::Scheme));
    }
}

//! The URL of a PostgreSQL database:
//! `postgres://user[:password]@host[:port][/database][?sslmode=..&sslrootcert=..&passfile=..]`.
//!
//! The words of `sslmode` are those of libpq. A host that begins with `/` is the directory of a Unix socket; it is
//! percent-encoded, or stands in the parameter `host`. Neither `Display` nor `Debug` shows the password, and no error
//! repeats the text that failed to parse.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::Url;

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 8192;
/// The port of PostgreSQL.
const DEFAULT_PORT: u16 = 5432;

/// The database that a URL names, and the login there.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    user: String,
    password: Option<String>,
    /// A name, an address, or the directory of a Unix socket.
    host: String,
    port: u16,
    database: String,
    tls: PostgresTls,
    root_certificates: Option<PathBuf>,
    password_file: Option<PathBuf>,
}

/// How a connection is encrypted, and what is verified: the words of libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostgresTls {
    /// Never.
    Disable,
    /// If the server can; its certificate is not verified.
    Prefer,
    /// Always; the certificate is verified only if `sslrootcert` is set.
    Require,
    /// Always; a trusted authority has signed the certificate, for any host.
    VerifyCa,
    /// Always; a trusted authority has signed the certificate for this host.
    VerifyFull,
}

/// Why a text is no URL of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostgresUrlError {
    #[error("the scheme must be postgres:// or postgresql://")]
    Scheme,
    #[error("longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    #[error("contains a space or a control character")]
    Character,
    #[error("has no user: postgres://user:password@host/database")]
    NoUser,
    #[error("has no host")]
    NoHost,
    #[error("names several hosts; name one")]
    SeveralHosts,
    #[error("the port must be 1 to 65535")]
    Port,
    #[error("the name of the database contains a /")]
    Database,
    #[error(
        "its parameters may be sslmode, sslrootcert, passfile, and host for the directory of a socket"
    )]
    Parameter,
    #[error("sslmode must be disable, prefer, require, verify-ca or verify-full")]
    TlsMode,
    #[error("sslrootcert and passfile must be absolute paths of files")]
    RelativePath,
    #[error("has both a password and a passfile; remove one")]
    TwoPasswords,
    #[error("must not have a fragment; a # in the password is written %23")]
    Fragment,
    #[error("is not UTF-8 after percent-decoding, or contains a zero byte")]
    Encoding,
    #[error(
        "not a valid URL; in the password, write %40 for @, %2F for /, %3A for :, %3F for ?, %23 for # and %25 for %"
    )]
    Invalid,
}

impl FromStr for PostgresUrl {
    type Err = PostgresUrlError;

    fn from_str(text: &str) -> Result<Self, PostgresUrlError> {
        use PostgresUrlError as Error;
        if text.len() > URL_BYTES_MAX {
            return Err(Error::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Error::Character);
        }
        if !Self::is_meant(text) {
            return Err(Error::Scheme);
        }
        let behind_user = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
        let hosts = behind_user.split(['/', '?']).next().unwrap_or_default();
        let url = Url::parse(text).map_err(|error| match error {
            _ if hosts.contains(',') => Error::SeveralHosts,
            url::ParseError::EmptyHost => Error::NoHost,
            url::ParseError::InvalidPort => Error::Port,
            _ => Error::Invalid,
        })?;
        if url.fragment().is_some() {
            return Err(Error::Fragment);
        }
        let user = decoded(url.username())?;
        if user.is_empty() {
            return Err(Error::NoUser);
        }
        let password = url.password().map(decoded).transpose()?;
        let host = url.host_str().unwrap_or("");
        let mut host = decoded(host.trim_start_matches('[').trim_end_matches(']'))?;
        let database = decoded(url.path().trim_start_matches('/'))?;
        let absolute = |path: &str| match path.starts_with('/') {
            true => Ok(Some(PathBuf::from(path))),
            false => Err(Error::RelativePath),
        };
        let (mut tls, mut root_certificates, mut password_file) = (PostgresTls::Prefer, None, None);
        for (name, value) in url.query_pairs() {
            match &*name {
                "sslmode" => tls = value.parse()?,
                "sslrootcert" => root_certificates = absolute(&value)?,
                "passfile" => password_file = absolute(&value)?,
                "host" => host = value.into_owned(),
                _ => return Err(Error::Parameter),
            }
        }
        match () {
            () if host.is_empty() => return Err(Error::NoHost),
            () if host.contains(',') => return Err(Error::SeveralHosts),
            () if database.contains('/') => return Err(Error::Database),
            () if password.is_some() && password_file.is_some() => return Err(Error::TwoPasswords),
            () if host.contains('\0') => return Err(Error::Encoding),
            () => {}
        }
        let port = match url.port() {
            Some(0) => return Err(Error::Port),
            port => port.unwrap_or(DEFAULT_PORT),
        };
        // As libpq: the database of the user's name.
        let database = if database.is_empty() { user.clone() } else { database };
        Ok(Self { user, password, host, port, database, tls, root_certificates, password_file })
    }
}

fn decoded(text: &str) -> Result<String, PostgresUrlError> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| PostgresUrlError::Encoding)?;
    // No text of PostgreSQL can contain it.
    if decoded.contains('\0') {
        return Err(PostgresUrlError::Encoding);
    }
    Ok(decoded.into_owned())
}

impl FromStr for PostgresTls {
    type Err = PostgresUrlError;

    fn from_str(text: &str) -> Result<Self, PostgresUrlError> {
        Ok(match text {
            "disable" => Self::Disable,
            // `allow` would try without TLS first, which protects nothing.
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return Err(PostgresUrlError::TlsMode),
        })
    }
}

impl PostgresUrl {
    /// Whether a text is meant as such a URL.
    pub fn is_meant(text: &str) -> bool {
        ["postgres://", "postgresql://"].iter().any(|scheme| {
            text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
    }

    /// The user that logs in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password. Never print it.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The file that has the password instead, in the format of libpq.
    pub fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    /// The host: a name, an address, or the directory of a Unix socket.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the server is reached through a Unix socket.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// What is encrypted and verified. `require` with `sslrootcert` verifies the authority, as with libpq.
    pub fn tls(&self) -> PostgresTls {
        match self.tls {
            PostgresTls::Require if self.root_certificates.is_some() => PostgresTls::VerifyCa,
            tls => tls,
        }
    }

    /// The file with the trusted authorities. `None`: those of the system.
    pub fn root_certificates(&self) -> Option<&Path> {
        self.root_certificates.as_deref()
    }
}

/// Without the password and the parameters.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, port, database, .. } = self;
        let user = user.escape_default();
        let database = database.escape_default();
        match self.is_socket() || host.contains(':') {
            true => write!(f, "postgres://{user}@[{host}]:{port}/{database}"),
            false => write!(f, "postgres://{user}@{host}:{port}/{database}"),
        }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> PostgresUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_parts_of_a_url() {
        let url = parse("postgres://ilp:p%40ss%2Fw@db.example:6000/books?sslmode=verify-full");
        assert_eq!((url.user(), url.password()), ("ilp", Some("p@ss/w")));
        assert_eq!((url.host(), url.port(), url.database()), ("db.example", 6000, "books"));
        assert_eq!(url.tls(), PostgresTls::VerifyFull);
        let url = parse("POSTGRESQL://ilp@[::1]");
        assert_eq!((url.host(), url.port(), url.database()), ("::1", 5432, "ilp"));
        assert_eq!((url.password(), url.tls()), (None, PostgresTls::Prefer));
        let with_roots = parse("postgres://u@h/d?sslmode=require&sslrootcert=/ca.pem");
        assert_eq!(with_roots.tls(), PostgresTls::VerifyCa, "as libpq does");
        assert_eq!(with_roots.root_certificates(), Some(Path::new("/ca.pem")));
        for socket in ["postgres://u@%2Frun%2Fpg:5433/d", "postgres://u@h:5433/d?host=/run/pg"] {
            let url = parse(socket);
            assert!(url.is_socket());
            assert_eq!((url.host(), url.port(), url.database()), ("/run/pg", 5433, "d"));
        }
    }

    #[test]
    fn the_password_is_never_shown() {
        let url = parse("postgres://ilp:hunter2@db/books?sslmode=require");
        assert_eq!(url.to_string(), "postgres://ilp@db:5432/books");
        assert_eq!(format!("{url:?}"), "PostgresUrl(postgres://ilp@db:5432/books)");
        assert_eq!(parse("postgres://u:x@[::1]/d").to_string(), "postgres://u@[::1]:5432/d");
    }

    #[test]
    fn mistakes_are_named_without_the_text() {
        use PostgresUrlError as Error;
        for (text, expected) in [
            ("mysql://u:hunter2@h/d", Error::Scheme),
            ("postgres://h/d", Error::NoUser),
            ("postgres:///d", Error::NoUser),
            ("postgres://u:hunter2@h:0/d", Error::Port),
            ("postgres://u:hunter2@h:99999/d", Error::Port),
            ("postgres://u:hunter2@h/d/e", Error::Database),
            ("postgres://u:hunter2@h/d?password=x", Error::Parameter),
            ("postgres://u:hunter2@h/d?sslmode=always", Error::TlsMode),
            ("postgres://u:hunter2@h/d?sslrootcert=ca.pem", Error::RelativePath),
            ("postgres://u@h/d?passfile=pass", Error::RelativePath),
            ("postgres://u:hunter2@h/d?passfile=/pass", Error::TwoPasswords),
            ("postgres://u:hunter2@h/d#x", Error::Fragment),
            ("postgres://u:hunter2@h1:1,h2:2/d", Error::SeveralHosts),
            ("postgres://u:%ff@h/d", Error::Encoding),
            ("postgres://u:a%00@h/d", Error::Encoding),
            ("postgres://u:hunter2 @h/d", Error::Character),
        ] {
            assert_eq!(text.parse::<PostgresUrl>(), Err(expected), "{text}");
        }
    }
}

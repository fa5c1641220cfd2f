//! A password in a file of its own, in the format of libpq: a line `host:port:database:user:password` for each login,
//! where `*` fits anything, and `\` stands before a `:` or `\` of a value. It is read for each connection, so that a
//! changed password needs no restart.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::error::PostgresError;
use crate::net::PostgresUrl;

/// The longest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The password of this login.
pub(super) fn read_password(url: &PostgresUrl, path: &Path) -> Result<String, PostgresError> {
    let read = || -> io::Result<String> {
        // Before the file is opened: opening a pipe waits for a writer.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("this is not a regular file"));
        }
        let mut text = String::new();
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
        match text.len() as u64 > FILE_BYTES_MAX {
            true => Err(io::Error::other("it is larger than 64 KiB")),
            false => Ok(text),
        }
    };
    let failed = |error| PostgresError::PasswordFile { path: path.to_owned(), error };
    let text = read().map_err(failed)?;
    let login = [url.host(), &url.port().to_string(), url.database(), url.user()];
    let missing = || failed(io::Error::other("no line in it fits host, port, database and user"));
    find_password(&text, login).ok_or_else(missing)
}

fn find_password(text: &str, login: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields_of(line);
        let (password, pattern) = fields.split_last()?;
        let is_meant = pattern.len() == login.len()
            && pattern.iter().zip(login).all(|(field, value)| field == "*" || field == value);
        is_meant.then(|| password.clone())
    })
}

/// The fields of a line. The last one, the fifth, may contain colons.
fn fields_of(line: &str) -> Vec<String> {
    const FIELDS: usize = 5;
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let is_last = fields.len() == FIELDS;
        let Some(field) = fields.last_mut() else { break };
        match character {
            '\\' => field.extend(characters.next()),
            ':' if !is_last => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_or_an_endless_file_does_not_delay_the_node() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        let url: PostgresUrl = "postgres://ilp@db.example/books".parse().unwrap();
        let check = |expected: &str| {
            let error = read_password(&url, &path).unwrap_err();
            let PostgresError::PasswordFile { error, .. } = error else { panic!("{error}") };
            assert_eq!(error.to_string(), expected);
        };
        let mkfifo = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(mkfifo.success());
        check("this is not a regular file");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "#\n".repeat(32 * 1024) + "*:*:*:*:hunter2").unwrap();
        check("it is larger than 64 KiB");
        let line = "*:*:*:*:hunter2";
        let largest = "#".repeat(64 * 1024 - line.len() - 1) + "\n" + line;
        fs::write(&path, largest).unwrap();
        assert_eq!(read_password(&url, &path).unwrap(), "hunter2");
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let login = ["db.example", "5432", "books", "ilp"];
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(find_password(text, login).as_deref(), expected, "{text}");
        };
        check("db.example:5432:books:ilp:hunter2\n", Some("hunter2"));
        check("# *:*:*:*:no\nother:*:*:*:no\n*:*:*:ilp:hunter2\n*:*:*:*:no", Some("hunter2"));
        check("*:*:*:*:a:b\\:c\\\\d", Some("a:b:c\\d"));
        check("*:5433:*:*:no", None);
        check("*:*:*:no", None);
        check("", None);
        let socket = ["/run:pg", "5432", "books", "ilp"];
        assert_eq!(find_password("/run\\:pg:*:*:*:x", socket).as_deref(), Some("x"));
    }
}

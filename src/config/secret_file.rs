//! Secrets in files of their own: `authTokenFile: secrets/bob` instead of `authToken: ...`.
//!
//! Every key that holds a secret has such a second key, and so has its variable (`API_TOKEN_FILE`). As soon as the tree
//! is made, the content of the file becomes the value of the first key, so that all other code sees no difference.
//! Messages name the file and never show its content.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::diagnostics::DiagnosticSink;
use super::file::absolute;
use super::key_types::wrong_type;
use super::keys::{self, KeyInfo};
use super::location::{PlaceDetails, ValueOrigin, ValuePath, ValuePlace};
use super::node_keys::NODE;
use super::peer_keys::PEER;
use super::permissions;
use super::value::{Map, Name, Value, ValueData};
use super::value_kind::ValueKind;
use crate::net::describe_io_error;

/// The most bytes of a file with a secret.
pub const SECRET_FILE_BYTES_MAX: u64 = 16 * 1024;

/// Why a file gives no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretFileError {
    /// The system cannot read it.
    #[error("the file cannot be read: {}", describe_io_error(*.0))]
    Io(io::ErrorKind),
    /// A directory, a pipe or a device.
    #[error("this is not a regular file")]
    NotAFile,
    /// Larger than [`SECRET_FILE_BYTES_MAX`].
    #[error("the file is larger than {} KiB", SECRET_FILE_BYTES_MAX >> 10)]
    TooLarge,
    /// It is no text.
    #[error("the file is not UTF-8")]
    NotUtf8,
    /// It holds nothing, or only a line break.
    #[error("the file is empty")]
    Empty,
}

/// Reads the secret from a regular file. Reading a pipe could block for ever.
///
/// # Errors
/// [`SecretFileError`].
pub fn read_secret_file(path: &Path) -> Result<String, SecretFileError> {
    let io = |error: io::Error| SecretFileError::Io(error.kind());
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(SecretFileError::NotAFile);
    }
    read_secret(File::open(path).map_err(io)?)
}

/// Reads the secret: the whole content without the line break that editors and `echo` add at the end.
///
/// # Errors
/// [`SecretFileError`].
pub fn read_secret(from: impl Read) -> Result<String, SecretFileError> {
    let mut bytes = Vec::new();
    let read = from.take(SECRET_FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| SecretFileError::Io(error.kind()))?;
    if bytes.len() as u64 > SECRET_FILE_BYTES_MAX {
        return Err(SecretFileError::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretFileError::NotUtf8)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').filter(|_| line.len() < text.len()).unwrap_or(line);
    if line.is_empty() { Err(SecretFileError::Empty) } else { Ok(line.to_owned()) }
}

/// Replaces every key that names a file with the key of the secret. Relative paths start at `directory`.
pub fn resolve(root: &mut Value, directory: Option<&Path>, report: &mut DiagnosticSink) {
    root.edit_all(|value, path| {
        let ValueData::Map(map) = &mut value.data else { return };
        let keys: Vec<_> =
            map.0.iter().filter_map(|(name, _)| keys::secret_file(&name.text)).collect();
        for (key, secret) in keys {
            replace(map, key, secret, path, directory, report);
        }
    });
}

fn replace(
    map: &mut Map,
    key: &'static KeyInfo,
    secret: &'static str,
    parent: &ValuePath<'_>,
    directory: Option<&Path>,
    report: &mut DiagnosticSink,
) {
    let twice = map.get(secret).is_some();
    let Some(position) = map.0.iter().position(|(name, _)| &*name.text == key.name) else { return };
    let (Name { line, .. }, named) = map.0.remove(position);
    if named.is_null() {
        return;
    }
    let path = parent.key(key.name, &named.at);
    if twice {
        let help = "set one of the two";
        return report.at(&path, format!("{secret} is set as well"), help);
    }
    let read = |value: &Value, path: &ValuePath<'_>, report: &mut DiagnosticSink| {
        let data = match value.as_text() {
            Some(file) => {
                read_content(file, path, directory, report).map(|text| ValueData::Text(text.into()))
            }
            None => {
                wrong_type(value, path, key, report);
                None
            }
        };
        let place = Some(path.place().text);
        let variables =
            value.at.more.as_ref().map(|more| more.variables.clone()).unwrap_or_default();
        let file = value.as_text().map(|file| absolute(PathBuf::from(file), directory));
        let more = PlaceDetails { origin: path.place().origin, place, variables, file };
        let at = ValuePlace { line: value.at.line, more: Some(Arc::new(more)) };
        Value { data: data.unwrap_or(ValueData::Broken), at }
    };
    let value = match (&named.data, key.kind) {
        (ValueData::List(files), ValueKind::SecretFiles) => {
            let secrets = files.iter().enumerate();
            let secrets = secrets.map(|(n, file)| read(file, &path.index(n, &file.at), report));
            Value { data: ValueData::List(secrets.collect()), at: named.at.clone() }
        }
        (_, ValueKind::SecretFiles) => {
            wrong_type(&named, &path, key, report);
            Value { data: ValueData::Broken, at: named.at.clone() }
        }
        _ => read(&named, &path, report),
    };
    // The key of the secret may also stand there without a value.
    map.0.retain(|(known, _)| &*known.text != secret);
    let position = position.min(map.0.len());
    map.0.insert(position, (Name { text: secret.into(), line }, value));
}

/// The secret in a file. `None`: the reason is in the report.
fn read_content(
    file: &str,
    path: &ValuePath<'_>,
    directory: Option<&Path>,
    report: &mut DiagnosticSink,
) -> Option<String> {
    let full = absolute(PathBuf::from(file), directory);
    match read_secret_file(&full) {
        Ok(text) => {
            if let Some(access) = permissions::access_of_others(&full) {
                let what = format!("all users of this machine may {access} the file");
                report.warn(path.place(), what, permissions::CLOSE_TO_OTHERS);
            }
            Some(text)
        }
        Err(error) => {
            let shown = match is_like_a_path(file, directory) {
                true => super::redact::of_key(ValueKind::SecretFile, file),
                false => crate::net::MASK.to_owned(),
            };
            let help = match error {
                SecretFileError::Io(io::ErrorKind::PermissionDenied) => {
                    "let the user of this process read it: chown, or chgrp and chmod 640; for the packaged service, chgrp \
                     ilp-connector"
                }
                _ => {
                    "a relative path starts at the configuration file; the file holds the secret and nothing else"
                }
            };
            report.problem(path.place(), Some(shown), error.to_string(), help);
            None
        }
    }
}

/// Whether a text is a path, rather than the secret itself at the wrong key: the file exists, or the first folder of
/// the path does.
fn is_like_a_path(file: &str, directory: Option<&Path>) -> bool {
    let path = Path::new(file);
    let mut names = path.components().filter(|part| matches!(part, Component::Normal(_)));
    let first = names.next().filter(|_| names.next().is_some());
    let begin = first.map(|first| {
        let root = if path.is_absolute() { Path::new("/") } else { Path::new("") };
        absolute(root.join(first), directory)
    });
    absolute(path.to_path_buf(), directory).exists() || begin.is_some_and(|folder| folder.is_dir())
}

/// The files with the secrets of a tree, each once.
pub fn files_of(root: &Value) -> Vec<PathBuf> {
    let mut files = BTreeSet::new();
    root.visit_all(|_, value, _| {
        files.extend(value.at.more.as_ref().and_then(|more| more.file.clone()));
    });
    files.into_iter().collect()
}

/// Whether the configuration file itself holds a secret, not only the environment or other files.
pub fn holds_secret(root: &Value) -> bool {
    let mut found = false;
    root.visit_all(|key, value, _| {
        let more = value.at.more.as_ref();
        let is_own = value.at.origin() == ValueOrigin::File
            && more.is_none_or(|more| more.variables.is_empty() && more.file.is_none());
        let is_secret = |text: &str| keys::is_secret(key) || (holds_url(key) && text.contains('@'));
        found |= is_own && value.as_text().is_some_and(is_secret);
    });
    found
}

/// Whether a key may hold a URL with a token or a password.
fn holds_url(key: &str) -> bool {
    [PEER.url.name, NODE.store.name].contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_all_that_a_file_holds() {
        let check = |content: &[u8], expected: Result<&str, SecretFileError>| {
            assert_eq!(read_secret(content), expected.map(str::to_owned), "{content:?}");
        };
        check(b"hunter2", Ok("hunter2"));
        check(b"hunter2\n", Ok("hunter2"));
        check(b"hunter2\r\n", Ok("hunter2"));
        // One line break comes from an editor. `parse::secret` refuses others.
        check(b"hunter2\n\n", Ok("hunter2\n"));
        check(b"hunter2\r", Ok("hunter2\r"));
        check(b" hunter2 \n", Ok(" hunter2 "));
        check(b"", Err(SecretFileError::Empty));
        check(b"\n", Err(SecretFileError::Empty));
        check(b"\xff", Err(SecretFileError::NotUtf8));
        check(&[b'x'; 16 * 1024], Ok(&"x".repeat(16 * 1024)));
        check(&[b'x'; 16 * 1024 + 1], Err(SecretFileError::TooLarge));
    }

    #[test]
    fn a_secret_is_not_taken_for_a_path() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("s")).unwrap();
        let check = |file: &str, expected: bool| {
            assert_eq!(is_like_a_path(file, Some(folder.path())), expected, "{file}");
        };
        check("s", true);
        check("s/missing", true);
        check("./s/missing", true);
        check("/tmp/missing/x", true);
        check("hunter2", false);
        check("hun/ter2", false);
        check("/hunter2", false);
        check("/hun/ter2", false);
        check("../hunter2", false);
        check("", true);
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_secret_file(folder.path()), Err(SecretFileError::NotAFile));
        let missing = folder.path().join("x");
        assert_eq!(read_secret_file(&missing), Err(SecretFileError::Io(io::ErrorKind::NotFound)));
        assert_eq!(read_secret_file(Path::new("/dev/zero")), Err(SecretFileError::NotAFile));
    }
}

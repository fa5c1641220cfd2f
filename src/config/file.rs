//! Reads the configuration file from disk.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::diagnostics::DiagnosticSink;
use super::location::Location;
use super::redact;
use super::watch::ContentHash;

/// Bytes of a configuration file. A million routes need about 70 MB.
pub const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The path of the file, and where it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    pub path: PathBuf,
    /// The variable `CONFIG_FILE` named it, not the command line.
    pub by_variable: bool,
}

/// A file's bytes, as they were at one moment.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContent {
    /// Its path.
    pub path: PathBuf,
    /// Its whole content.
    pub bytes: Vec<u8>,
}

/// Leaves out the bytes, which contain secrets.
impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of {}", self.bytes.len(), self.path.display())
    }
}

impl FileContent {
    /// The hash of the content.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&self.bytes)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Those of the system, directories, and files larger than [`FILE_BYTES_MAX`].
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Self { path: path.to_owned(), bytes })
    }
}

/// A path, relative to the directory of the configuration file.
pub fn absolute(path: PathBuf, directory: Option<&Path>) -> PathBuf {
    directory.map_or(path.clone(), |directory| directory.join(path))
}

/// Reads the file, or reports why not.
pub fn read(named: &NamedFile, report: &mut DiagnosticSink) -> Option<FileContent> {
    let error = match FileContent::read(&named.path) {
        Ok(content) => return Some(content),
        Err(error) => error,
    };
    let (what, help) = match error.kind() {
        io::ErrorKind::NotFound => {
            ("no such file".to_owned(), "name a node file or a topology file, see examples/")
        }
        io::ErrorKind::IsADirectory => ("is a directory".to_owned(), "name the file in it"),
        io::ErrorKind::PermissionDenied => {
            ("cannot be read: permission denied".to_owned(), "let the user of this process read it")
        }
        io::ErrorKind::FileTooLarge => (
            format!("is larger than {} MiB", FILE_BYTES_MAX >> 20),
            "split the network, or shorten it",
        ),
        _ => (format!("cannot be read: {error}"), ""),
    };
    if named.by_variable {
        let shown = redact::quoted(&named.path.to_string_lossy());
        report.problem(Location::variable("CONFIG_FILE"), Some(shown), what, help);
    } else {
        report.problem(Location::file(), None, what, help);
    }
    None
}

/// The text of a file, or a report that it is not UTF-8.
pub fn text<'a>(bytes: &'a [u8], report: &mut DiagnosticSink) -> Option<&'a str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).expect("the valid part of the bytes");
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            let what = if utf16 { "not UTF-8 but UTF-16" } else { "not UTF-8" };
            report.problem(Location::line(line), None, what, "save the file as UTF-8");
            None
        }
    }
}

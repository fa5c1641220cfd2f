//! Certificates and keys from PEM files (RFC 7468).
//!
//! A file is read whole, within a bound. No error contains a byte of the file in any form: a damaged private key is
//! still a private key.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::sanitize::describe_io_error;

/// Bytes of a PEM file. The certificates of all public authorities together are about 250 kB.
const PEM_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is wrong with a PEM file. Contains nothing from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    #[error("{}", describe_io_error(*.0))]
    Io(io::ErrorKind),
    /// For example a pipe, which could block its reader.
    #[error("this is not a regular file")]
    NotAFile,
    #[error("it is larger than {} MiB", PEM_BYTES_MAX >> 20)]
    TooLarge,
    /// `-----BEGIN ...-----MII...`: pasted from a form or a variable without line breaks.
    #[error(
        "its line breaks are missing: -----BEGIN ...----- and -----END ...----- are lines of their own, with the base64 \
         text between them"
    )]
    NoLineBreaks,
    #[error("it is cut off: a -----BEGIN ...----- has no -----END ...----- of the same name")]
    NoEnd,
    #[error("a line that starts with -----BEGIN does not end with -----")]
    BadBegin,
    #[error("the text between its BEGIN and END lines is not base64")]
    Base64,
    #[error(
        "it is encrypted, and a server cannot ask for its password; write it without one: openssl pkey -in ENCRYPTED -out \
         KEY, readable to this program alone"
    )]
    Encrypted,
    #[error("it holds {0}")]
    Holds(&'static str),
    #[error("it is empty")]
    Blank,
    /// Pasted with the indentation of the text around it.
    #[error("its -----BEGIN ...----- is indented; it must begin its line")]
    Indented,
    #[error("it is UTF-16 text, and PEM is ASCII; save it as UTF-8 without a byte order mark")]
    Utf16,
    #[error("it has no such section (-----BEGIN ...-----)")]
    Missing,
}

/// The certificates of a file, in their order; at least one.
///
/// # Errors
/// [`PemError`].
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let bytes = read_file(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(describe_other_content(Wanted::Certificate, &bytes)),
        found => found.map_err(|error| PemError::from_library(&error, &bytes)),
    }
}

/// The first private key of a file.
///
/// # Errors
/// [`PemError`].
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let bytes = read_file(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        match PemError::from_library(&error, &bytes) {
            PemError::NoLineBreaks => PemError::NoLineBreaks,
            _ if is_encrypted(&bytes) => PemError::Encrypted,
            PemError::Missing => describe_other_content(Wanted::Key, &bytes),
            error => error,
        }
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, PemError> {
    let io = |error: io::Error| PemError::Io(error.kind());
    let found = std::fs::metadata(path).map_err(io)?;
    if found.is_dir() {
        return Err(PemError::Io(io::ErrorKind::IsADirectory));
    }
    // Before the file is opened: opening a pipe waits for a writer.
    if !found.is_file() {
        return Err(PemError::NotAFile);
    }
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > PEM_BYTES_MAX {
        return Err(PemError::TooLarge);
    }
    // Some editors put it at the start of every file.
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(bytes)
}

impl PemError {
    /// Replaces an error of the library, whose text quotes the file.
    fn from_library(error: &pem::Error, bytes: &[u8]) -> Self {
        if lacks_line_breaks(bytes) {
            return Self::NoLineBreaks;
        }
        match error {
            pem::Error::MissingSectionEnd { .. } => Self::NoEnd,
            pem::Error::IllegalSectionStart { .. } => Self::BadBegin,
            pem::Error::Base64Decode(_) => Self::Base64,
            pem::Error::Io(error) => Self::Io(error.kind()),
            pem::Error::SectionTooLarge => Self::TooLarge,
            _ => Self::Missing,
        }
    }
}

/// Whether a BEGIN line continues after its dashes, or an END line does not begin with them.
fn lacks_line_breaks(bytes: &[u8]) -> bool {
    bytes.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        let line = line.trim_ascii();
        let begin = find_bytes(line, b"-----BEGIN ");
        let after_dashes = begin
            .and_then(|start| line.get(start + b"-----BEGIN ".len()..))
            .and_then(|name| find_bytes(name, b"-----").and_then(|end| name.get(end + 5..)));
        let end = find_bytes(line, b"-----END ");
        after_dashes.is_some_and(|rest| !rest.is_empty()) || end.is_some_and(|start| start > 0)
    })
}

/// Whether a key is encrypted: PKCS #8 has a label for it, older forms have a header (RFC 1421).
fn is_encrypted(bytes: &[u8]) -> bool {
    let is_header =
        |line: &[u8]| line.starts_with(b"Proc-Type:") && find_bytes(line, b"ENCRYPTED").is_some();
    find_bytes(bytes, b"-----BEGIN ENCRYPTED PRIVATE KEY-----").is_some()
        || bytes.split(|byte| *byte == b'\n').any(is_header)
}

/// A label of a section; the message if the file has it instead of a key, and instead of a certificate.
const LABELS: [(&[u8], &str, &str); 7] = [
    (
        b"CERTIFICATE REQUEST-----",
        "a certificate request, and no private key",
        "a certificate request; an authority makes a certificate of it",
    ),
    (
        b"TRUSTED CERTIFICATE-----",
        "a certificate, and no private key",
        "a certificate in a format of OpenSSL; convert it: openssl x509 -in FILE -out CERTIFICATE",
    ),
    (b"BEGIN CERTIFICATE-----", "a certificate, and no private key", "a damaged certificate"),
    (
        b"PKCS7-----",
        "certificates (PKCS #7), and no private key",
        "PKCS #7; convert it: openssl pkcs7 -print_certs -in FILE -out CERTIFICATES",
    ),
    (b"PUBLIC KEY-----", "a public key, and no private one", "a public key, and no certificate"),
    (
        b"OPENSSH PRIVATE KEY-----",
        "a key of OpenSSH: convert it with ssh-keygen -p -m PEM",
        "a private key of OpenSSH, and no certificate",
    ),
    (b"PRIVATE KEY-----", "a private key that cannot be used", "a private key, and no certificate"),
];
const BINARY_KEY: &str =
    "binary data (DER or PKCS #12); convert it to PEM with openssl pkey or openssl pkcs12";
const BINARY_CERTIFICATE: &str =
    "binary data (DER or PKCS #12); convert it to PEM with openssl x509 or openssl pkcs12";

/// The wanted content of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Certificate,
    Key,
}

/// Says what a file holds instead of the wanted content. Unknown labels are not repeated: they may be anything.
fn describe_other_content(wanted: Wanted, bytes: &[u8]) -> PemError {
    let is_indented = |line: &[u8]| line.starts_with(b" ") || line.starts_with(b"\t");
    let begins = |line: &&[u8]| line.trim_ascii_start().starts_with(b"-----BEGIN ");
    if bytes.split(|byte| *byte == b'\n').find(begins).is_some_and(is_indented) {
        return PemError::Indented;
    }
    if let Some((_, key, certificate)) =
        LABELS.iter().find(|(label, ..)| find_bytes(bytes, label).is_some())
    {
        return PemError::Holds(if wanted == Wanted::Key { key } else { certificate });
    }
    match (bytes, wanted) {
        _ if bytes.trim_ascii().is_empty() => PemError::Blank,
        ([0xff, 0xfe, ..] | [0xfe, 0xff, ..], _) => PemError::Utf16,
        // The outermost DER tag of keys and certificates.
        ([0x30, ..], Wanted::Key) => PemError::Holds(BINARY_KEY),
        ([0x30, ..], Wanted::Certificate) => PemError::Holds(BINARY_CERTIFICATE),
        _ => PemError::Missing,
    }
}

fn find_bytes(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file that holds `text` as a key and as certificates.
    fn check(text: &str, key: Option<PemError>, certificates: Result<usize, PemError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pem");
        std::fs::write(&path, text).unwrap();
        assert_eq!(private_key(&path).err(), key, "{text}");
        assert_eq!(super::certificates(&path).map(|found| found.len()), certificates, "{text}");
    }

    #[test]
    fn errors_name_what_is_wrong() {
        use PemError::{
            BadBegin, Base64, Blank, Encrypted, Holds, Indented, Missing, NoEnd, NoLineBreaks,
        };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (key, certificate) = (made.signing_key.serialize_pem(), made.cert.pem());
        let no_certificate = Err(Holds("a private key, and no certificate"));
        let no_key = Some(Holds("a certificate, and no private key"));
        check(&key, None, no_certificate);
        check(&certificate, no_key, Ok(1));
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        check(&encrypted, Some(Encrypted), no_certificate);
        let former = key.replace("PRIVATE", "RSA PRIVATE").replacen(
            '\n',
            "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n",
            1,
        );
        check(&former, Some(Encrypted), Err(Base64));
        check(&format!("{key}{certificate}"), None, Ok(1));
        check(&format!("\u{feff}{key}{certificate}"), None, Ok(1));
        check("", Some(Blank), Err(Blank));
        check("\n \n", Some(Blank), Err(Blank));
        let indented = format!("{key}{certificate}").replace("-----BEGIN", "  -----BEGIN");
        check(&indented, Some(Indented), Err(Indented));
        check("0\u{3}binary", Some(Holds(BINARY_KEY)), Err(Holds(BINARY_CERTIFICATE)));
        for (label, key, certificate) in LABELS.iter().take(6) {
            let label = String::from_utf8_lossy(label).replace("BEGIN ", "");
            let text = format!("-----BEGIN {label}\nAAAA\n-----END {label}\n");
            let of_certificate = match label.as_str() {
                "CERTIFICATE-----" => Ok(1),
                _ => Err(Holds(certificate)),
            };
            check(&text, Some(Holds(key)), of_certificate);
        }
        check("no PEM at all", Some(Missing), Err(Missing));
        check(&key.replace(['\n', '\r'], ""), Some(NoLineBreaks), Err(NoLineBreaks));
        check(&key.replace('\n', " "), Some(NoLineBreaks), Err(NoLineBreaks));
        check(
            &key.replace("\r\n", "\n").replace('\n', "\\n"),
            Some(NoLineBreaks),
            Err(NoLineBreaks),
        );
        check(&key.replace("-----END", "-----ENDE"), Some(NoEnd), Err(NoEnd));
        check(&key.replace("KEY-----", "KEY"), Some(BadBegin), Err(BadBegin));
        let middle = key.lines().nth(1).unwrap();
        check(&key.replace(middle, &format!("*{middle}")), Some(Base64), Err(Base64));
    }

    #[test]
    fn a_pipe_is_refused_without_opening_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(private_key(&path).err(), Some(PemError::NotAFile));
        assert_eq!(super::certificates(&path).err(), Some(PemError::NotAFile));
    }

    /// Truncated at any byte, without line breaks, or with one byte changed.
    #[test]
    fn no_error_contains_a_byte_of_a_damaged_key() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = made.signing_key.serialize_pem().replace("\r\n", "\n");
        let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with('-')).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pem");
        let cuts = (0..key.len()).step_by(3).map(|end| key[..end].to_owned());
        let joined = (0..key.len()).step_by(3).map(|end| key[..end].replace('\n', ""));
        let changed = (0..key.len()).step_by(3).flat_map(|at| {
            ["-", "\n", "*"].map(|c| format!("{}{c}{}", &key[..at], &key[at + 1..]))
        });
        for text in cuts.chain(joined).chain(changed) {
            std::fs::write(&path, &text).unwrap();
            for error in [private_key(&path).err(), certificates(&path).err()].into_iter().flatten()
            {
                let shown = format!("{error} {error:?}");
                for line in &lines {
                    let numbers = format!("{:?}", &line.as_bytes()[..4]);
                    let numbers = numbers.trim_matches(['[', ']']);
                    assert!(!shown.contains(&line[..8]) && !shown.contains(numbers), "{shown}");
                }
            }
        }
    }
}

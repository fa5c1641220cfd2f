//! Finds parts of secrets in output: as they are, in upper or lower case, in hexadecimal, in Base64, percent-encoded,
//! or as the list of numbers that `Debug` makes of bytes.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// This many characters of a secret in a row are a leak.
const PIECE: usize = 8;

/// Any [`PIECE`] bytes contain this many bytes that are whole groups of Base64.
const WHOLE_IN_BASE64: usize = 6;

/// Pieces are looked up by their first bytes.
const HEAD: usize = 8;

/// The secrets to look for.
pub(super) struct Hunt {
    /// The first bytes of each piece, and the bytes after them with the piece's name.
    pieces: HashMap<[u8; HEAD], Vec<(Vec<u8>, String)>>,
    /// Whether any piece begins with these two bytes: a quick test that fails at nearly every position.
    begins: Vec<bool>,
}

impl Hunt {
    /// Takes each secret with its name in the findings.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let begins = vec![false; 1 << 16];
        let mut hunt = Self { pieces: HashMap::new(), begins };
        for (name, secret) in secrets {
            assert!(secret.len() >= PIECE, "{name} is too short to be recognised");
            let (exact, lower) = (secret.as_bytes(), secret.to_ascii_lowercase());
            for piece in lower.as_bytes().windows(PIECE) {
                hunt.add(piece, name, "as it is");
            }
            for piece in exact.windows(PIECE) {
                hunt.add(hex::encode(piece).as_bytes(), name, "in hexadecimal");
                let numbers: Vec<String> = piece.iter().map(u8::to_string).collect();
                hunt.add(numbers.join(", ").as_bytes(), name, "as numbers");
                hunt.add(numbers.join(",").as_bytes(), name, "as numbers");
            }
            for piece in exact.windows(WHOLE_IN_BASE64) {
                hunt.add(STANDARD.encode(piece).as_bytes(), name, "in Base64");
                hunt.add(URL_SAFE.encode(piece).as_bytes(), name, "in Base64");
            }
        }
        hunt
    }

    fn add(&mut self, piece: &[u8], name: &str, form: &str) {
        let (head, rest) = piece.split_at(HEAD);
        let head: [u8; HEAD] = head.try_into().unwrap();
        self.begins[usize::from(u16::from_be_bytes([head[0], head[1]]))] = true;
        self.pieces.entry(head).or_default().push((rest.to_vec(), format!("{name} {form}")));
    }

    /// Each secret that `output` shows, with the line where it was found first.
    pub(super) fn leaks(&self, output: &str) -> Vec<String> {
        let mut found: Vec<(&str, String)> = Vec::new();
        let decoded = percent_encoding::percent_decode_str(output).decode_utf8_lossy();
        let lower = [output.to_ascii_lowercase(), decoded.to_ascii_lowercase()];
        for text in [output, &decoded, &lower[0], &lower[1]] {
            for (at, piece) in self.places(text.as_bytes()) {
                if found.iter().all(|(known, _)| *known != piece) {
                    found.push((piece, around(text, at)));
                }
            }
        }
        found.into_iter().map(|(piece, line)| format!("{piece}: {line}")).collect()
    }

    fn places<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, &'a str)> {
        text.windows(HEAD).enumerate().filter_map(|(at, window)| {
            if !self.begins[usize::from(window[0]) << 8 | usize::from(window[1])] {
                return None;
            }
            let pieces = self.pieces.get(window)?;
            let (_, name) = pieces.iter().find(|(rest, _)| text[at + HEAD..].starts_with(rest))?;
            Some((at, name.as_str()))
        })
    }
}

/// The line of a finding, shortened.
fn around(text: &str, at: usize) -> String {
    const SHOWN: usize = 240;
    let bytes = text.as_bytes();
    let begin = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |n| at + n);
    let (begin, end) = (begin.max(at.saturating_sub(SHOWN)), end.min(at + SHOWN));
    String::from_utf8_lossy(&bytes[begin..end]).into_owned()
}

#[test]
fn pieces_of_eight_characters_are_found_in_every_form() {
    let secret = super::CANARIES[1];
    let hunt = Hunt::new([("it", secret)]);
    let check = |output: &str, expected: &str| {
        let leaks = hunt.leaks(&format!("a line\nbefore {output} behind\n"));
        assert!(!leaks.is_empty(), "not found: {output}");
        let is_expected = |leak: &String| leak.starts_with(&format!("it {expected}: before "));
        assert!(leaks.iter().any(is_expected), "{output}: {leaks:?}");
    };
    for at in 0..=secret.len() - PIECE {
        let piece = &secret[at..at + PIECE];
        check(piece, "as it is");
        check(&piece.to_ascii_uppercase(), "as it is");
        check(&piece.to_ascii_lowercase(), "as it is");
        check(&format!("x{piece}x"), "as it is");
        check(&hex::encode(piece), "in hexadecimal");
        check(&hex::encode_upper(piece), "in hexadecimal");
        check(&format!("{:?}", piece.as_bytes()), "as numbers");
        let percent =
            percent_encoding::percent_encode(piece.as_bytes(), percent_encoding::NON_ALPHANUMERIC);
        check(&percent.to_string(), "as it is");
        for before in ["", "u", "u:"] {
            let text = format!("{before}{piece}");
            check(&STANDARD.encode(&text), "in Base64");
            check(&URL_SAFE.encode(&text), "in Base64");
        }
    }
    assert_eq!(hunt.leaks(&secret[..PIECE - 1]), Vec::<String>::new());
    assert_eq!(hunt.leaks("nothing of it, but 0123456789abcdef"), Vec::<String>::new());
    assert_eq!(hunt.leaks(""), Vec::<String>::new());
}

//! The end of an audit log, as an end of the process may have left it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::line::{HashedLine, LINE_BYTES_MAX};

/// Bytes at the end of a file in which its last line must be: an unfinished line, the line about it that was not
/// finished either, and so on.
const TAIL_BYTES: u64 = 8 * LINE_BYTES_MAX as u64;

/// The end of a file.
#[derive(Debug, PartialEq)]
pub(super) enum Tail {
    /// The file has no byte.
    Empty,
    /// Its last line, and the bytes after that.
    Line(Box<HashedLine>, Vec<u8>),
    /// No line is there: it is another file.
    NoLine,
}

impl Tail {
    pub(super) fn read(file: &mut File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        if bytes == 0 {
            return Ok(Self::Empty);
        }
        file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES)))?;
        let mut tail = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut tail)?;
        Ok(Self::find(&tail))
    }

    fn find(tail: &[u8]) -> Self {
        let mut end = tail.len();
        while let Some(line_break) = position_before(tail, end) {
            let begin = position_before(tail, line_break).map_or(0, |at| at + 1);
            let line = tail.get(begin..line_break).and_then(HashedLine::decode);
            if let Some(line) = line {
                let rest = tail.get(line_break + 1..).unwrap_or_default();
                return Self::Line(Box::new(line), rest.to_vec());
            }
            end = line_break;
        }
        Self::NoLine
    }
}

/// The last line break before `end`.
fn position_before(bytes: &[u8], end: usize) -> Option<usize> {
    bytes.get(..end)?.iter().rposition(|byte| *byte == b'\n')
}

//! A bound for what is kept of a node that runs elsewhere. Events and records of packets are kept by thousands, so one
//! of them cannot be as long as the answer that it came in.

use std::io::{self, Write};

use serde::Serialize;

/// Bytes of a record as JSON. Those of a node are far smaller: their texts are bounded.
const RECORD_BYTES_MAX: usize = 16 * 1024;

/// Whether an event or a record of a packet is small enough to be kept.
pub fn has_kept_size(record: &impl Serialize) -> bool {
    serde_json::to_writer(BytesLeft(RECORD_BYTES_MAX), record).is_ok()
}

/// Counts what is written, and fails where nothing is left.
struct BytesLeft(usize);

impl Write for BytesLeft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_records_are_not_kept() {
        // With its quotes.
        assert!(has_kept_size(&"x".repeat(RECORD_BYTES_MAX - 2)));
        assert!(!has_kept_size(&"x".repeat(RECORD_BYTES_MAX - 1)));
    }
}

//! The last lines of the log, for operators who do not see where it is written. The log's thread adds them, so the code
//! that logs does nothing for them.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::telemetry::format::LineFormat;

/// Bytes of lines that a process keeps.
const RECENT_BYTES_MAX: usize = 256 * 1024;

/// The last lines, at most 256 KiB of them, as they were written.
#[derive(Debug)]
pub struct RecentLines {
    format: LineFormat,
    bytes: Mutex<VecDeque<u8>>,
}

impl RecentLines {
    pub(super) fn new(format: LineFormat) -> Self {
        Self { format, bytes: Mutex::default() }
    }

    /// Adds whole lines, and removes as many of the oldest ones as needed.
    pub(super) fn add(&self, lines: &[u8]) {
        let too_many = lines.len().saturating_sub(RECENT_BYTES_MAX);
        let lines = lines.get(end_of_line(lines, too_many)..).unwrap_or_default();
        let mut bytes = self.bytes.lock();
        let excess = (bytes.len() + lines.len()).saturating_sub(RECENT_BYTES_MAX);
        let end = bytes.iter().skip(excess.saturating_sub(1)).position(|byte| *byte == b'\n');
        match (excess, end) {
            (0, _) => {}
            (_, Some(end)) => drop(bytes.drain(..excess + end)),
            (_, None) => bytes.clear(),
        }
        bytes.extend(lines);
    }

    /// The newest lines that name this node or none, the oldest of them first, without colours.
    pub fn of_node(&self, node: &str, count_max: usize) -> Vec<String> {
        // Copied, so that the log's thread waits for a copy at most.
        let bytes: Vec<u8> = self.bytes.lock().iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().rev().map(|line| self.without_colours(line));
        let shown = lines.filter(|line| self.node_of(line).is_none_or(|named| named == node));
        let mut shown: Vec<String> = shown.take(count_max).collect();
        shown.reverse();
        shown
    }

    /// The node that a line names. Ids need no escapes.
    fn node_of<'l>(&self, line: &'l str) -> Option<&'l str> {
        if self.format == LineFormat::Json {
            // It stands right after time and level.
            let (_, after_level) = line.split_once("\"level\":\"")?;
            let (_, rest) = after_level.split_once('"')?;
            return rest.strip_prefix(",\"node\":\"")?.split('"').next();
        }
        // Time, level, node; without a node, a target with a colon.
        line.split_ascii_whitespace().nth(2).filter(|word| !word.ends_with(':'))
    }

    /// Texts of others are escaped in lines, so an escape character is that of a colour.
    fn without_colours(&self, line: &str) -> String {
        let mut parts = line.split('\u{1b}');
        let mut plain = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
        }
        plain
    }
}

/// Behind the first line that ends at or after this byte; 0 if nothing is cut off.
fn end_of_line(lines: &[u8], at: usize) -> usize {
    let Some(last) = at.checked_sub(1) else { return 0 };
    let end = lines.iter().skip(last).position(|byte| *byte == b'\n');
    end.map_or(lines.len(), |end| at + end)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;
    use crate::telemetry::format::{LineHead, put_line};

    fn line(format: LineFormat, node: Option<&str>, message: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let head = LineHead { level: Level::WARN, node, target: "btp" };
        put_line(&mut out, format, head, message.as_bytes(), |fields| {
            fields.put_integer("level", 1);
        });
        out
    }

    #[test]
    fn lines_of_a_node_and_of_the_process_in_each_format() {
        for format in [
            LineFormat::Json,
            LineFormat::Human { colour: false },
            LineFormat::Human { colour: true },
        ] {
            let recent = RecentLines::new(format);
            for (node, message) in
                [(Some("a"), "one"), (Some("b"), "two"), (None, "three"), (Some("a"), "four")]
            {
                recent.add(&line(format, node, message));
            }
            let shown = |node: &str, count_max: usize| {
                let lines = recent.of_node(node, count_max);
                assert!(lines.iter().all(|line| !line.contains('\u{1b}')), "{lines:?}");
                let message = |line: &String| {
                    let all = ["one", "two", "three", "four"];
                    all.into_iter().find(|message| line.contains(message)).unwrap()
                };
                lines.iter().map(message).collect::<Vec<_>>().join(" ")
            };
            assert_eq!(shown("a", 9), "one three four", "{format:?}");
            assert_eq!(shown("a", 2), "three four", "{format:?}");
            assert_eq!(shown("b", 9), "two three", "{format:?}");
            assert_eq!(shown("ab", 9), "three", "{format:?}");
        }
    }

    #[test]
    fn only_whole_lines_within_the_limit_are_kept() {
        let recent = RecentLines::new(LineFormat::Json);
        let numbered = |number: usize, len: usize| {
            let end = format!(" {number}\n");
            (" ".repeat(len - end.len()) + &end).into_bytes()
        };
        let kept = || recent.bytes.lock().iter().copied().collect::<Vec<u8>>();
        for number in 0..1_000 {
            recent.add(&numbered(number, 1_000));
            assert!(kept().len() <= RECENT_BYTES_MAX);
        }
        let text = String::from_utf8(kept()).unwrap();
        assert!(text.lines().all(|line| line.len() == 999), "a line is torn");
        let count = RECENT_BYTES_MAX / 1_000;
        assert_eq!(text.lines().count(), count);
        assert!(text.lines().next().unwrap().ends_with(&format!(" {}", 1_000 - count)));
        // More at once than the limit, and a line that is longer than that.
        let many: Vec<u8> = (0..500).flat_map(|number| numbered(number, 1_000)).collect();
        recent.add(&many);
        assert_eq!(kept(), many[many.len() - count * 1_000..]);
        recent.add(&numbered(1, RECENT_BYTES_MAX + 1));
        recent.add(b"last\n");
        assert!(String::from_utf8(kept()).unwrap().ends_with(" 499\nlast\n"));
        recent.add(&numbered(2, RECENT_BYTES_MAX));
        assert_eq!(kept(), numbered(2, RECENT_BYTES_MAX));
    }
}

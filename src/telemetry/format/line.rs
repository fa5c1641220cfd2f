//! The frame that all lines share: time, level, node, target, message, fields, end.

use tracing::Level;

use super::event::LineTime;
use super::text::{LineFormat, escape};

/// What stands before a line's message.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineHead<'a> {
    pub(super) level: Level,
    pub(super) node: Option<&'a str>,
    pub(super) target: &'a str,
}

/// What stands before the time.
const JSON_BEGIN: &[u8] = b"{\"timestamp\":\"";

/// Appends the time, and all that stands before it.
pub(super) fn put_time(out: &mut Vec<u8>, format: LineFormat, time: &LineTime) {
    if format == LineFormat::Json {
        out.extend_from_slice(JSON_BEGIN);
        out.extend_from_slice(time);
    } else {
        // The time of day is enough for eyes.
        out.extend_from_slice(time.get(11..26).unwrap_or(time));
    }
}

/// Appends level, node and target. The caller appends the escaped message.
pub(super) fn put_head(out: &mut Vec<u8>, format: LineFormat, head: LineHead<'_>) {
    match format {
        LineFormat::Json => {
            out.extend_from_slice(b"\",\"level\":\"");
            out.extend_from_slice(head.level.as_str().as_bytes());
            if let Some(node) = head.node {
                out.extend_from_slice(b"\",\"node\":\"");
                escape(out, node);
            }
            out.extend_from_slice(b"\",\"target\":\"");
            escape(out, head.target);
            out.extend_from_slice(b"\",\"message\":\"");
        }
        LineFormat::Human { colour } => {
            let (begin, end) = if colour { colours(head.level) } else { ("", "") };
            out.extend_from_slice(format!(" {begin}{:5}{end} ", head.level.as_str()).as_bytes());
            if let Some(node) = head.node {
                escape(out, node);
                out.push(b' ');
            }
            escape(out, head.target);
            out.extend_from_slice(b": ");
        }
    }
}

/// Ends the message; fields follow.
pub(super) fn end_message(out: &mut Vec<u8>, format: LineFormat) {
    if format == LineFormat::Json {
        out.push(b'"');
    }
}

/// Ends the line.
pub(super) fn end(out: &mut Vec<u8>, format: LineFormat) {
    out.extend_from_slice(if format == LineFormat::Json { b"}\n" } else { b"\n" });
}

fn colours(level: Level) -> (&'static str, &'static str) {
    let begin = match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    };
    (begin, "\x1b[0m")
}

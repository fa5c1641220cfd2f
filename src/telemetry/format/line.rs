//! What all lines share: time, level, node, target, message, fields, end.

use tracing::Level;

use super::escape::escape;
use super::time::time_now;
use super::{LineFields, LineFormat, LineTime};

/// What stands between a line's time and its message.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct LineHead<'a> {
    pub(in crate::telemetry) level: Level,
    pub(in crate::telemetry) node: Option<&'a str>,
    pub(in crate::telemetry) target: &'a str,
}

/// Appends one whole line with the present time. `message` is escaped already.
pub(in crate::telemetry) fn put_line(
    out: &mut Vec<u8>,
    format: LineFormat,
    head: LineHead<'_>,
    message: &[u8],
    put_fields: impl FnOnce(&mut LineFields<'_>),
) {
    put_time(out, format, &time_now());
    put_head(out, format, head, message);
    put_fields(&mut LineFields { out, format });
    end_line(out, format);
}

/// Begins a line: appends the time.
pub(in crate::telemetry) fn put_time(out: &mut Vec<u8>, format: LineFormat, time: &LineTime) {
    if format == LineFormat::Json {
        out.extend_from_slice(b"{\"timestamp\":\"");
        out.extend_from_slice(time);
    } else {
        // People need only the time of day.
        out.extend_from_slice(time.get(11..26).unwrap_or(time));
    }
}

/// Appends level, node, target and message. `message` is escaped already.
pub(in crate::telemetry) fn put_head(
    out: &mut Vec<u8>,
    format: LineFormat,
    head: LineHead<'_>,
    message: &[u8],
) {
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
            out.extend_from_slice(message);
            out.push(b'"');
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
            out.extend_from_slice(message);
        }
    }
}

pub(in crate::telemetry) fn end_line(out: &mut Vec<u8>, format: LineFormat) {
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

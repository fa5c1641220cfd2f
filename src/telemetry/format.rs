//! Log lines as bytes: JSON for programs, or text for a terminal. docs/REFERENCE.md describes both formats.

mod escape;
mod event;
mod fields;
mod line;
mod time;

pub(super) use self::event::{EventText, SUPPRESSED};
pub(super) use self::fields::LineFields;
pub(super) use self::line::{LineHead, end_line, put_head, put_line, put_time};
pub(super) use self::time::{LineTime, micros_now, rfc3339, rfc3339_micros};

/// How lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LineFormat {
    /// One JSON object a line, for programs.
    #[default]
    Json,
    /// Text for a terminal.
    Human {
        /// With colours.
        colour: bool,
    },
}

//! The data of the live view of `up`.

use std::time::Duration;

use super::super::network_view::{NodeRow, ViewState};
use super::super::terminal::{Scroll, TerminalKey};

/// The most events that are kept.
pub(super) const EVENTS_MAX: usize = 200;

/// The data of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) file: String,
    pub(super) uptime: Duration,
    pub(super) nodes: Vec<NodeView>,
    pub(super) links: Vec<LinkView>,
    /// Why the last saved file is not in force.
    pub(super) refused_configuration: Option<String>,
    /// Prepares on all links since the start, those of removed nodes included.
    pub(super) prepares: u64,
    /// Oldest first.
    pub(super) events: Vec<EventView>,
    /// The URL of the page, if there is one.
    pub(super) page: Option<String>,
    /// The path of the log.
    pub(super) log: String,
    /// Whether keys are read.
    pub(super) has_keys: bool,
    /// Notes and commands to try.
    pub(super) hints: Vec<Hint>,
}

/// A line below the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    Note(String),
    /// Can be copied also where it does not fit into one line.
    Command(String),
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeView {
    pub(super) row: NodeRow,
    /// The address of its BTP server.
    pub(super) btp: String,
    /// The address of its health server.
    pub(super) health: String,
}

/// One link, from the side of the node that comes first in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkView {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) state: ViewState,
    /// Prepares from `from` to `to`.
    pub(super) forward_per_second: u64,
    /// Prepares from `to` to `from`.
    pub(super) backward_per_second: u64,
    pub(super) in_flight: usize,
    /// Rejects both ways since the start.
    pub(super) rejects: u64,
    /// The code of the last one.
    pub(super) last_code: Option<String>,
    /// The debt of `to` at `from`, in units of `asset`.
    pub(super) balance: i128,
    pub(super) asset: String,
}

/// A peer event or a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventView {
    /// Time of day.
    pub(super) at: String,
    pub(super) node: String,
    pub(super) text: String,
}

/// What of the view is on the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ViewPosition {
    pub(super) part: ViewPart,
    pub(super) scroll: Scroll,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ViewPart {
    /// All tables and the last events.
    #[default]
    All,
    Nodes,
    Links,
    Events,
}

impl ViewPosition {
    /// Moves by a key. `rows`: those of the terminal.
    pub(super) fn press(&mut self, key: TerminalKey, rows: usize) {
        let part = match key {
            TerminalKey::Char('o') | TerminalKey::Escape => ViewPart::All,
            TerminalKey::Char('n') => ViewPart::Nodes,
            TerminalKey::Char('l') => ViewPart::Links,
            TerminalKey::Char('e') => ViewPart::Events,
            key => {
                self.scroll.press(key, rows / 2);
                return;
            }
        };
        *self = Self { part, ..Self::default() };
    }
}

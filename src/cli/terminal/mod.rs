//! What commands with a view on the terminal share: the alternate screen, the keys that a user presses, and the part of
//! a long text that is shown.

mod keys;
mod screen;
mod scroll;

pub(super) use keys::{TerminalKey, TerminalKeys, next_keys};
pub(super) use screen::{Canvas, DetachedScreen, Screen, can_show_view, terminal_canvas};
pub(super) use scroll::Scroll;

//! What commands that run on a terminal share: the alternate screen, the keys that a user presses, the part of a long
//! text that is shown, and the signals that end them.

mod interrupt;
mod keys;
mod screen;
mod scroll;

pub(super) use interrupt::interrupted;
pub(super) use keys::{TerminalKey, TerminalKeys, next_keys};
pub(super) use screen::{Canvas, DetachedScreen, Screen, can_show_view, terminal_canvas};
pub(super) use scroll::Scroll;

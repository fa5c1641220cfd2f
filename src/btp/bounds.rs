//! Bounds of a session that nobody configures.

use std::time::Duration;

/// Unreadable frames and text frames within [`UNREADABLE_WINDOW`] that close a session.
pub(super) const UNREADABLE_MAX: usize = 16;
/// See [`UNREADABLE_MAX`].
pub(super) const UNREADABLE_WINDOW: Duration = Duration::from_secs(60);
/// WebSocket frames, of any kind, that are read before a login is over; a login is one.
pub(super) const FRAMES_BEFORE_LOGIN_MAX: usize = 64;
/// How long the end of a session waits for the peer to take what was said and to answer the close frame.
pub(super) const CLOSE_LINGER: Duration = Duration::from_secs(1);

//! Bounds of a session that nobody configures.

use std::time::Duration;

/// Unreadable frames and text frames within [`UNREADABLE_WINDOW`] that close a session.
pub(super) const UNREADABLE_MAX: usize = 16;
/// See [`UNREADABLE_MAX`].
pub(super) const UNREADABLE_WINDOW: Duration = Duration::from_secs(60);
/// WebSocket frames, of any kind, that are read before a login is over; a login is one.
pub(super) const FRAMES_BEFORE_LOGIN_MAX: usize = 64;
/// Frames that one turn of a session handles. What else was read waits for the next turn, so that others get theirs.
pub(super) const FRAMES_PER_TURN: u32 = 2_048;
/// Time that a turn may take before what else was read waits for the next one.
pub(super) const TURN_TIME: Duration = Duration::from_millis(2);
/// Frames between two looks at the clock.
pub(super) const FRAMES_PER_LOOK: u32 = 128;
/// The longest that a session is not read because its peer sends more than its rate.
pub(super) const HOLD_MAX: Duration = Duration::from_secs(1);
/// How often a peer may send a WebSocket ping or pong that does not count in its rate: keep-alive needs no more.
pub(super) const CONTROL_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of a session waits for the peer to take what was said and to answer the close frame.
pub(super) const CLOSE_LINGER: Duration = Duration::from_secs(1);

//! When to ask again what was refused or not answered.

use std::time::Duration;

use crate::time::MonoTime;

/// After the first failure: a peer that has just logged in may not know yet that it has.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// How long an answer is waited for.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retry(u32);

impl Retry {
    /// Another failure: when to try again. The wait doubles.
    pub(super) fn failed(&mut self, now: MonoTime) -> MonoTime {
        let factor = 1 << self.0.min(10);
        self.0 = self.0.saturating_add(1);
        now.after((FIRST * factor).min(LONGEST))
    }

    /// It worked.
    pub(super) fn succeeded(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soon_at_first_then_every_thirty_seconds() {
        let mut retry = Retry::default();
        let waits: Vec<_> = (0..9).map(|_| retry.failed(MonoTime(0)).0 / 1_000_000).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        retry.succeeded();
        assert_eq!(retry.failed(MonoTime(0)), MonoTime(500_000_000));
        (0..100).for_each(|_| assert!(retry.failed(MonoTime(0)) <= MonoTime(30_000_000_000)));
    }
}

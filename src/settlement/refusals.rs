//! Bounds the lines about requests of engines that are refused. An engine repeats its requests for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::account::AccountId;
use crate::time::MonoTime;

/// The time between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(60);
/// Kinds that are known at a time. A request of a further one is counted with the next line.
const KINDS_MAX: usize = 64;

/// When which refusals were reported: of an account, with a status.
#[derive(Debug, Default)]
pub(super) struct RefusalReports {
    reported: BTreeMap<(Option<AccountId>, u16), MonoTime>,
    suppressed: u64,
}

impl RefusalReports {
    /// How many refusals were not reported since the last line, if this one is reported.
    pub(super) fn take_due(
        &mut self,
        account: Option<&AccountId>,
        status: u16,
        now: MonoTime,
    ) -> Option<u64> {
        self.reported.retain(|_, at| now.since(*at) < PAUSE);
        let kind = (account.cloned(), status);
        if self.reported.len() >= KINDS_MAX || self.reported.contains_key(&kind) {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.reported.insert(kind, now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_one_line_a_minute_and_all_kinds_are_bounded() {
        let at = |seconds: u64| MonoTime::default().after(Duration::from_secs(seconds));
        let mut reports = RefusalReports::default();
        let c: AccountId = "c".parse().unwrap();
        assert_eq!(reports.take_due(Some(&c), 401, at(0)), Some(0));
        assert_eq!(reports.take_due(Some(&c), 401, at(1)), None);
        assert_eq!(reports.take_due(Some(&c), 404, at(1)), Some(1));
        assert_eq!(reports.take_due(None, 404, at(1)), Some(0));
        assert_eq!(reports.take_due(Some(&c), 401, at(60)), Some(0));
        for number in 0..200_u64 {
            let peer: AccountId = format!("peer{number}").parse().unwrap();
            reports.take_due(Some(&peer), 404, at(60));
        }
        assert_eq!(reports.reported.len(), KINDS_MAX);
        assert_eq!(reports.take_due(Some(&c), 401, at(120)), Some(200 - (64 - 3)));
    }
}

//! Requests of clients without a right. They can be repeated at will, so only some of them have a line; the others are
//! counted, so that a flood cannot fill the disk. No IO, no clock.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::line::{AuditLineKind, AuditOutcome, AuditRecord, LineContent};
use crate::net::RemoteAddress;
use crate::time::MonoTime;

/// Lines in one [`PERIOD`].
const LINES_MAX: u32 = 10;
const PERIOD: Duration = Duration::from_secs(60);
/// Addresses that a line about the others names.
const ADDRESSES_MAX: usize = 8;

/// A request of a client without a right to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedAccess {
    /// The id of its token if it has one that is known, else `-`.
    pub who: String,
    /// Where it comes from.
    pub remote: RemoteAddress,
    /// Method and path.
    pub request: String,
    /// Whether it would have changed something.
    pub is_verb: bool,
    /// Why it was refused.
    pub why: String,
}

/// Decides which of them have a line.
#[derive(Debug, Default)]
pub(super) struct RefusedAccesses {
    period_start: Option<MonoTime>,
    lines: u32,
    counted: u64,
    addresses: BTreeSet<IpAddr>,
    has_more_addresses: bool,
}

impl RefusedAccesses {
    /// The line of a request; `None`: it is counted.
    pub(super) fn admit(&mut self, access: &RefusedAccess, now: MonoTime) -> Option<LineContent> {
        // A due summary comes first, even if requests never stop.
        let is_over = |start| now.since(start) >= PERIOD;
        if self.counted == 0 && self.period_start.is_none_or(is_over) {
            self.period_start = Some(now);
            self.lines = 0;
        }
        if self.lines == LINES_MAX {
            self.count(access.remote.ip());
            return None;
        }
        self.lines += 1;
        Some(line_of(access))
    }

    fn count(&mut self, address: IpAddr) {
        self.counted += 1;
        match self.addresses.len() < ADDRESSES_MAX {
            true => drop(self.addresses.insert(address)),
            false => self.has_more_addresses |= !self.addresses.contains(&address),
        }
    }

    /// Requests that nothing else is known about.
    pub(super) fn count_unknown(&mut self, number: u64, now: MonoTime) {
        if number > 0 {
            self.period_start.get_or_insert(now);
            self.counted += number;
            self.has_more_addresses = true;
        }
    }

    /// The time until [`Self::summary`] is due.
    pub(super) fn due_in(&self, now: MonoTime) -> Option<Duration> {
        let start = self.period_start.filter(|_| self.counted > 0)?;
        Some(PERIOD.saturating_sub(now.since(start)))
    }

    /// The line about those that were counted, if there are any.
    pub(super) fn summary(&mut self) -> Option<LineContent> {
        let Self { counted, addresses, has_more_addresses, .. } = std::mem::take(self);
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let mut parameters = Map::from_iter([
            ("count".to_owned(), json!(counted)),
            ("from".to_owned(), json!(addresses)),
        ]);
        if has_more_addresses {
            parameters.insert("andOthers".to_owned(), Value::Bool(true));
        }
        let detail = "more requests without a right came than have a line of their own".to_owned();
        (counted > 0).then(|| LineContent {
            outcome: Some(AuditOutcome::Refused),
            detail: Some(detail),
            ..LineContent::of_file(AuditLineKind::Access, parameters)
        })
    }
}

fn line_of(access: &RefusedAccess) -> LineContent {
    let record = AuditRecord {
        who: access.who.clone(),
        remote: access.remote.to_string(),
        verb: if access.is_verb { "request" } else { "read" }.to_owned(),
        target: access.request.clone(),
        parameters: Map::new(),
        reason: None,
    };
    LineContent {
        kind: AuditLineKind::Access,
        detail: Some(access.why.clone()),
        ..LineContent::of_verb(record, AuditOutcome::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_minute_and_then_a_count() {
        let mut accesses = RefusedAccesses::default();
        let at = |seconds: u64| MonoTime(seconds * 1_000_000_000);
        let access = |host: u8| RefusedAccess {
            who: "-".to_owned(),
            remote: RemoteAddress::new([192, 0, 2, host].into(), Some(5000)),
            request: "POST /api/v1/nodes/a/peers/b/suspend".to_owned(),
            is_verb: true,
            why: "the token is wrong".to_owned(),
        };
        for _ in 0..10 {
            let line = accesses.admit(&access(1), at(5)).unwrap();
            assert_eq!(
                (line.kind, line.outcome),
                (AuditLineKind::Access, Some(AuditOutcome::Refused))
            );
            assert_eq!(accesses.due_in(at(5)), None);
        }
        for host in 0..19 {
            assert_eq!(accesses.admit(&access(host), at(15)), None);
        }
        // Requests that come all the time do not put off the line about them.
        assert_eq!(accesses.admit(&access(19), at(65)), None);
        assert_eq!(accesses.due_in(at(65)), Some(Duration::ZERO));
        accesses.count_unknown(5, at(15));
        assert_eq!(accesses.due_in(at(25)), Some(Duration::from_secs(40)));
        let summary = accesses.summary().unwrap();
        assert_eq!(summary.parameters["count"], 25);
        assert_eq!(summary.parameters["from"].as_array().unwrap().len(), ADDRESSES_MAX);
        assert_eq!(summary.parameters["andOthers"], true);
        assert_eq!(accesses.summary(), None);
        assert!(accesses.admit(&access(1), at(66)).is_some());
    }
}

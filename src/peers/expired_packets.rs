//! Finds the neighbours with whom most packets have expired on arrival: then the clock of a machine is usually wrong.
//!
//! Counts since the start come in, findings go out; `node` looks every few seconds. A finding stays for a while, so
//! that an operator who looks between two packets reads it too.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::account::AccountId;
use crate::time::MonoTime;

/// Fewer expired packets between two looks are no finding: a sender may have allowed too little time.
const EXPIRED_MIN: u64 = 5;
/// How long a finding is shown.
const SHOWN: Duration = Duration::from_secs(60);

/// Which end has found packets expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpiredAt {
    /// This node: those of the peer.
    ThisNode,
    /// The peer, or a node behind it: those of this node.
    Peer,
}

/// Packets since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrivedPackets {
    /// All of them.
    pub all: u64,
    /// Those that had expired.
    pub expired: u64,
}

/// A neighbour, and what was counted between the last two looks that found something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredPackets {
    /// The neighbour.
    pub peer: AccountId,
    /// Where they were found expired.
    pub at: ExpiredAt,
    /// The packets.
    pub packets: ArrivedPackets,
}

/// What is found in counts that are looked at again and again. It has one entry for each configured peer and end.
#[derive(Debug, Default)]
pub struct ExpiryWatch(Mutex<BTreeMap<(AccountId, ExpiredAt), Watched>>);

#[derive(Debug, Default)]
struct Watched {
    counts: ArrivedPackets,
    found: Option<(ArrivedPackets, MonoTime)>,
}

impl ExpiryWatch {
    /// Takes the counts of all peers, and forgets peers that are not among them.
    pub fn look(
        &self,
        counts: impl IntoIterator<Item = (AccountId, ExpiredAt, ArrivedPackets)>,
        now: MonoTime,
    ) {
        let mut watched = self.0.lock();
        let mut before = std::mem::take(&mut *watched);
        for (peer, at, counts) in counts {
            let key = (peer, at);
            let old = before.remove(&key).unwrap_or_default();
            let packets = ArrivedPackets {
                all: counts.all.saturating_sub(old.counts.all),
                expired: counts.expired.saturating_sub(old.counts.expired),
            };
            let is_found = packets.expired >= EXPIRED_MIN && packets.expired > packets.all / 2;
            let found = if is_found { Some((packets, now)) } else { old.found };
            watched.insert(key, Watched { counts, found });
        }
    }

    /// The neighbours of whom there was a finding lately.
    pub fn findings(&self, now: MonoTime) -> Vec<ExpiredPackets> {
        let watched = self.0.lock();
        let found = watched.iter().filter_map(|((peer, at), watched)| {
            let (packets, _) = watched.found.filter(|(_, seen)| now.since(*seen) < SHOWN)?;
            Some(ExpiredPackets { peer: peer.clone(), at: *at, packets })
        });
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> MonoTime {
        MonoTime(seconds * 1_000_000_000)
    }

    #[test]
    fn a_neighbour_whose_packets_mostly_expire_is_found_for_a_while() {
        let watch = ExpiryWatch::default();
        let bob: AccountId = "bob".parse().unwrap();
        let look = |all, expired, now| {
            let counts = ArrivedPackets { all, expired };
            watch.look([(bob.clone(), ExpiredAt::ThisNode, counts)], at(now));
            watch.findings(at(now)).into_iter().map(|found| found.packets).collect::<Vec<_>>()
        };
        assert_eq!(look(1_000, 400, 0), [], "fewer than half of all since the start");
        assert_eq!(look(1_004, 404, 5), [], "too few");
        assert_eq!(look(1_014, 409, 10), [], "half of them");
        let found = ArrivedPackets { all: 10, expired: 9 };
        assert_eq!(look(1_024, 418, 15), [found]);
        assert_eq!(look(1_124, 418, 20), [found], "the last finding is shown");
        assert_eq!(watch.findings(at(74)).len(), 1);
        assert_eq!(watch.findings(at(75)), []);
        // A peer that is gone is forgotten.
        assert_eq!(look(2_000, 1_390, 80).len(), 1);
        watch.look([], at(81));
        assert_eq!(watch.findings(at(81)), []);
    }
}

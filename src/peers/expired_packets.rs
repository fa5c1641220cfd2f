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
    /// Those that had expired. A finding has no more of them than of all.
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
    /// Takes the counts of all peers, and forgets peers that are not among them. The first look at a peer finds
    /// nothing: if it was removed and added again, its counts may include packets from before.
    pub fn look(
        &self,
        counts: impl IntoIterator<Item = (AccountId, ExpiredAt, ArrivedPackets)>,
        now: MonoTime,
    ) {
        let mut watched = self.0.lock();
        let mut before = std::mem::take(&mut *watched);
        for (peer, at, counts) in counts {
            let key = (peer, at);
            let found = before.remove(&key).and_then(|old| {
                let all = counts.all.saturating_sub(old.counts.all);
                // The answer of a packet may come a look later than the packet.
                let expired = counts.expired.saturating_sub(old.counts.expired).min(all);
                let is_found = expired >= EXPIRED_MIN && expired > all / 2;
                if is_found { Some((ArrivedPackets { all, expired }, now)) } else { old.found }
            });
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
        assert_eq!(look(1_000, 400, 0), [], "the first look");
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
        // It is added again: what was counted before is no finding.
        assert_eq!(look(2_000, 1_390, 86), []);
        assert_eq!(look(2_000, 1_390, 91), []);
        let found = ArrivedPackets { all: 6, expired: 6 };
        assert_eq!(look(2_006, 1_396, 96), [found]);
        // Both between two looks: the packets begin at zero, and the Rejects do not.
        assert_eq!(look(8, 1_406, 160), []);
        assert_eq!(look(18, 1_412, 165), [ArrivedPackets { all: 10, expired: 6 }]);
    }

    #[test]
    fn no_more_packets_expire_than_there_are() {
        let watch = ExpiryWatch::default();
        let look = |all, expired, now| {
            let counts = ArrivedPackets { all, expired };
            watch.look([("bob".parse().unwrap(), ExpiredAt::Peer, counts)], at(now));
            watch.findings(at(now)).into_iter().map(|found| found.packets).collect::<Vec<_>>()
        };
        assert_eq!(look(0, 0, 0), [], "a peer that is known at the start");
        assert_eq!(look(20, 0, 5), []);
        // The answers of the packets before come with these.
        assert_eq!(look(26, 20, 10), [ArrivedPackets { all: 6, expired: 6 }]);
        assert_eq!(look(26, 40, 71), []);
    }
}

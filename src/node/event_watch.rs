//! Looks every second for what is an event: exposures, peers that are down, payments that receivers got.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};

use crate::account::{AccountId, Relation};
use crate::api::NodeStatus;
use crate::books::{EventId, EventKind, EventLevel, NewEvent};
use crate::connector::Exposure;
use crate::machine;
use crate::peers::{NodeContext, PeerSnapshot, PeerState};

const INTERVAL: Duration = Duration::from_secs(1);
/// A peer without a session is down after this time.
const DOWN_AFTER: Duration = Duration::from_secs(30);
/// An exposure is over this many points below the share at which it began.
const HYSTERESIS_PERCENT: u8 = 10;

/// Looks until it is dropped.
pub(super) async fn run(context: Arc<NodeContext>, status: Arc<NodeStatus>) {
    let mut exposures = Exposures::default();
    let mut down = DownPeers::default();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let connector = &context.connector;
        exposures.look(connector.exposures()).into_iter().for_each(|one| status.record_event(one));
        let mut peers = context.peers.snapshot();
        peers.retain(|peer| is_watched(&context, &status, &peer.id));
        down.look(&peers, machine::time_of_day())
            .into_iter()
            .for_each(|one| status.record_event(one));
        let new_id = || EventId::from_random(machine::random());
        let announced = connector.announce_payments(context.clock.now().wall, new_id);
        announced.into_iter().for_each(|event| status.log_event(event));
    }
}

/// Whether it is an event that this peer is down. Not of a child without `required`: programs come and go.
fn is_watched(context: &NodeContext, status: &NodeStatus, id: &AccountId) -> bool {
    let Some(account) = context.connector.account(id.as_str()) else { return false };
    let batch = context.connector.start_batch(context.clock.now());
    let relation = batch.settings(&account).map(|settings| settings.relation);
    relation != Some(Relation::Child) || status.is_required(id)
}

/// The accounts whose exposure is high or low now.
#[derive(Debug, Default)]
struct Exposures(BTreeMap<AccountId, EventKind>);

impl Exposures {
    fn look(&mut self, now: Vec<Exposure>) -> Vec<NewEvent> {
        let mut events = Vec::new();
        let known: BTreeSet<_> = now.iter().map(|one| one.account.clone()).collect();
        self.0.retain(|account, _| known.contains(account));
        for exposure in now {
            let before = self.0.get(&exposure.account).copied();
            let at = exposure.alert_percent;
            let still = at.saturating_sub(HYSTERESIS_PERCENT);
            let high = exposure.percent_of_max();
            let low = exposure.percent_of_min();
            let state = if high >= at.into() {
                Some(EventKind::ExposureHigh)
            } else if low >= at.into() {
                Some(EventKind::ExposureLow)
            } else {
                before.filter(|kind| match kind {
                    EventKind::ExposureHigh => high > still.into(),
                    _ => low > still.into(),
                })
            };
            if state == before {
                continue;
            }
            events.push(exposure_event(&exposure, state));
            match state {
                Some(kind) => drop(self.0.insert(exposure.account, kind)),
                None => drop(self.0.remove(&exposure.account)),
            }
        }
        events
    }
}

fn exposure_event(exposure: &Exposure, state: Option<EventKind>) -> NewEvent {
    let Exposure { account, asset, owed_to_us, owed_by_us, .. } = exposure;
    let limit = |limit: Option<u128>| limit.map_or("none".to_owned(), |limit| limit.to_string());
    let (max, min) = (limit(exposure.max), limit(exposure.min));
    let (level, kind, text) = match state {
        Some(kind @ EventKind::ExposureHigh) => (
            EventLevel::Warn,
            kind,
            format!(
                "{account} owes us {owed_to_us} of at most {max} units of {asset} ({} %)",
                exposure.percent_of_max()
            ),
        ),
        Some(kind) => (
            EventLevel::Warn,
            kind,
            format!(
                "we owe {account} {owed_by_us} of at most {min} units of {asset} ({} %)",
                exposure.percent_of_min()
            ),
        ),
        None => (
            EventLevel::Info,
            EventKind::ExposureNormal,
            format!("the balance with {account} is far from its limits again"),
        ),
    };
    NewEvent {
        level,
        kind,
        text,
        peer: Some(account.to_string()),
        fields: vec![
            ("owedToUs", owed_to_us.to_string()),
            ("owedByUs", owed_by_us.to_string()),
            ("maxBalance", max),
            ("minBalance", if min == "none" { min } else { format!("-{min}") }),
            ("assetCode", asset.code.to_string()),
            ("assetScale", asset.scale.to_string()),
        ],
    }
}

/// The peers that are down now.
#[derive(Debug, Default)]
struct DownPeers(BTreeSet<AccountId>);

impl DownPeers {
    fn look(&mut self, peers: &[PeerSnapshot], now: SystemTime) -> Vec<NewEvent> {
        let mut events = Vec::new();
        self.0.retain(|id| peers.iter().any(|peer| peer.id == *id));
        for peer in peers {
            let is_known = self.0.contains(&peer.id);
            let silent = now.duration_since(peer.since).is_ok_and(|age| age >= DOWN_AFTER);
            let is_down = match peer.state {
                PeerState::Connected | PeerState::Suspended => false,
                // A state before the first attempt, or between two of them, does not begin again.
                PeerState::Down => true,
                _ => is_known || silent,
            };
            if is_down == is_known {
                continue;
            }
            let id = peer.id.to_string();
            if is_down {
                self.0.insert(peer.id.clone());
                let why = peer.last_error.as_deref().unwrap_or("it has no session");
                events.push(peer_event(EventLevel::Warn, EventKind::PeerDown, id, why));
            } else {
                self.0.remove(&peer.id);
                if peer.state == PeerState::Connected {
                    let why = "it has connected";
                    events.push(peer_event(EventLevel::Info, EventKind::PeerUp, id, why));
                }
            }
        }
        events
    }
}

fn peer_event(level: EventLevel, kind: EventKind, peer: String, why: &str) -> NewEvent {
    let state = if kind == EventKind::PeerDown { "down" } else { "up" };
    let text = format!("{peer} is {state}: {why}");
    NewEvent { level, kind, text, peer: Some(peer), fields: vec![("why", why.to_owned())] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Asset;
    use crate::peers::PeerCounts;

    fn exposure(to_us: u128, by_us: u128) -> Exposure {
        Exposure {
            account: "c".parse().unwrap(),
            asset: Asset::default(),
            owed_to_us: to_us,
            owed_by_us: by_us,
            max: Some(1_000),
            min: Some(500),
            alert_percent: 80,
        }
    }

    #[test]
    fn each_crossing_of_a_limit_is_one_event_in_both_directions() {
        let mut exposures = Exposures::default();
        let mut kinds = |to_us, by_us| {
            let events = exposures.look(vec![exposure(to_us, by_us)]);
            events.into_iter().map(|event| event.kind.as_str()).collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(kinds(799, 0), none);
        assert_eq!(kinds(800, 0), ["exposure.high"]);
        // Around the limit, and above it.
        assert_eq!(kinds(799, 0), none);
        assert_eq!(kinds(2_000, 0), none);
        assert_eq!(kinds(710, 0), none);
        assert_eq!(kinds(700, 0), ["exposure.normal"]);
        assert_eq!(kinds(0, 400), ["exposure.low"]);
        assert_eq!(kinds(0, 355), none);
        // From one limit to the other.
        assert_eq!(kinds(900, 0), ["exposure.high"]);
        assert_eq!(kinds(0, 0), ["exposure.normal"]);
        assert_eq!(kinds(0, 0), none);
    }

    #[test]
    fn without_a_limit_nothing_is_reported() {
        let without = Exposure { max: None, min: None, ..exposure(5_000, 5_000) };
        assert_eq!(Exposures::default().look(vec![without]), []);
    }

    fn peer(state: PeerState, since_s: u64) -> PeerSnapshot {
        PeerSnapshot {
            id: "c".parse().unwrap(),
            state,
            since: SystemTime::UNIX_EPOCH + Duration::from_secs(since_s),
            last_error: Some("refused".to_owned()),
            last_attempt_failure: None,
            last_refused_login: None,
            sessions: 0,
            counts: PeerCounts::default(),
        }
    }

    #[test]
    fn a_peer_is_down_after_thirty_seconds_and_up_with_its_next_session() {
        let mut down = DownPeers::default();
        let mut kinds = |state, since_s, now_s| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now_s);
            let events = down.look(&[peer(state, since_s)], now);
            events.into_iter().map(|event| event.kind.as_str()).collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(kinds(PeerState::Connected, 0, 100), none);
        assert_eq!(kinds(PeerState::Disconnected, 100, 129), none);
        assert_eq!(kinds(PeerState::Disconnected, 100, 130), ["peer.down"]);
        assert_eq!(kinds(PeerState::Connecting, 140, 141), none);
        assert_eq!(kinds(PeerState::Connected, 150, 150), ["peer.up"]);
        assert_eq!(kinds(PeerState::Down, 160, 160), ["peer.down"]);
        // An operator suspends it: neither up nor down.
        assert_eq!(kinds(PeerState::Suspended, 170, 270), none);
    }
}

//! Whether a node is healthy, and why not (D6). No IO, no clock.

use std::time::Duration;

use serde::Serialize;

use crate::account::AccountId;
use crate::net::ClockJump;
use crate::peers::{ArrivedPackets, ExpiredAt, ExpiredPackets};

/// Reasons that are listed; further ones are counted.
const REASONS_MAX: usize = 8;
/// For how long a jump of the system clock is among the reasons.
const JUMP_LISTED: Duration = Duration::from_secs(300);

/// The `status` of `/health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Never healthy yet, but within the time that a start may take.
    Starting,
    /// It listens, has an address, and every required peer is connected.
    Healthy,
    /// None of the others.
    Unhealthy,
    /// Another process has the books; this one takes over when that ends.
    Standby,
    Stopping,
}

impl HealthStatus {
    /// As in JSON.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Standby => "standby",
            Self::Stopping => "stopping",
        }
    }
}

/// The state of one peer, as far as health depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PeerHealth {
    pub(super) id: AccountId,
    /// The node is not healthy without it.
    pub(super) required: bool,
    pub(super) connected: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HealthInput {
    pub(super) stopping: bool,
    /// For how long the threads that move packets have not run.
    pub(super) hung_for: Option<Duration>,
    /// Why the node does not have its books yet, if it waits for them.
    pub(super) standby: Option<String>,
    /// Why the store cannot be written, if it cannot.
    pub(super) store_failure: Option<String>,
    /// The configuration names this node (D17).
    pub(super) listed: bool,
    pub(super) has_address: bool,
    pub(super) was_healthy: bool,
    pub(super) uptime: Duration,
    /// How long it may be `starting`.
    pub(super) start_timeout: Duration,
    pub(super) peers: Vec<PeerHealth>,
    /// What operators have changed for a time.
    pub(super) overrides: Vec<String>,
    /// Settlements that are debited, and that no engine pays now.
    pub(super) settlements: Vec<String>,
    /// Neighbours with whom most packets expire.
    pub(super) expired_packets: Vec<ExpiredPackets>,
    /// The last jump of the system clock, and its age.
    pub(super) clock_jump: Option<(ClockJump, Duration)>,
}

/// Why the node itself cannot take packets, whatever its peers do. Empty: it is ready.
pub(super) fn reasons_not_ready(input: &HealthInput) -> Vec<String> {
    reasons(&HealthInput { peers: Vec::new(), ..input.clone() })
}

/// The answer of `/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) status: HealthStatus,
    /// Why it is not healthy, and what else an operator should know.
    pub(super) reasons: Vec<String>,
}

/// Healthy means that the node has an address and all required peers are connected. [row 138]
pub(super) fn health(input: &HealthInput) -> Health {
    let mut reasons = reasons(input);
    let status = if input.stopping {
        HealthStatus::Stopping
    } else if input.standby.is_some() {
        HealthStatus::Standby
    } else if reasons.is_empty() {
        HealthStatus::Healthy
    } else if input.hung_for.is_none()
        && input.store_failure.is_none()
        && input.listed
        && !input.was_healthy
        && input.uptime < input.start_timeout
    {
        HealthStatus::Starting
    } else {
        HealthStatus::Unhealthy
    };
    // A restart would end what an operator wants, so it does not make the node unhealthy.
    let more = input.overrides.len().saturating_sub(REASONS_MAX);
    reasons.extend(input.overrides.iter().take(REASONS_MAX).cloned());
    if more > 0 {
        reasons.push(format!("operators have changed {more} more peers for a time"));
    }
    // The debt stays on record, and packets pass.
    let more = input.settlements.len().saturating_sub(REASONS_MAX);
    reasons.extend(input.settlements.iter().take(REASONS_MAX).cloned());
    if more > 0 {
        reasons.push(format!("{more} more settlements wait for their engines"));
    }
    // Neither a restart nor less traffic would correct the clock, so a jump does not make the node unhealthy.
    reasons.extend(clock_reason(input.clock_jump));
    reasons.extend(input.expired_packets.iter().take(REASONS_MAX).map(expired_reason));
    Health { status, reasons }
}

fn expired_reason(found: &ExpiredPackets) -> String {
    let ExpiredPackets { peer, at, packets } = found;
    let ArrivedPackets { all, expired } = packets;
    let (whose, end) = match at {
        ExpiredAt::ThisNode => ("from", "here"),
        ExpiredAt::Peer => ("to", "there, or further on"),
    };
    format!(
        "{expired} of {all} packets {whose} {peer} had expired when they arrived {end}; the clock of a machine is probably \
         wrong: compare the time of both"
    )
}

fn clock_reason(jump: Option<(ClockJump, Duration)>) -> Option<String> {
    let (jump, ago) = jump.filter(|(_, ago)| *ago < JUMP_LISTED)?;
    let sign = if jump.by_ms < 0 { '-' } else { '+' };
    let (seconds, millis) = (jump.by_ms.unsigned_abs() / 1000, jump.by_ms.unsigned_abs() % 1000);
    Some(format!(
        "the system clock jumped by {sign}{seconds}.{millis:03} s, {} s ago; packets expire by the time of day, so check \
         the time service of this machine",
        ago.as_secs()
    ))
}

fn reasons(input: &HealthInput) -> Vec<String> {
    let mut reasons = Vec::new();
    if input.stopping {
        reasons.push("the node is stopping".to_owned());
    }
    if let Some(reason) = &input.standby {
        // It has no session, and no address from a parent: nothing else matters.
        reasons.push(reason.clone());
        return reasons;
    }
    if let Some(time) = input.hung_for {
        let seconds = time.as_secs();
        reasons.push(format!("the threads that move packets have not run for {seconds} s"));
    }
    if let Some(failure) = &input.store_failure {
        reasons.push(format!("the store cannot be written: {failure}"));
    }
    if !input.listed {
        reasons.push("the configuration no longer names this node".to_owned());
    }
    if !input.has_address {
        reasons.push("no ILP address yet: the parent has not assigned one".to_owned());
    }
    let missing = || input.peers.iter().filter(|peer| peer.required && !peer.connected);
    let room = REASONS_MAX.saturating_sub(reasons.len());
    let named = missing().take(room);
    reasons.extend(named.map(|peer| format!("required peer {} is not connected", peer.id)));
    let more = missing().count().saturating_sub(room);
    if more > 0 {
        reasons.push(format!("{more} more required peers are not connected"));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::HealthStatus::{Healthy, Standby, Starting, Stopping, Unhealthy};
    use super::*;

    fn input(peers: &[(&str, bool, bool)]) -> HealthInput {
        let peers = peers.iter().map(|&(id, required, connected)| PeerHealth {
            id: id.parse().unwrap(),
            required,
            connected,
        });
        HealthInput {
            stopping: false,
            hung_for: None,
            standby: None,
            store_failure: None,
            listed: true,
            has_address: true,
            was_healthy: false,
            uptime: Duration::ZERO,
            start_timeout: Duration::from_secs(30),
            peers: peers.collect(),
            overrides: Vec::new(),
            settlements: Vec::new(),
            expired_packets: Vec::new(),
            clock_jump: None,
        }
    }

    fn check(input: &HealthInput, status: HealthStatus, reasons: &[&str]) {
        let health = health(input);
        assert_eq!(health.status, status);
        assert_eq!(health.reasons, reasons);
    }

    #[test]
    fn healthy_means_that_all_required_peers_are_connected() {
        check(&input(&[]), Healthy, &[]);
        check(&input(&[("a", true, true), ("b", false, false)]), Healthy, &[]);
        let bob = "required peer bob is not connected";
        let waiting = input(&[("alice", true, true), ("bob", true, false)]);
        check(&waiting, Starting, &[bob]);
        check(&HealthInput { was_healthy: true, ..waiting.clone() }, Unhealthy, &[bob]);
        let no_address = "no ILP address yet: the parent has not assigned one";
        check(&HealthInput { has_address: false, ..input(&[]) }, Starting, &[no_address]);
        check(&HealthInput { has_address: false, ..waiting }, Starting, &[no_address, bob]);
    }

    #[test]
    fn what_operators_have_changed_is_listed_and_changes_no_status() {
        let overrides = vec!["an operator has suspended peer c".to_owned()];
        let suspended =
            HealthInput { overrides: overrides.clone(), ..input(&[("c", false, false)]) };
        check(&suspended, Healthy, &[&overrides[0]]);
        let many = HealthInput { overrides: vec![overrides[0].clone(); 10], ..suspended };
        assert_eq!(health(&many).reasons.len(), REASONS_MAX + 1);
        assert_eq!(
            health(&many).reasons[REASONS_MAX],
            "operators have changed 2 more peers for a time"
        );
    }

    #[test]
    fn settlements_that_wait_are_listed_and_change_no_status() {
        let waits = "the settlement with c of 2026-03-01T12:00:00.000Z is not paid: it is paused";
        let failing = HealthInput { settlements: vec![waits.to_owned()], ..input(&[]) };
        check(&failing, Healthy, &[waits]);
        assert_eq!(reasons_not_ready(&failing), [""; 0]);
        let many = HealthInput { settlements: vec![waits.to_owned(); 10], ..failing };
        let reasons = health(&many).reasons;
        assert_eq!((reasons.len(), &*reasons[8]), (9, "2 more settlements wait for their engines"));
    }

    #[test]
    fn starting_ends_after_the_timeout() {
        let waiting = input(&[("bob", true, false)]);
        let after = |uptime| health(&HealthInput { uptime, ..waiting.clone() }).status;
        assert_eq!(after(Duration::from_millis(29_999)), Starting);
        assert_eq!(after(Duration::from_secs(30)), Unhealthy);
    }

    #[test]
    fn stopping_and_unlisted_come_first() {
        let reason = "the node is stopping";
        check(&HealthInput { stopping: true, ..input(&[("a", true, true)]) }, Stopping, &[reason]);
        let reason = "the configuration no longer names this node";
        check(&HealthInput { listed: false, ..input(&[]) }, Unhealthy, &[reason]);
        check(
            &HealthInput { listed: false, was_healthy: true, ..input(&[]) },
            Unhealthy,
            &[reason],
        );
        let both = HealthInput { listed: false, stopping: true, ..input(&[]) };
        assert_eq!(health(&both).status, Stopping);
    }

    #[test]
    fn packets_that_mostly_expire_are_listed_and_change_no_status() {
        let packets = ArrivedPackets { all: 60, expired: 57 };
        let found = |at| ExpiredPackets { peer: "bob".parse().unwrap(), at, packets };
        let expired_packets = vec![found(ExpiredAt::ThisNode), found(ExpiredAt::Peer)];
        let health = health(&HealthInput { expired_packets, ..input(&[]) });
        assert_eq!(health.status, HealthStatus::Healthy);
        let advice = "the clock of a machine is probably wrong: compare the time of both";
        let expected = [
            format!("57 of 60 packets from bob had expired when they arrived here; {advice}"),
            format!(
                "57 of 60 packets to bob had expired when they arrived there, or further on; {advice}"
            ),
        ];
        assert_eq!(health.reasons, expected);
    }

    #[test]
    fn a_clock_jump_is_listed_for_a_while_and_changes_no_status() {
        let jumped = |by_ms, ago| {
            let jump = ClockJump { by_ms, at: crate::time::MonoTime(0) };
            let clock_jump = Some((jump, Duration::from_millis(ago)));
            health(&HealthInput { clock_jump, ..input(&[]) })
        };
        let health = jumped(-3_600_020, 2_900);
        assert_eq!(health.status, Healthy);
        assert!(health.reasons[0].contains("jumped by -3600.020 s, 2 s ago"), "{health:?}");
        assert!(jumped(501, 0).reasons[0].contains("by +0.501 s"));
        assert_eq!(jumped(501, 300_000).reasons, Vec::<String>::new());
    }

    #[test]
    fn a_hanging_node_is_not_healthy() {
        let hung = HealthInput { hung_for: Some(Duration::from_millis(5_500)), ..input(&[]) };
        check(&hung, Unhealthy, &["the threads that move packets have not run for 5 s"]);
        assert_eq!(reasons_not_ready(&hung).len(), 1);
    }

    #[test]
    fn a_node_that_cannot_save_its_books_is_not_healthy() {
        let failing = HealthInput { store_failure: Some("disk full".to_owned()), ..input(&[]) };
        check(&failing, Unhealthy, &["the store cannot be written: disk full"]);
        assert_eq!(reasons_not_ready(&failing).len(), 1);
    }

    #[test]
    fn a_standby_says_only_what_it_waits_for() {
        let reason = "process 7 on host a has the books";
        let standby = input(&[("bob", true, false)]);
        let standby =
            HealthInput { standby: Some(reason.to_owned()), has_address: false, ..standby };
        check(&standby, Standby, &[reason]);
        assert_eq!(reasons_not_ready(&standby), [reason]);
        check(
            &HealthInput { stopping: true, ..standby },
            Stopping,
            &["the node is stopping", reason],
        );
    }

    #[test]
    fn ready_does_not_count_peers() {
        let waiting = input(&[("bob", true, false)]);
        assert_eq!(reasons_not_ready(&waiting), [""; 0]);
        for (not, reason) in [
            (HealthInput { stopping: true, ..waiting.clone() }, "stopping"),
            (HealthInput { listed: false, ..waiting.clone() }, "no longer names"),
            (HealthInput { has_address: false, ..waiting }, "no ILP address"),
        ] {
            let reasons = reasons_not_ready(&not);
            assert!(matches!(&*reasons, [only] if only.contains(reason)), "{reasons:?}");
        }
    }

    #[test]
    fn reasons_are_bounded() {
        let peers: Vec<_> = (0..10_000).map(|number| format!("p{number:05}")).collect();
        let peers: Vec<_> = peers.iter().map(|id| (id.as_str(), true, false)).collect();
        let reasons = health(&HealthInput { has_address: false, ..input(&peers) }).reasons;
        assert_eq!(reasons.len(), REASONS_MAX + 1);
        assert_eq!(reasons[8], "9993 more required peers are not connected");
    }
}

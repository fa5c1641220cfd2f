//! Whether a node is ready, and what it is called while it is not (D6). No IO, no clock.

use std::time::Duration;

use serde::Serialize;

use crate::account::AccountId;
use crate::net::ClockJump;

/// Reasons that are given one by one; the rest is counted.
const REASONS_MAX: usize = 8;
/// How long a jump of the system clock is among the reasons.
const JUMP_SHOWN: Duration = Duration::from_secs(300);

/// What a node is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Not ready yet, and not long enough for that to be a fault.
    Starting,
    /// Ready: it listens, has an address, and every required peer is connected.
    Healthy,
    /// Not ready.
    Unhealthy,
    /// Told to stop.
    Stopping,
}

/// How one peer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PeerStanding {
    /// Who.
    pub(super) id: AccountId,
    /// The node is not ready without it.
    pub(super) required: bool,
    /// Any session is up.
    pub(super) connected: bool,
}

/// What decides about health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HealthInput {
    /// The node was told to stop.
    pub(super) stopping: bool,
    /// The threads that move packets have not run for so long.
    pub(super) hung_for: Option<Duration>,
    /// The configuration names this node (D17).
    pub(super) listed: bool,
    /// It has an ILP address.
    pub(super) has_address: bool,
    /// It was ready before.
    pub(super) ever_ready: bool,
    /// Since its start.
    pub(super) uptime: Duration,
    /// How long it may be `starting`.
    pub(super) start_timeout: Duration,
    /// Its peers.
    pub(super) peers: Vec<PeerStanding>,
    /// The last jump of the system clock, and how long ago it was.
    pub(super) clock_jump: Option<(ClockJump, Duration)>,
}

/// Whether the node itself is able to take packets, whatever its peers do: it listens (or nobody could ask), has an
/// address, runs, and goes on. What keeps it from that, else.
pub(super) fn not_ready(input: &HealthInput) -> Vec<String> {
    reasons(&HealthInput { peers: Vec::new(), ..input.clone() })
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) status: HealthStatus,
    /// What keeps it from being healthy, in words; and what an operator should know although it does not.
    pub(super) reasons: Vec<String>,
}

/// Healthy means that the node has an address and all required peers are connected. [row 138]
pub(super) fn judge(input: &HealthInput) -> Health {
    let mut reasons = reasons(input);
    let status = if input.stopping {
        HealthStatus::Stopping
    } else if reasons.is_empty() {
        HealthStatus::Healthy
    } else if input.hung_for.is_none()
        && input.listed
        && !input.ever_ready
        && input.uptime < input.start_timeout
    {
        HealthStatus::Starting
    } else {
        HealthStatus::Unhealthy
    };
    // Neither a restart nor other traffic would mend the clock, so it does not decide.
    reasons.extend(clock_reason(input.clock_jump));
    Health { status, reasons }
}

fn clock_reason(jump: Option<(ClockJump, Duration)>) -> Option<String> {
    let (jump, ago) = jump.filter(|(_, ago)| *ago < JUMP_SHOWN)?;
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
    if let Some(time) = input.hung_for {
        let seconds = time.as_secs();
        reasons.push(format!("the threads that move packets have not run for {seconds} s"));
    }
    if !input.listed {
        reasons.push("the configuration no longer names this node".to_owned());
    }
    if !input.has_address {
        reasons.push("no ILP address yet: the parent has not told one".to_owned());
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
    use super::HealthStatus::{Healthy, Starting, Stopping, Unhealthy};
    use super::*;

    fn input(peers: &[(&str, bool, bool)]) -> HealthInput {
        let peers = peers.iter().map(|&(id, required, connected)| PeerStanding {
            id: id.parse().unwrap(),
            required,
            connected,
        });
        HealthInput {
            stopping: false,
            hung_for: None,
            listed: true,
            has_address: true,
            ever_ready: false,
            uptime: Duration::ZERO,
            start_timeout: Duration::from_secs(30),
            peers: peers.collect(),
            clock_jump: None,
        }
    }

    fn check(input: &HealthInput, status: HealthStatus, reasons: &[&str]) {
        let health = judge(input);
        assert_eq!(
            (health.status, health.reasons.as_slice()),
            (status, reasons_of(reasons).as_slice())
        );
    }

    fn reasons_of(reasons: &[&str]) -> Vec<String> {
        reasons.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ready_means_all_that_is_required() {
        check(&input(&[]), Healthy, &[]);
        check(&input(&[("a", true, true), ("b", false, false)]), Healthy, &[]);
        let bob = "required peer bob is not connected";
        let waiting = input(&[("alice", true, true), ("bob", true, false)]);
        check(&waiting, Starting, &[bob]);
        check(&HealthInput { ever_ready: true, ..waiting.clone() }, Unhealthy, &[bob]);
        let no_address = "no ILP address yet: the parent has not told one";
        check(&HealthInput { has_address: false, ..input(&[]) }, Starting, &[no_address]);
        check(&HealthInput { has_address: false, ..waiting }, Starting, &[no_address, bob]);
    }

    #[test]
    fn starting_ends() {
        let waiting = input(&[("bob", true, false)]);
        let after = |uptime| judge(&HealthInput { uptime, ..waiting.clone() }).status;
        assert_eq!(after(Duration::from_millis(29_999)), Starting);
        assert_eq!(after(Duration::from_secs(30)), Unhealthy);
    }

    #[test]
    fn stopping_and_unlisted_win() {
        let reason = "the node is stopping";
        check(&HealthInput { stopping: true, ..input(&[("a", true, true)]) }, Stopping, &[reason]);
        let reason = "the configuration no longer names this node";
        check(&HealthInput { listed: false, ..input(&[]) }, Unhealthy, &[reason]);
        check(&HealthInput { listed: false, ever_ready: true, ..input(&[]) }, Unhealthy, &[reason]);
        let both = HealthInput { listed: false, stopping: true, ..input(&[]) };
        assert_eq!(judge(&both).status, Stopping);
    }

    #[test]
    fn a_jump_of_the_clock_is_said_for_a_while_and_decides_nothing() {
        let jumped = |by_ms, ago| {
            let jump = ClockJump { by_ms, at: crate::time::MonoTime(0) };
            let clock_jump = Some((jump, Duration::from_millis(ago)));
            judge(&HealthInput { clock_jump, ..input(&[]) })
        };
        let health = jumped(-3_600_020, 2_900);
        assert_eq!(health.status, Healthy);
        assert!(health.reasons[0].contains("jumped by -3600.020 s, 2 s ago"), "{health:?}");
        assert!(jumped(501, 0).reasons[0].contains("by +0.501 s"));
        assert_eq!(jumped(501, 300_000).reasons, Vec::<String>::new());
    }

    #[test]
    fn a_node_whose_packets_stand_still_is_not_healthy() {
        let hung = HealthInput { hung_for: Some(Duration::from_millis(5_500)), ..input(&[]) };
        check(&hung, Unhealthy, &["the threads that move packets have not run for 5 s"]);
        assert_eq!(not_ready(&hung).len(), 1);
    }

    #[test]
    fn ready_does_not_count_peers() {
        let waiting = input(&[("bob", true, false)]);
        assert_eq!(not_ready(&waiting), [""; 0]);
        for (not, reason) in [
            (HealthInput { stopping: true, ..waiting.clone() }, "stopping"),
            (HealthInput { listed: false, ..waiting.clone() }, "no longer names"),
            (HealthInput { has_address: false, ..waiting }, "no ILP address"),
        ] {
            let reasons = not_ready(&not);
            assert!(matches!(&*reasons, [only] if only.contains(reason)), "{reasons:?}");
        }
    }

    #[test]
    fn reasons_are_bounded() {
        let peers: Vec<_> = (0..10_000).map(|number| format!("p{number:05}")).collect();
        let peers: Vec<_> = peers.iter().map(|id| (id.as_str(), true, false)).collect();
        let reasons = judge(&HealthInput { has_address: false, ..input(&peers) }).reasons;
        assert_eq!(reasons.len(), REASONS_MAX + 1);
        assert_eq!(reasons[8], "9993 more required peers are not connected");
    }
}

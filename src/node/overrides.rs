//! What operators have changed at a node for a time. It is never saved: the configuration file stays the truth, and
//! what it says is in force when an override ends. No IO; times are arguments.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::account::AccountId;
use crate::config::NodeConfig;
use crate::observe::{OverrideBody, OverrideKind};
use crate::telemetry::LevelsOverride;
use crate::time::{MonoTime, Now};
use crate::wire::Timestamp;

/// Overrides of a node that run at a time.
pub(super) const OVERRIDES_MAX: usize = 256;

/// What is changed.
#[derive(Debug)]
pub(super) enum OverrideEffect {
    /// A peer is suspended.
    Suspend(AccountId),
    /// A peer is enabled that the file suspends.
    Resume(AccountId),
    /// No settlement with a peer begins.
    PauseSettlement(AccountId),
    /// The process has these levels. Without a log, as in tests, nothing has.
    LogLevel(String, Option<LevelsOverride>),
}

/// A change for a time.
#[derive(Debug)]
pub(super) struct RunningOverride {
    /// Rises from one to the next.
    number: u64,
    id: String,
    pub(super) effect: OverrideEffect,
    by: String,
    reason: String,
    note: Option<String>,
    set_at: Timestamp,
    expires_at: Timestamp,
    due: MonoTime,
}

/// A change that is wanted.
#[derive(Debug)]
pub(super) struct NewOverride {
    pub(super) effect: OverrideEffect,
    pub(super) ttl: Duration,
    pub(super) by: String,
    pub(super) reason: String,
    pub(super) note: Option<String>,
}

/// The overrides of a node.
#[derive(Debug)]
pub(super) struct Overrides {
    node: AccountId,
    last_number: u64,
    /// The oldest first.
    running: Vec<RunningOverride>,
}

impl OverrideEffect {
    pub(super) fn peer(&self) -> Option<&AccountId> {
        match self {
            Self::Suspend(peer) | Self::Resume(peer) | Self::PauseSettlement(peer) => Some(peer),
            Self::LogLevel(..) => None,
        }
    }

    /// Whether both change the same thing.
    fn is_about_same(&self, other: &Self) -> bool {
        let is_pause = |effect: &Self| matches!(effect, Self::PauseSettlement(_));
        self.peer() == other.peer() && is_pause(self) == is_pause(other)
    }

    fn kind(&self) -> OverrideKind {
        match self {
            Self::Suspend(_) => OverrideKind::Suspend,
            Self::Resume(_) => OverrideKind::Resume,
            Self::LogLevel(..) => OverrideKind::LogLevel,
            Self::PauseSettlement(_) => OverrideKind::PauseSettlement,
        }
    }
}

impl RunningOverride {
    #[cfg(test)]
    fn id(&self) -> &str {
        &self.id
    }

    /// `ended_at`: if it has ended.
    pub(super) fn body(&self, node: &AccountId, ended_at: Option<Timestamp>) -> OverrideBody {
        OverrideBody {
            id: self.id.clone(),
            node: node.to_string(),
            peer: self.effect.peer().map(ToString::to_string),
            kind: self.effect.kind(),
            value: match &self.effect {
                OverrideEffect::LogLevel(level, _) => Some(level.clone()),
                _ => None,
            },
            reason: self.reason.clone(),
            by: self.by.clone(),
            set_at: self.set_at.to_string(),
            expires_at: self.expires_at.to_string(),
            note: self.note.clone(),
            ended_at: ended_at.map(|at| at.to_string()),
        }
    }
}

impl Overrides {
    pub(super) fn new(node: AccountId) -> Self {
        Self { node, last_number: 0, running: Vec::new() }
    }

    pub(super) fn node(&self) -> &AccountId {
        &self.node
    }

    /// Whether there is no room for one about another thing.
    pub(super) fn is_full_for(&self, effect: &OverrideEffect) -> bool {
        let is_same = |one: &RunningOverride| one.effect.is_about_same(effect);
        self.running.len() >= OVERRIDES_MAX && !self.running.iter().any(is_same)
    }

    /// Adds an override. Returns it, and the one about the same thing that it replaces.
    pub(super) fn set(
        &mut self,
        new: NewOverride,
        now: Now,
    ) -> (&RunningOverride, Option<RunningOverride>) {
        let NewOverride { effect, ttl, by, reason, note } = new;
        let same = self.running.iter().position(|one| one.effect.is_about_same(&effect));
        let replaced = same.map(|index| self.running.remove(index));
        self.last_number += 1;
        self.running.push(RunningOverride {
            number: self.last_number,
            id: format!("{}~{}", self.node, self.last_number),
            effect,
            by,
            reason,
            note,
            set_at: now.wall,
            expires_at: now.wall.saturating_add(ttl),
            due: now.mono.after(ttl),
        });
        (self.running.last().expect("it was just added"), replaced)
    }

    /// Puts back what [`Self::set`] has changed, if it cannot be applied.
    pub(super) fn take_back(&mut self, replaced: Option<RunningOverride>) {
        self.running.pop();
        replaced.into_iter().for_each(|one| self.put_back(one));
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<RunningOverride> {
        let index = self.running.iter().position(|one| one.id == id)?;
        Some(self.running.remove(index))
    }

    /// Puts an override back that [`Self::remove`] has returned.
    pub(super) fn put_back(&mut self, removed: RunningOverride) {
        let at = self.running.partition_point(|one| one.number < removed.number);
        self.running.insert(at, removed);
    }

    /// The id of the one about the same thing.
    pub(super) fn id_of(&self, effect: &OverrideEffect) -> Option<String> {
        let same = self.running.iter().find(|one| one.effect.is_about_same(effect));
        same.map(|one| one.id.clone())
    }

    /// The peers with which no settlement begins, and until when.
    pub(super) fn paused_settlements(&self) -> BTreeMap<AccountId, Timestamp> {
        let paused = self.running.iter().filter_map(|one| match &one.effect {
            OverrideEffect::PauseSettlement(peer) => Some((peer.clone(), one.expires_at)),
            _ => None,
        });
        paused.collect()
    }

    /// Those whose time is over.
    pub(super) fn take_due(&mut self, now: MonoTime) -> Vec<RunningOverride> {
        self.running.extract_if(.., |one| one.due <= now).collect()
    }

    /// The time until the next one is due.
    pub(super) fn due_in(&self, now: MonoTime) -> Option<Duration> {
        self.running.iter().map(|one| one.due.since(now)).min()
    }

    /// Those about peers that this configuration does not have.
    pub(super) fn take_without_peer(&mut self, config: &NodeConfig) -> Vec<RunningOverride> {
        let is_gone = |one: &mut RunningOverride| {
            one.effect.peer().is_some_and(|peer| config.peer(peer.as_str()).is_none())
        };
        self.running.extract_if(.., is_gone).collect()
    }

    /// Those whose log level another node of the process has replaced.
    pub(super) fn take_replaced_levels(&mut self) -> Vec<RunningOverride> {
        let is_replaced = |one: &mut RunningOverride| match &one.effect {
            OverrideEffect::LogLevel(_, Some(levels)) => !levels.is_in_force(),
            _ => false,
        };
        self.running.extract_if(.., is_replaced).collect()
    }

    /// The configuration of the file with what operators have changed.
    pub(super) fn apply(&self, configured: &NodeConfig) -> NodeConfig {
        let mut config = configured.clone();
        for one in &self.running {
            if let OverrideEffect::LogLevel(level, _) = &one.effect {
                config.settings.log_level.clone_from(level);
            }
            let peer = one.effect.peer();
            let peer =
                peer.and_then(|id| config.peers.iter_mut().find(|peer| peer.account.id == *id));
            let Some(peer) = peer else { continue };
            let is_enabled = peer.account.enabled;
            match &one.effect {
                OverrideEffect::Suspend(_) => {
                    peer.account.enabled = false;
                    peer.account.suspended_until = Some(one.expires_at);
                    // Neither by the file.
                    peer.required = false;
                }
                OverrideEffect::Resume(_) if !is_enabled => peer.account.enabled = true,
                // A pause of settlements concerns no packet; `paused_settlements` has it.
                OverrideEffect::Resume(_)
                | OverrideEffect::LogLevel(..)
                | OverrideEffect::PauseSettlement(_) => {}
            }
        }
        config
    }

    /// As in the API.
    pub(super) fn bodies(&self) -> Vec<OverrideBody> {
        self.running.iter().map(|one| one.body(&self.node, None)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;
    use crate::net::Clock;

    fn id(text: &str) -> AccountId {
        text.parse().unwrap()
    }

    fn new(effect: OverrideEffect, seconds: u64) -> NewOverride {
        let (by, reason) = ("ann".to_owned(), "maintenance".to_owned());
        NewOverride { effect, ttl: Duration::from_secs(seconds), by, reason, note: None }
    }

    fn ids(overrides: &[RunningOverride]) -> Vec<&str> {
        overrides.iter().map(RunningOverride::id).collect()
    }

    #[test]
    fn each_ends_after_its_time_even_if_the_machine_sleeps_or_its_clock_is_set() {
        let clock = Clock::manual();
        let mut overrides = Overrides::new(id("a"));
        overrides.set(new(OverrideEffect::Suspend(id("b")), 60), clock.now());
        clock.advance(Duration::from_secs(20));
        overrides.set(new(OverrideEffect::Resume(id("c")), 10), clock.now());
        assert_eq!(overrides.due_in(clock.mono()), Some(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(10));
        assert_eq!(ids(&overrides.take_due(clock.mono())), ["a~2"]);
        assert_eq!(overrides.due_in(clock.mono()), Some(Duration::from_secs(30)));
        clock.advance(Duration::from_millis(29_999));
        assert!(overrides.take_due(clock.mono()).is_empty());
        clock.advance(Duration::from_millis(1));
        assert_eq!(ids(&overrides.take_due(clock.mono())), ["a~1"]);
        assert_eq!(overrides.due_in(clock.mono()), None);
    }

    #[test]
    fn a_later_verb_on_the_same_thing_replaces_the_earlier_one() {
        let now = Clock::manual().now();
        let mut overrides = Overrides::new(id("a"));
        overrides.set(new(OverrideEffect::Suspend(id("b")), 60), now);
        overrides.set(new(OverrideEffect::LogLevel("debug".to_owned(), None), 60), now);
        let (set, replaced) = overrides.set(new(OverrideEffect::Resume(id("b")), 5), now);
        assert_eq!((set.id(), replaced.as_ref().map(RunningOverride::id)), ("a~3", Some("a~1")));
        overrides.take_back(replaced);
        assert_eq!(ids(&overrides.running), ["a~1", "a~2"]);
        let first = overrides.remove("a~1").unwrap();
        overrides.put_back(first);
        assert_eq!(ids(&overrides.running), ["a~1", "a~2"]);
        let (_, replaced) =
            overrides.set(new(OverrideEffect::LogLevel("off".into(), None), 5), now);
        assert_eq!(replaced.unwrap().id(), "a~2");
        let bodies = overrides.bodies();
        assert_eq!((bodies[0].id.as_str(), bodies[0].kind), ("a~1", OverrideKind::Suspend));
        assert_eq!(bodies[1].value.as_deref(), Some("off"));
        assert!(overrides.remove("a~1").is_some() && overrides.remove("a~1").is_none());
    }

    #[test]
    fn a_pause_of_settlements_is_beside_a_suspension() {
        let now = Clock::manual().now();
        let mut overrides = Overrides::new(id("a"));
        overrides.set(new(OverrideEffect::Suspend(id("b")), 60), now);
        let pause = || OverrideEffect::PauseSettlement(id("b"));
        assert!(overrides.id_of(&pause()).is_none());
        let (_, replaced) = overrides.set(new(pause(), 60), now);
        assert!(replaced.is_none());
        let (_, replaced) = overrides.set(new(pause(), 5), now);
        assert_eq!(replaced.unwrap().id(), "a~2");
        let until = now.wall.saturating_add(Duration::from_secs(5));
        assert_eq!(overrides.paused_settlements(), BTreeMap::from([(id("b"), until)]));
        assert_eq!(overrides.id_of(&OverrideEffect::Resume(id("b"))).as_deref(), Some("a~1"));
        overrides.remove("a~3");
        assert!(overrides.paused_settlements().is_empty());
    }

    #[test]
    fn there_are_at_most_so_many() {
        let now = Clock::manual().now();
        let mut overrides = Overrides::new(id("a"));
        for number in 0..OVERRIDES_MAX {
            let effect = OverrideEffect::Suspend(id(&format!("p{number}")));
            assert!(!overrides.is_full_for(&effect));
            overrides.set(new(effect, 60), now);
        }
        assert!(overrides.is_full_for(&OverrideEffect::Suspend(id("other"))));
        assert!(!overrides.is_full_for(&OverrideEffect::Suspend(id("p7"))));
    }

    #[test]
    fn they_change_what_the_file_says_and_end_with_the_peer() {
        let file = "nodeId: a\npeers:\n  - {id: b, authToken: s, url: ws://b}\n  \
                    - {id: c, authToken: t, enabled: false}\n";
        let now = Clock::manual().now();
        let mut overrides = Overrides::new(id("a"));
        overrides.set(new(OverrideEffect::Suspend(id("b")), 60), now);
        overrides.set(new(OverrideEffect::Resume(id("c")), 60), now);
        overrides.set(new(OverrideEffect::LogLevel("debug".to_owned(), None), 60), now);
        let configured = config(file);
        let in_force = overrides.apply(&configured);
        let (b, c) = (in_force.peer("b").unwrap(), in_force.peer("c").unwrap());
        assert_eq!((b.account.enabled, b.required, c.account.enabled), (false, false, true));
        assert_eq!(b.account.suspended_until, Some(now.wall.saturating_add_millis(60_000)));
        assert_eq!(in_force.settings.log_level, "debug");
        let without_b = config("nodeId: a\npeers: [{id: c, authToken: t}]\n");
        assert_eq!(ids(&overrides.take_without_peer(&without_b)), ["a~1"]);
        overrides.take_due(MonoTime::MAX);
        assert_eq!(overrides.apply(&configured), configured);
    }
}

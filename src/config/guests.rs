//! `guests`: the guests' door, and the account that each guest gets.

use std::num::NonZeroU32;

use super::diagnostics::DiagnosticSink;
use super::key_types::{Balance, Integer, Millis, Port};
use super::keys::KeyInfo;
use super::mapping::Mapping;
use super::node_keys::{NODE, NodeDraft};
use super::settings::{NodeConfig, PeerConfig, Unset};
use crate::account::{AccountId, AccountSettings, Limits, Relation};
use crate::net::{HttpAuth, HttpMode};
use crate::wire::{Amount, Network, Scheme};

/// Bytes that may wait for one guest.
const OUTBOX_BYTES_MAX: usize = 256 * 1024;
/// Sessions that a guest may have open, so that a program that connects again replaces its lost session.
const SESSIONS_MAX: usize = 2;
/// Concurrent requests over HTTP, which no guest gets.
const HTTP_REQUESTS_MAX: usize = 1;

/// What is wrong with an id of a configuration.
pub const LIKE_A_GUEST: &str = "begins with guest~, as the ids of guests do";

keys! {
    /// The keys of `guests`.
    GuestSettings, GuestDraft, GuestKeys as GUESTS {
        /// Port of the guests' door, on 127.0.0.1 and ::1 and nowhere else; 0 picks a free one. Programs
        /// without any settings look for a node at the default.
        restart port => port: Port = "7768",
        /// Guests that have an account at the same time. One more takes the place of the guest that has been away for
        /// longest, has a balance of zero and nothing in flight; without such a guest it is refused.
        restart max => max: Integer<usize, 1, 10_000> = "100",
        /// A guest that has not been connected for so long is forgotten. What it owes, or is owed, is logged and stays
        /// in the books; the guest finds it there when it comes back.
        restart forgetAfterMs => forget_after: Millis<1_000, 31_536_000_000> = "3600000",
        /// The largest amount of one packet from a guest; above it F08.
        restart maxPacketAmount => max_packet_amount: Amount = "10000000",
        /// How much a guest may spend: the most that it may owe the node; above it T04.
        restart maxBalance => max_balance: Balance = "100000000",
        /// How far the balance of a guest may fall by what it is paid; below it T04.
        restart minBalance => min_balance: Balance = "-1000000000",
        /// Packets per second from one guest; above it T05.
        restart packetsPerSecond => packets_per_second: Integer<u32, 1, 4_294_967_295> = "200",
        /// Prepares without an answer, from one guest and, separately, towards it; above it T03.
        restart maxPacketsInFlight => max_packets_in_flight: Integer<usize, 1, 1_048_576> = "100",
    }
}

impl GuestSettings {
    /// The limits of each guest's account.
    fn limits(&self) -> Limits {
        Limits {
            max_packet_amount: Some(self.max_packet_amount),
            max_balance: Some(self.max_balance),
            min_balance: Some(self.min_balance),
            // A guest that has spent what it may is nothing that an operator must know of.
            exposure_alert: 0,
            packets_per_second: NonZeroU32::new(self.packets_per_second),
            max_packets_in_flight: self.max_packets_in_flight,
            outbox_bytes_max: OUTBOX_BYTES_MAX,
            max_sessions: SESSIONS_MAX,
            ..Limits::default()
        }
    }
}

impl NodeConfig {
    /// A guest as a peer of this node: a child without a token or a URL. It can log in at the guests' door only, by its
    /// id. `None`: the node has no such door.
    #[must_use]
    pub fn guest(&self, id: &AccountId) -> Option<PeerConfig> {
        let settings = self.settings.guests.as_ref()?;
        let mut account = AccountSettings::new(id.clone(), Relation::Child);
        account.asset = self.asset.clone();
        account.limits = settings.limits();
        Some(PeerConfig {
            account,
            asset_of_node: Unset { code: true, scale: true },
            url: None,
            http_mode: HttpMode::Sync,
            http_auth: HttpAuth::Simple,
            http_requests_max: HTTP_REQUESTS_MAX,
            username: id.to_string(),
            auth_token: None,
            further_tokens: Vec::new(),
            required: false,
            settlement: None,
        })
    }
}

/// Judges the limits of guests against each other.
pub fn check(scheme: Scheme, draft: &NodeDraft, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
    let Some(guests) = &draft.guests else { return };
    let GuestSettings { min_balance: min, max_balance: max, .. } = *guests;
    if min > max {
        let what = format!("minBalance ({min}) is above maxBalance ({max})");
        mapping.problem(&NODE.guests, what, "minBalance must be at most maxBalance", report);
    }
    let is_set = mapping.value(&NODE.guests).and_then(|value| value.as_map());
    let is_set = is_set.is_some_and(|map| map.get(GUESTS.max_balance.name).is_some());
    if scheme.network() == Network::Live && !is_set {
        let all = max.saturating_mul(i128::try_from(guests.max).unwrap_or(i128::MAX));
        let what = format!(
            "on the live network any program of this machine may spend: {all} units at a time in all"
        );
        let help = "set guests.maxBalance to what one of them may spend";
        mapping.warn(&NODE.guests, what, help, report);
    }
}

/// Reports an id of a configuration that looks like that of a guest.
pub fn check_id(id: &AccountId, key: &KeyInfo, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
    if id.is_guest() {
        mapping.problem(key, LIKE_A_GUEST, "give it another id", report);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{loaded, mistakes_in, node};

    #[test]
    fn the_door_is_closed_without_the_key_and_opens_with_an_empty_one() {
        let closed = loaded("nodeId: a\n", &[]);
        assert_eq!(closed.config.settings.guests, None);
        assert!(!closed.print().contains("guests"), "{}", closed.print());
        assert!(closed.effective_values().iter().all(|value| !value.key.starts_with("guests")));
        let open = loaded("nodeId: a\nguests: {maxBalance: 5}\n", &[]);
        let guests = open.config.settings.guests.as_ref().unwrap();
        assert_eq!((guests.port, guests.max, guests.max_balance), (7768, 100, 5));
        assert!(open.print().contains("guests:"), "{}", open.print());
        let values = open.effective_values();
        let value = |key: &str| values.iter().find(|value| value.key == key).unwrap().value.clone();
        assert_eq!((&*value("guests.port"), &*value("guests.maxBalance")), ("7768", "5"));
        assert!(node("nodeId: a\nguests: {}\n").settings.guests.is_some());
        assert!(node("nodeId: a\nping: {}\n").settings.ping.echo, "other mappings have defaults");
    }

    #[test]
    fn nothing_makes_the_door_listen_elsewhere() {
        for key in ["host: 0.0.0.0", "guestsHost: 0.0.0.0", "btpServerHost: 0.0.0.0"] {
            let (problems, _) = mistakes_in(&format!("nodeId: a\nguests: {{{key}}}\n"));
            assert!(problems.contains("unknown key"), "{key}: {problems}");
        }
    }

    #[test]
    fn mistakes_say_what_to_do() {
        let check = |text: &str, expected: &str| {
            let (problems, warnings) =
                mistakes_in(&format!("healthCheckHost: 127.0.0.1\n{text}\n"));
            let found = if expected.starts_with("warning: ") { warnings } else { problems };
            assert!(found.contains(expected.trim_start_matches("warning: ")), "{text}: {found:?}");
        };
        let a = "nodeId: a\n";
        check(
            &format!("{a}guests: {{minBalance: 5, maxBalance: 4}}"),
            "minBalance (5) is above maxBalance (4)",
        );
        check(&format!("{a}guests: {{port: 3000}}"), "guests and btpServerPort are both 3000");
        check(
            &format!("{a}guests: {{}}\nhttpServerHost: '::1'\nhttpServerPort: 7768"),
            "are both 7768",
        );
        check(&format!("{a}guests: {{max: 0}}"), "guests.max");
        check(
            &format!("{a}peers: [{{id: guest~1, authToken: long-enough-token}}]"),
            "begins with guest~",
        );
        check(&format!("{a}receivers: [{{id: guest~1}}]"), "begins with guest~");
        let live = "nodeId: a\nilpAddress: g.a\nstore: a.db\n";
        let warning = "warning: any program of this machine may spend: 10000000000 units";
        check(&format!("{live}guests: {{}}"), warning);
        let (problems, warnings) =
            mistakes_in(&format!("{live}guests: {{maxBalance: 100000000}}\n"));
        assert!(problems.is_empty() && !warnings.contains("may spend"), "{problems}{warnings}");
    }
}

//! Gives guests accounts, and takes them away: in the configuration in force, as any other peer. The rooms in which a
//! guest is less than a peer ask its id (`AccountId::is_guest`), and have no list of guests from here.

use tokio::sync::oneshot;

use super::guests::{Admitted, GuestAccount, Guests};
use super::node_task::NodeTask;
use crate::account::AccountId;
use crate::config::NodeConfig;
use crate::connector::Connector;
use crate::net::LogThrottle;
use crate::peers::{GuestOrder, GuestRefusal, PeerEvent};
use crate::time::MonoTime;

/// Logins of newcomers that one change of the configuration serves.
const ORDERS_PER_CHANGE_MAX: usize = 16;

/// Bounds the log lines that guests cause: each level alone, so that a flood of newcomers hides no error.
#[derive(Debug, Default)]
pub(super) struct GuestLines {
    newcomers: LogThrottle,
    refusals: LogThrottle,
    errors: LogThrottle,
}

/// An order, and what becomes of it.
struct Answer {
    id: AccountId,
    reply: oneshot::Sender<Result<(), GuestRefusal>>,
    admitted: Result<Admitted, GuestRefusal>,
}

impl NodeTask {
    /// What is in force: a configuration of a file, with the guests and what operators have changed.
    pub(super) fn in_force(&self, configured: &NodeConfig) -> NodeConfig {
        let mut config = configured.clone();
        self.guests.add_to(&mut config);
        self.overrides.apply(&config)
    }

    /// Serves a login at the guests' door, and those that wait behind it.
    pub(super) fn admit_guests(&mut self, first: GuestOrder) {
        let mut orders = vec![first];
        while orders.len() < ORDERS_PER_CHANGE_MAX
            && let Ok(order) = self.guest_orders.try_recv()
        {
            orders.push(order);
        }
        // A client that has gone must not take a place.
        orders.retain(|order| !order.reply.is_closed());
        let now = self.context.clock.mono();
        let mut answers = Vec::with_capacity(orders.len());
        for GuestOrder { id, reply } in orders {
            let account = |id: &AccountId| account_of(&self.context.connector, id);
            let admitted = self.guests.admit(&id, now, account);
            answers.push(Answer { id, reply, admitted });
        }
        let is_new = |answer: &Answer| matches!(answer.admitted, Ok(Admitted::New(_)));
        if answers.iter().any(is_new) && self.switch_to(self.in_force(&self.configured)).is_err() {
            self.admit_one_by_one(&mut answers, now);
        }
        for Answer { id, reply, admitted } in answers {
            let answer = admitted.and_then(|admitted| {
                self.log_admitted(&id, &admitted);
                match self.config.peer(id.as_str()) {
                    Some(peer) if peer.account.enabled => Ok(()),
                    Some(_) => Err(GuestRefusal::Suspended),
                    None => Err(GuestRefusal::Unavailable),
                }
            });
            // The client may have gone; then its guest leaves as any other.
            let _ = reply.send(answer);
        }
    }

    /// The connector refuses newcomers. Tries each alone, so that one that it cannot have does not keep others out.
    fn admit_one_by_one(&mut self, answers: &mut [Answer], now: MonoTime) {
        let (mut undone, mut again) = (Vec::new(), Vec::new());
        for answer in answers {
            if let Ok(Admitted::New(newcomer)) = &answer.admitted {
                undone.push((answer.id.clone(), newcomer.clone()));
                again.push(answer);
            }
        }
        self.guests.undo_all(undone);
        for answer in again {
            answer.admitted = self.admit_alone(&answer.id, now);
        }
    }

    fn admit_alone(&mut self, id: &AccountId, now: MonoTime) -> Result<Admitted, GuestRefusal> {
        let account = |id: &AccountId| account_of(&self.context.connector, id);
        let admitted = self.guests.admit(id, now, account)?;
        let Err(error) = self.switch_to(self.in_force(&self.configured)) else {
            return Ok(admitted);
        };
        if let Admitted::New(newcomer) = admitted {
            self.guests.undo_all(vec![(id.clone(), newcomer)]);
        }
        if let Some(suppressed) = self.guest_lines.refusals.admit(now) {
            tracing::warn!(peer = %id, error, suppressed, "a guest cannot be given an account");
        }
        Err(GuestRefusal::Unavailable)
    }

    fn log_admitted(&self, id: &AccountId, admitted: &Admitted) {
        let Admitted::New(newcomer) = admitted else { return };
        let (guests, replaced) = (self.guests.count(), newcomer.replaced().map(AccountId::as_str));
        match self.guest_lines.newcomers.admit(self.context.clock.mono()) {
            Some(suppressed) => {
                tracing::info!(peer = %id, guests, replaced, suppressed, "a new guest has an account");
            }
            None => tracing::debug!(peer = %id, guests, replaced, "a new guest has an account"),
        }
    }

    /// Forgets guests that have been away for too long.
    pub(super) fn forget_guests(&mut self) {
        let now = self.context.clock.mono();
        let due = self.guests.find_due(now, |id| account_of(&self.context.connector, id));
        if due.is_empty() {
            return;
        }
        let mut config = self.in_force(&self.configured);
        config.peers.retain(|peer| !due.contains_key(&peer.account.id));
        if let Err(error) = self.switch_to(config) {
            if let Some(suppressed) = self.guest_lines.errors.admit(now) {
                tracing::error!(error, suppressed, "guests that are away cannot be forgotten");
            }
            return;
        }
        self.guests.forget(&due);
        for (id, unsettled) in due {
            match unsettled {
                // Not throttled, because this is money: there are no more lines than guests in `forgetAfterMs`.
                Some(unsettled) => tracing::info!(
                    peer = %id, %unsettled,
                    "a guest that stayed away is forgotten; the books keep what it leaves"
                ),
                None => tracing::debug!(peer = %id, "a guest that stayed away is forgotten"),
            }
        }
    }

    /// Events were lost, which may have been of guests.
    pub(super) fn observe_all_guests(&mut self) {
        let connector = &self.context.connector;
        let is_connected = |id: &AccountId| account_of(connector, id).is_connected;
        self.guests.observe_sessions(self.context.clock.mono(), is_connected);
    }

    /// The time of a guest that is away begins when it leaves.
    pub(super) fn observe_guest(&mut self, event: &PeerEvent) {
        if event.peer.is_guest() {
            let is_connected = account_of(&self.context.connector, &event.peer).is_connected;
            self.guests.note_session(&event.peer, self.context.clock.mono(), is_connected);
        }
    }
}

/// A guest's account as the packet path has it. One that does not exist yet is like one that is away.
fn account_of(connector: &Connector, id: &AccountId) -> GuestAccount {
    let Some(account) = connector.account(id.as_str()) else { return GuestAccount::default() };
    GuestAccount {
        is_connected: account.is_connected(),
        is_busy: !account.is_idle(),
        unsettled: account.unsettled(),
    }
}

/// The guests of a node at its start: none, because each comes back by itself, to the books that it left.
pub(super) fn at_start(config: &NodeConfig) -> Guests {
    Guests::new(config.settings.guests.clone())
}

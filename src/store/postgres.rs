//! The books of a node in a database of a PostgreSQL server, which several nodes may share.
//!
//! One process at a time writes the books of a node: it holds their lease, and each of its writes renews it. A process
//! that has lost the lease cannot write any more, whatever it still sends.

mod error;
mod events;
mod password_file;
mod read;
mod reconciliations;
mod save;
mod schema;
mod session;
mod settlements;
mod take;

use std::fmt;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_postgres::{IsolationLevel, Statement};

pub use self::error::PostgresError;
use self::session::{Session, SessionUse, StoreRuntime};
use self::take::{Holder, LEASE};
use super::delivery_query::DeliveryQuery;
use super::error::WriteError;
use super::lease::{BooksHolder, Lease};
use crate::account::AccountId;
use crate::books::{
    Adjustment, BooksHistory, ChangeId, Cut, EventQuery, FoundDeliveries, NumberedEvent,
    SavedBooks, Settlement, SettlementDirection, SettlementKey,
};
use crate::net::{Clock, PostgresUrl, error_chain};
use crate::time::MonoTime;

/// The holder stops this long before its lease can end: time for what is under way, and for clocks of unequal speed.
const MARGIN: Duration = Duration::from_secs(2);
/// A lease without a cut is renewed this long after it was last renewed.
const RENEW_AFTER: Duration = Duration::from_secs(3);
/// How often a standby looks whether the lease has ended.
const STANDBY_INTERVAL: Duration = Duration::from_millis(200);
/// What the books may be without a process that serves them, but for the start of the next one, which takes less than a
/// second.
const TAKEOVER_MAX: Duration = Duration::from_secs(11);
const _: () = assert!(LEASE.as_millis() + STANDBY_INTERVAL.as_millis() < TAKEOVER_MAX.as_millis());
/// A renewal without an answer fails after this time, while the lease is valid.
const RENEW_TIMEOUT: Duration = Duration::from_secs(4);

/// The open books of a node.
pub struct PostgresStore {
    url: PostgresUrl,
    clock: Clock,
    node: String,
    holder: Holder,
    epoch: i64,
    lease: watch::Sender<Lease>,
    /// When the request that renewed the lease was made.
    renewed_at: MonoTime,
    /// `None` after an error.
    open: Option<OpenSession>,
    /// After the session, which it drives.
    runtime: StoreRuntime,
}

/// A session with its prepared statement.
struct OpenSession {
    session: Session,
    save: Statement,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, node, epoch, .. } = self;
        write!(f, "PostgresStore({url}, node {node}, epoch {epoch})")
    }
}

impl PostgresStore {
    /// Takes the books of a node, or begins new ones. The clock is that of the node.
    ///
    /// # Errors
    /// [`PostgresError`]; nothing in the books has changed then.
    pub fn open(
        url: &PostgresUrl,
        node: &AccountId,
        clock: Clock,
    ) -> Result<(Self, SavedBooks), PostgresError> {
        let runtime = StoreRuntime::start()?;
        let mut session = Session::connect(&runtime, url, SessionUse::Write)?;
        let (node, holder) = (node.to_string(), Holder::this_process());
        let renewed_at = clock.now().mono;
        let taken = session.run(&runtime, async |client| {
            // Without a lock, which would delay the holder. And a newer program that waits must not change the tables
            // of an older one that runs. An error comes again below; in a new database there is no table.
            if let Ok(Some(holder)) = take::find_holder(client, &node).await {
                return Err(PostgresError::Held(holder));
            }
            schema::migrate(client).await?;
            let save = client.prepare(save::SAVE).await.map_err(PostgresError::of_reading)?;
            Ok((save, take::take(client, &node, &holder).await?))
        });
        let (save, (epoch, books)) = taken?;
        let lease = watch::Sender::new(lease_from(renewed_at));
        let open = Some(OpenSession { session, save });
        let url = url.clone();
        Ok((Self { url, clock, node, holder, epoch, lease, renewed_at, open, runtime }, books))
    }

    /// Waits until no other process has the books of a node, or until `report`, which gets the one that has them,
    /// returns `false`. Then it ends what is left of a process that froze in the middle of a write.
    ///
    /// # Errors
    /// [`PostgresError`]: the database cannot be asked.
    pub fn wait_until_free(
        url: &PostgresUrl,
        node: &AccountId,
        mut report: impl FnMut(BooksHolder) -> bool,
    ) -> Result<(), PostgresError> {
        let runtime = StoreRuntime::start()?;
        let mut session = Session::connect(&runtime, url, SessionUse::Write)?;
        loop {
            let holder = session.run(&runtime, async |client| {
                let holder = take::find_holder(client, node.as_str()).await?;
                if holder.is_none() {
                    take::end_frozen_writers(client).await?;
                }
                Ok(holder)
            })?;
            let goes_on = holder.is_some_and(&mut report);
            if !goes_on {
                return Ok(());
            }
            let pause = async { timeout(STANDBY_INTERVAL, session.ended()).await };
            if let Ok(error) = runtime.block_on(pause) {
                return Err(error);
            }
        }
    }

    /// Reads the books of a node that may run. Without a node, the database has those of one node only.
    ///
    /// # Errors
    /// [`PostgresError`]: there are no books of this node, or they are inconsistent.
    pub fn read_history(
        url: &PostgresUrl,
        node: Option<&AccountId>,
    ) -> Result<BooksHistory, PostgresError> {
        let runtime = StoreRuntime::start()?;
        Session::connect(&runtime, url, SessionUse::Read)?.run(&runtime, async |client| {
            // One snapshot: everything is as of the same cut.
            let snapshot =
                client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
            let transaction = snapshot.read_only(true).start().await?;
            schema::check(&transaction).await?;
            let node = match node {
                Some(node) => node.to_string(),
                None => only_node(schema::nodes(&transaction).await?)?,
            };
            let history = read::load_history(&transaction, &node).await?;
            history.ok_or_else(|| PostgresError::NoBooks(format!(" of the node {node}")))
        })
    }

    /// The only node that has books in a database.
    ///
    /// # Errors
    /// [`PostgresError`]: there are several, or none.
    pub fn find_only_node(url: &PostgresUrl) -> Result<AccountId, PostgresError> {
        let runtime = StoreRuntime::start()?;
        let mut session = Session::connect(&runtime, url, SessionUse::Read)?;
        let node = session.run(&runtime, async |client| {
            schema::check(client).await?;
            only_node(schema::nodes(client).await?)
        });
        node?.parse().map_err(|_| PostgresError::Damaged("a node has a wrong name".to_owned()))
    }

    /// The lease, for those who may act only while it is valid.
    pub fn watch_lease(&self) -> watch::Receiver<Lease> {
        self.lease.subscribe()
    }

    /// Saves a cut. When this returns without an error, it is durable.
    ///
    /// # Errors
    /// [`WriteError`]. Then [`PostgresStore::reopen`] it.
    pub fn write(&mut self, cut: &Cut) -> Result<(), WriteError> {
        self.save(cut, false)
    }

    /// Saves the last cut of a node that stops, notes that the stop was clean, and gives the lease back.
    ///
    /// # Errors
    /// As [`PostgresStore::write`].
    pub fn write_last(&mut self, cut: &Cut) -> Result<(), WriteError> {
        self.save(cut, true)
    }

    fn save(&mut self, cut: &Cut, is_last: bool) -> Result<(), WriteError> {
        let asked_at = self.clock.now().mono;
        self.with_session(
            SessionUse::Write.answer_timeout(),
            async |client, save, node, epoch| {
                let secs = LEASE.as_secs_f64();
                match save::save(client, save, (node, epoch), cut, is_last, secs).await? {
                    true => Ok(()),
                    false => Err(take::lost(client, node).await?),
                }
            },
        )?;
        self.note_renewal(asked_at);
        if is_last {
            // Nothing is left to give back or to renew.
            self.open = None;
        }
        Ok(())
    }

    /// The change with this id, if the books have it.
    ///
    /// # Errors
    /// [`WriteError`]: the books cannot be read.
    pub fn find_adjustment(&mut self, id: &ChangeId) -> Result<Option<Adjustment>, WriteError> {
        self.with_session(SessionUse::Write.answer_timeout(), async |client, _, node, _| {
            read::find_adjustment(client, node, id).await
        })
    }

    /// The settlement with this key, if the books have it.
    ///
    /// # Errors
    /// [`WriteError`]: the books cannot be read.
    pub fn find_settlement(
        &mut self,
        direction: SettlementDirection,
        account: &str,
        key: &SettlementKey,
    ) -> Result<Option<Settlement>, WriteError> {
        self.with_session(SessionUse::Write.answer_timeout(), async |client, _, node, _| {
            settlements::find(client, node, direction, account, key).await
        })
    }

    /// The newest settlements, the newest first, of one account or of all.
    ///
    /// # Errors
    /// [`WriteError`]: the books cannot be read.
    pub fn list_settlements(
        &mut self,
        account: Option<&str>,
        max: u32,
    ) -> Result<Vec<Settlement>, WriteError> {
        self.with_session(SessionUse::Write.answer_timeout(), async |client, _, node, _| {
            settlements::read_newest(client, node, account, max).await
        })
    }

    /// The deliveries to a webhook that a query asks for.
    ///
    /// # Errors
    /// [`WriteError`]: the books cannot be read.
    pub fn find_deliveries(
        &mut self,
        query: &DeliveryQuery,
    ) -> Result<FoundDeliveries, WriteError> {
        self.with_session(SessionUse::Write.answer_timeout(), async |client, _, node, _| {
            events::find_deliveries(client, node, query).await
        })
    }

    /// The events that a query asks for, the newest first.
    ///
    /// # Errors
    /// [`WriteError`]: the books cannot be read.
    pub fn find_events(&mut self, query: &EventQuery) -> Result<Vec<NumberedEvent>, WriteError> {
        self.with_session(SessionUse::Write.answer_timeout(), async |client, _, node, _| {
            events::find_events(client, node, query).await
        })
    }

    /// Connects and takes the books again after an error, unless another process has taken them since.
    ///
    /// # Errors
    /// [`WriteError`]: they are still not usable, or never will be.
    pub fn reopen(&mut self) -> Result<(), WriteError> {
        self.open = None;
        let asked_at = self.clock.now().mono;
        let mut session = Session::connect(&self.runtime, &self.url, SessionUse::Write)?;
        let (node, holder, epoch) = (&self.node, &self.holder, self.epoch);
        // With a new epoch: what the old session may still send has no effect.
        let taken = session.run(&self.runtime, async |client| {
            let save = client.prepare(save::SAVE).await?;
            Ok((save, take::take_again(client, node, holder, epoch).await?))
        });
        let (save, epoch) = taken.inspect_err(|error| self.fail(error))?;
        self.epoch = epoch;
        self.open = Some(OpenSession { session, save });
        self.note_renewal(asked_at);
        Ok(())
    }

    /// The next request. Until it comes, the lease is renewed. `None`: there will be none.
    pub(super) fn next_request<T>(&mut self, requests: &mut mpsc::Receiver<T>) -> Option<T> {
        loop {
            let Some(open) = &mut self.open else { return requests.blocking_recv() };
            let due = self.renewed_at.after(RENEW_AFTER);
            let wait = due.since(self.clock.now().mono);
            let next = self.runtime.block_on(async {
                tokio::select! {
                    biased;
                    request = timeout(wait, requests.recv()) => request.map_err(|_| None),
                    error = open.session.ended() => Err(Some(error)),
                }
            });
            match next {
                Ok(request) => return request,
                Err(None) => self.renew(),
                Err(Some(error)) => self.fail(&error),
            }
        }
    }

    fn renew(&mut self) {
        let asked_at = self.clock.now().mono;
        let renewed = self.with_session(RENEW_TIMEOUT, async |client, _, node, epoch| {
            take::renew(client, node, epoch).await
        });
        // An error is in the lease already.
        if renewed.is_ok() {
            self.note_renewal(asked_at);
        }
    }

    /// Gives the lease back, if there is one. Nothing is written after that.
    pub(super) fn close(mut self) {
        if self.open.is_some() {
            // If it fails, the lease ends by itself.
            let _ = self.with_session(RENEW_TIMEOUT, async |client, _, node, epoch| {
                take::give_back(client, node, epoch).await
            });
        }
    }

    /// Runs requests with the session. After an error there is none.
    fn with_session<T>(
        &mut self,
        limit: Duration,
        requests: impl AsyncFnOnce(
            &tokio_postgres::Client,
            &Statement,
            &str,
            i64,
        ) -> Result<T, PostgresError>,
    ) -> Result<T, WriteError> {
        let Some(open) = &mut self.open else { return Err(PostgresError::Closed.into()) };
        let (save, node, epoch) = (&open.save, &*self.node, self.epoch);
        let result = open.session.run_within(limit, &self.runtime, async |client| {
            requests(client, save, node, epoch).await
        });
        result.map_err(|error| {
            self.fail(&error);
            error.into()
        })
    }

    fn fail(&mut self, error: &PostgresError) {
        self.open = None;
        self.lease.send_modify(|lease| {
            lease.failure = Some(error_chain(error));
            if let PostgresError::LeaseLost(holder) = error {
                lease.lost_to = Some(holder.clone());
            }
        });
    }

    fn note_renewal(&mut self, asked_at: MonoTime) {
        self.renewed_at = asked_at;
        self.lease.send_replace(lease_from(asked_at));
    }
}

/// The lease that was asked for at this moment.
fn lease_from(asked_at: MonoTime) -> Lease {
    let valid_until = asked_at.after(LEASE.saturating_sub(MARGIN));
    Lease { valid_until, failure: None, lost_to: None }
}

fn only_node(mut nodes: Vec<String>) -> Result<String, PostgresError> {
    match nodes.len() {
        0 => Err(PostgresError::NoBooks(": no node has used it".to_owned())),
        1 => Ok(nodes.remove(0)),
        _ => Err(PostgresError::SeveralNodes(nodes.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_one_node_needs_no_name() {
        let only = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            only_node(names).map_err(|error| error.to_string())
        };
        assert_eq!(only(&["a"]), Ok("a".to_owned()));
        let [none, several] = [only(&[]), only(&["a", "b"])].map(Result::unwrap_err);
        assert!(none.ends_with("it has no books: no node has used it"), "{none}");
        assert!(several.contains("(a, b"), "{several}");
    }
}

//! The lease: a process takes the books of a node, renews its lease, and gives it back.
//!
//! A lease ends by the clock of the database server. Its holder judges by its own clock from before it asked, and stops
//! early; no clock is compared with another. Each process that takes the books raises their epoch, and what an earlier
//! epoch still writes has no effect.

use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, GenericClient, Transaction};

use super::error::PostgresError;
use super::read;
use crate::books::SavedBooks;
use crate::net::machine_name;
use crate::store::lease::BooksHolder;

/// How long a lease lasts by the clock of the server.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// `due`: another process may take the books.
const SELECT: &str = "\
SELECT books_id, epoch, owner IS NULL OR lease_until <= clock_timestamp() AS due, \
coalesce(holder, 'another process') AS holder, \
coalesce(to_char(lease_until AT TIME ZONE 'UTC', 'HH24:MI:SS'), '?') AS until \
FROM ilp_connector.books WHERE node = $1";

const BEGIN_BOOKS: &str = "\
INSERT INTO ilp_connector.books (node, books_id, clean, cut, cut_at, epoch) VALUES ($1, $2, true, 0, 0, 0) \
ON CONFLICT (node) DO NOTHING";

const TAKE: &str = "\
UPDATE ilp_connector.books SET owner = $2, holder = $3, epoch = epoch + 1, clean = false, \
lease_until = clock_timestamp() + make_interval(secs => $4) WHERE node = $1 RETURNING epoch";

/// The row, if no other process has taken the books since this one had them. Its epoch may be newer than this process
/// knows: the answer to an earlier attempt was lost. If this process gave the books back, nobody has owned them since.
const LOCK_OWN: &str = "\
SELECT FROM ilp_connector.books WHERE node = $1 AND (owner = $2 OR owner IS NULL AND epoch = $3) FOR UPDATE";

const RENEW: &str = "\
UPDATE ilp_connector.books SET lease_until = clock_timestamp() + make_interval(secs => $3) \
WHERE node = $1 AND epoch = $2";

const END_FROZEN_WRITERS: &str = "\
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid) \
WHERE relation = 'ilp_connector.books'::regclass AND granted AND mode IN ('RowExclusiveLock', 'RowShareLock') \
AND datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() \
AND xact_start < clock_timestamp() - interval '6 s'";

const GIVE_BACK: &str = "\
UPDATE ilp_connector.books SET owner = NULL, lease_until = NULL WHERE node = $1 AND epoch = $2";

/// A process, as others know it.
#[derive(Debug)]
pub(super) struct Holder {
    /// Random.
    pub(super) owner: String,
    /// `process 7 on host a`.
    pub(super) description: String,
}

impl Holder {
    pub(super) fn this_process() -> Self {
        Self {
            owner: format!("{:032x}", rand::random::<u128>()),
            description: format!("process {} on {}", std::process::id(), machine_name()),
        }
    }
}

/// Takes the books of a node, or begins new ones, and reads them. Nothing has changed after an error. Returns the
/// epoch.
pub(super) async fn take(
    client: &mut Client,
    node: &str,
    holder: &Holder,
) -> Result<(i64, SavedBooks), PostgresError> {
    let transaction = client.transaction().await?;
    let books_id = format!("{:032x}", rand::random::<u128>());
    transaction.execute(BEGIN_BOOKS, &[&node, &books_id]).await?;
    if let Some(holder) = find_holder_locked(&transaction, node, " FOR UPDATE").await? {
        return Err(PostgresError::Held(holder));
    }
    let books = read::load(&transaction, node).await?;
    let books = books.ok_or_else(|| PostgresError::Damaged("the node has no row".to_owned()))?;
    Ok((take_locked(transaction, node, holder).await?, books))
}

/// Takes the books whose row this transaction has locked. Returns the epoch.
async fn take_locked(
    transaction: Transaction<'_>,
    node: &str,
    holder: &Holder,
) -> Result<i64, PostgresError> {
    let parameters: [&(dyn ToSql + Sync); 4] =
        [&node, &holder.owner, &holder.description, &LEASE.as_secs_f64()];
    let row = transaction.query_one(TAKE, &parameters).await?;
    let epoch = row.try_get("epoch")?;
    transaction.commit().await?;
    Ok(epoch)
}

/// The process whose lease of a node's books is valid.
pub(super) async fn find_holder(
    client: &impl GenericClient,
    node: &str,
) -> Result<Option<BooksHolder>, PostgresError> {
    find_holder_locked(client, node, "").await
}

async fn find_holder_locked(
    client: &impl GenericClient,
    node: &str,
    lock: &str,
) -> Result<Option<BooksHolder>, PostgresError> {
    let row = client.query_opt(&format!("{SELECT}{lock}"), &[&node]).await;
    match row.map_err(PostgresError::of_reading)? {
        Some(row) if !row.try_get::<_, bool>("due")? => {
            Ok(Some(BooksHolder { process: row.try_get("holder")?, until: row.try_get("until")? }))
        }
        _ => Ok(None),
    }
}

/// Ends the sessions of processes that froze, or were cut off, in the middle of a write: they would keep their locks.
/// Every limit of a working session is shorter.
pub(super) async fn end_frozen_writers(client: &impl GenericClient) -> Result<(), PostgresError> {
    client.execute(END_FROZEN_WRITERS, &[]).await?;
    Ok(())
}

/// Takes the books again that this process had. Returns the new epoch. A transaction, of which a lost connection leaves
/// nothing but its locks: an earlier attempt cannot raise the epoch behind a later one.
pub(super) async fn take_again(
    client: &mut Client,
    node: &str,
    holder: &Holder,
    epoch: i64,
) -> Result<i64, PostgresError> {
    let transaction = client.transaction().await?;
    if transaction.query_opt(LOCK_OWN, &[&node, &holder.owner, &epoch]).await?.is_none() {
        return Err(lost(&transaction, node).await?);
    }
    take_locked(transaction, node, holder).await
}

pub(super) async fn renew(client: &Client, node: &str, epoch: i64) -> Result<(), PostgresError> {
    match client.execute(RENEW, &[&node, &epoch, &LEASE.as_secs_f64()]).await? {
        0 => Err(lost(client, node).await?),
        _ => Ok(()),
    }
}

/// Another process can take the books at once.
pub(super) async fn give_back(
    client: &Client,
    node: &str,
    epoch: i64,
) -> Result<(), PostgresError> {
    client.execute(GIVE_BACK, &[&node, &epoch]).await?;
    Ok(())
}

/// The error that names the process that has the books now.
pub(super) async fn lost(
    client: &impl GenericClient,
    node: &str,
) -> Result<PostgresError, PostgresError> {
    let row = client.query_opt(SELECT, &[&node]).await.map_err(PostgresError::of_reading)?;
    let holder = row.and_then(|row| row.try_get("holder").ok());
    Ok(PostgresError::LeaseLost(holder.unwrap_or_else(|| "another process".to_owned())))
}

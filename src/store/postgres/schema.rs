//! The tables: whose they are, which version they have, and the statements that lead to this version.

use tokio_postgres::GenericClient;
use tokio_postgres::error::SqlState;

use super::error::PostgresError;

/// The statements that lead from each version to the next.
const MIGRATIONS: [&str; 7] = [
    include_str!("0001_accounts.sql"),
    include_str!("0002_payments.sql"),
    include_str!("0003_flows.sql"),
    include_str!("0004_settlements.sql"),
    include_str!("0005_events.sql"),
    include_str!("0006_flow_rates.sql"),
    include_str!("0007_reconciliation.sql"),
];
/// The advisory lock of a process that changes tables ("ILPB").
const MIGRATION_LOCK: i64 = 0x494c_5042;
/// Marks tables as ours.
const APPLICATION: &str = "ilp-connector";

const SELECT_TABLES: &str = "\
SELECT to_regnamespace('ilp_connector') IS NOT NULL AS has_schema, \
to_regclass('ilp_connector.meta') IS NOT NULL AS has_meta, \
EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('ilp_connector')) AS has_tables";

fn known_version() -> u32 {
    u32::try_from(MIGRATIONS.len()).expect("there are few migrations")
}

/// What a database has of ours.
struct Found {
    has_schema: bool,
    /// `None`: it has no tables.
    version: Option<u32>,
}

async fn find(client: &impl GenericClient) -> Result<Found, PostgresError> {
    let row = client.query_one(SELECT_TABLES, &[]).await?;
    let has_schema = row.try_get("has_schema")?;
    if !row.try_get::<_, bool>("has_meta")? {
        return match row.try_get("has_tables")? {
            true => Err(PostgresError::Foreign),
            false => Ok(Found { has_schema, version: None }),
        };
    }
    let select = "SELECT value FROM ilp_connector.meta WHERE key = $1";
    let of_other = |error: tokio_postgres::Error| match error.code() {
        Some(&SqlState::UNDEFINED_COLUMN) => PostgresError::Foreign,
        _ => PostgresError::Statement(error),
    };
    let application = client.query_opt(select, &[&"application"]).await.map_err(of_other)?;
    let application = application.and_then(|row| row.try_get::<_, String>(0).ok());
    if application.as_deref() != Some(APPLICATION) {
        return Err(PostgresError::Foreign);
    }
    let version = client.query_opt(select, &[&"version"]).await?;
    let version = version.and_then(|row| row.try_get::<_, String>(0).ok()?.parse().ok());
    let found =
        version.ok_or_else(|| PostgresError::Damaged("the version is missing".to_owned()))?;
    let known = known_version();
    if found > known {
        return Err(PostgresError::Newer { found, known });
    }
    Ok(Found { has_schema, version: Some(found) })
}

/// Whether the database has tables of this version, for a reader.
pub(super) async fn check(client: &impl GenericClient) -> Result<(), PostgresError> {
    match find(client).await?.version {
        None => Err(PostgresError::NoBooks(": no node has used it".to_owned())),
        Some(found) if found < known_version() => Err(PostgresError::NoBooks(format!(
            " of this version, but of version {found}; start the node once with this program"
        ))),
        Some(_) => Ok(()),
    }
}

/// Brings the tables to this version. Several nodes may begin at the same time.
pub(super) async fn migrate(client: &mut impl GenericClient) -> Result<(), PostgresError> {
    if find(client).await?.version == Some(known_version()) {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    let found = find(&transaction).await?;
    if !found.has_schema {
        transaction.batch_execute("CREATE SCHEMA ilp_connector").await?;
    }
    let version = found.version.unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(version as usize) {
        transaction.batch_execute(migration).await?;
    }
    let set = "INSERT INTO ilp_connector.meta (key, value) VALUES ($1, $2) \
        ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    transaction.execute(set, &[&"application", &APPLICATION]).await?;
    transaction.execute(set, &[&"version", &known_version().to_string()]).await?;
    transaction.commit().await?;
    Ok(())
}

/// The nodes that have books.
pub(super) async fn nodes(client: &impl GenericClient) -> Result<Vec<String>, PostgresError> {
    let rows = client.query("SELECT node FROM ilp_connector.books ORDER BY node", &[]).await;
    let rows = rows.map_err(PostgresError::of_reading)?;
    Ok(rows.iter().filter_map(|row| row.try_get("node").ok()).collect())
}

//! One connection to the database, and the runtime that it lives in: the calls of this module block.
//!
//! A frozen or unreachable process must not keep others from its rows. So each cut is a single statement, and the
//! server ends what takes longer than it should.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::PostgresError;
use super::password_file::read_password;
use crate::net::{PostgresTls, PostgresUrl, database_tls};

/// How long a connection and its login may take, and how long each address of the host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);
/// Seconds without an answer of the other end, after which a connection is tested, and its end.
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_COUNT: u32 = 3;

/// What a session of the server is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionUse {
    /// A node keeps its books.
    Write,
    /// A command reads them.
    Read,
}

impl SessionUse {
    /// How long one statement may take. A node's must end well within its lease.
    fn statement_timeout(self) -> Duration {
        match self {
            Self::Write => Duration::from_secs(4),
            Self::Read => Duration::from_secs(120),
        }
    }

    /// How long an answer may take: the server gives up first, if it works.
    pub(super) fn answer_timeout(self) -> Duration {
        self.statement_timeout() + Duration::from_secs(1)
    }
}

/// A connection.
pub(super) struct Session {
    pub(super) client: Client,
    /// Moves the bytes. Nothing happens unless it is polled.
    connection: Connection,
    session_use: SessionUse,
}

type Connection = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// The runtime of one thread. Its end does not wait for lookups of names: a resolver may hang.
#[derive(Debug)]
pub(super) struct StoreRuntime(Option<Runtime>);

impl StoreRuntime {
    pub(super) fn start() -> Result<Self, PostgresError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| Self(Some(runtime))).map_err(PostgresError::Runtime)
    }
}

impl Deref for StoreRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("it is there until the drop")
    }
}

impl Drop for StoreRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Session {
    pub(super) fn connect(
        runtime: &Runtime,
        url: &PostgresUrl,
        session_use: SessionUse,
    ) -> Result<Self, PostgresError> {
        let tls = MakeRustlsConnect::new(database_tls(url)?);
        let config = config_of(url)?;
        let connected =
            runtime.block_on(async { timeout(CONNECT_TIMEOUT, config.connect(tls)).await });
        let connected = connected.map_err(|_| PostgresError::Timeout(CONNECT_TIMEOUT))?;
        let (client, connection) = connected.map_err(PostgresError::Connect)?;
        let mut session = Self { client, connection: Box::pin(connection), session_use };
        session.prepare(runtime)?;
        Ok(session)
    }

    /// Sets the limits of the session, and refuses a server that cannot keep books.
    fn prepare(&mut self, runtime: &Runtime) -> Result<(), PostgresError> {
        let limits = limits(self.session_use.statement_timeout());
        let is_writer = self.session_use == SessionUse::Write;
        self.run(runtime, async |client| {
            client.batch_execute(&limits).await?;
            let row = client.query_one(SERVER, &[]).await?;
            let encoding: &str = row.try_get("encoding")?;
            if encoding != "UTF8" {
                return Err(PostgresError::Encoding(encoding.to_owned()));
            }
            if !is_writer {
                return Ok(());
            }
            if row.try_get("follows")? {
                return Err(PostgresError::ReadOnlyServer);
            }
            for setting in ["fsync", "full_page_writes"] {
                if row.try_get::<_, &str>(setting)? == "off" {
                    tracing::warn!(setting, "the database server has it off: after a power cut, the books may be damaged");
                }
            }
            if row.try_get::<_, &str>("synchronous_commit")? == "off" {
                tracing::warn!("the database does not wait for the disk; the sessions of the node do");
                client.batch_execute("SET synchronous_commit = local").await?;
            }
            Ok(())
        })
    }

    /// Runs requests until their end.
    ///
    /// # Errors
    /// Theirs, or the connection's. The session is of no use then, as it is not known what the server has done.
    pub(super) fn run<T>(
        &mut self,
        runtime: &Runtime,
        requests: impl AsyncFnOnce(&mut Client) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        self.run_within(self.session_use.answer_timeout(), runtime, requests)
    }

    /// The same with a limit on the time of all requests together.
    pub(super) fn run_within<T>(
        &mut self,
        limit: Duration,
        runtime: &Runtime,
        requests: impl AsyncFnOnce(&mut Client) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let (client, connection) = (&mut self.client, &mut self.connection);
        runtime.block_on(async {
            tokio::select! {
                biased;
                result = timeout(limit, requests(client)) => result.map_err(|_| PostgresError::Timeout(limit))?,
                ended = connection => Err(match ended {
                    Ok(()) => PostgresError::Closed,
                    Err(error) => PostgresError::Statement(error),
                }),
            }
        })
    }

    /// Waits until the server ends the connection. Cancel safe.
    pub(super) async fn ended(&mut self) -> PostgresError {
        match (&mut self.connection).await {
            Ok(()) => PostgresError::Closed,
            Err(error) => PostgresError::Statement(error),
        }
    }
}

fn config_of(url: &PostgresUrl) -> Result<Config, PostgresError> {
    let mut config = Config::new();
    config
        .user(url.user())
        .dbname(url.database())
        .port(url.port())
        .application_name("ilp-connector")
        .connect_timeout(ADDRESS_TIMEOUT)
        .keepalives_idle(KEEP_ALIVE_IDLE)
        .keepalives_interval(KEEP_ALIVE_INTERVAL)
        .keepalives_retries(KEEP_ALIVE_COUNT)
        .ssl_mode(match url.tls() {
            PostgresTls::Disable => SslMode::Disable,
            PostgresTls::Prefer => SslMode::Prefer,
            PostgresTls::Require | PostgresTls::VerifyCa | PostgresTls::VerifyFull => {
                SslMode::Require
            }
        });
    // A host that begins with `/` is a directory of sockets.
    config.host(url.host());
    if let Some(password) = url.password() {
        config.password(password);
    } else if let Some(file) = url.password_file() {
        config.password(read_password(url, file)?);
    }
    if url.is_socket() {
        config.ssl_mode(SslMode::Disable);
    }
    Ok(config)
}

const SERVER: &str = "\
SELECT current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS follows, \
current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes, \
current_setting('synchronous_commit') AS synchronous_commit";

/// The statements that limit a session. The settings of the last one are not known to every version of the server.
fn limits(statement_timeout: Duration) -> String {
    let (idle, interval) = (KEEP_ALIVE_IDLE.as_secs(), KEEP_ALIVE_INTERVAL.as_secs());
    let statement = statement_timeout.as_millis();
    format!(
        "SET search_path = pg_catalog; SET default_transaction_isolation = 'read committed'; \
         SET statement_timeout = {statement}; SET lock_timeout = 2000; \
         SET idle_in_transaction_session_timeout = 2000; \
         SET tcp_keepalives_idle = {idle}; SET tcp_keepalives_interval = {interval}; \
         SET tcp_keepalives_count = {KEEP_ALIVE_COUNT}; \
         SELECT set_config(name, '{statement}', false) FROM pg_settings \
         WHERE name IN ('tcp_user_timeout', 'client_connection_check_interval', 'transaction_timeout')"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_end_of_a_runtime_does_not_wait_for_a_lookup_that_hangs() {
        let runtime = StoreRuntime::start().unwrap();
        let (resolver, answer) = mpsc::sync_channel::<()>(1);
        runtime.spawn_blocking(move || answer.recv());
        let (ended, end) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            drop(runtime);
            let _ = ended.send(());
        });
        end.recv_timeout(Duration::from_secs(60)).expect("it ends before the lookup");
        drop(resolver);
    }
}

//! A PostgreSQL server for tests: Debian's own, with a directory, a Unix socket and a port of its own. It syncs each
//! commit to the disk, and its port asks for passwords.
//!
//! Most tests share one server, with a database for each test; a test that stops the server starts one of its own. A
//! shell beside each server reads a pipe from the test program. When the program ends, in whatever way, the pipe is
//! closed, and the shell stops the server and removes its directory.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::process::free_port;
use crate::support::{eventually, run, run_successfully, skip, text};

/// The deadline of the start of a server; generous, because the machine may be busy with other tests.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The user of the nodes. It owns its databases, and nothing else.
const USER: &str = "ilp";
/// Its password, with characters that a URL must encode.
const PASSWORD: &str = "p@ss/w:rd of-the-tests";
const ENCODED_PASSWORD: &str = "p%40ss%2Fw%3Ard%20of-the-tests";
const MISSING: &str = "there is no PostgreSQL server (Debian's package `postgresql`)";

/// Reads the id of the server's process at each start. At the end of the pipe, it stops the last one, if that still is
/// a server in this directory, and removes the directory. Ctrl-C ends the server by itself.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
while read -r line; do pid=$line; done
runs() { grep -qsF -e "$0" "/proc/$pid/cmdline"; }
runs && kill -QUIT "$pid"
for attempt in $(seq 50); do runs && sleep 0.1; done
rm -rf "$0"
"#;

/// A PostgreSQL server.
pub(crate) struct PostgresServer {
    directory: PathBuf,
    programs: PathBuf,
    /// The user and group as which it runs, if the tests run as root, because PostgreSQL refuses to.
    user: Option<(u32, u32)>,
    port: u16,
    process: Mutex<Option<Child>>,
    watchdog: Child,
    pipe: Mutex<Option<ChildStdin>>,
    databases: AtomicU32,
}

/// A database of one test.
pub(crate) struct TestDatabase {
    server: Arc<PostgresServer>,
    name: String,
}

impl TestDatabase {
    /// A new database on the server that tests share. `None`: there is no PostgreSQL, and the test is skipped.
    pub(crate) fn create(test: &str) -> Option<Self> {
        static SHARED: OnceLock<Option<Arc<PostgresServer>>> = OnceLock::new();
        let server = SHARED.get_or_init(PostgresServer::start_new);
        if server.is_none() {
            skip(test, MISSING);
        }
        server.as_ref().map(Self::on)
    }

    /// A new database on this server.
    pub(crate) fn on(server: &Arc<PostgresServer>) -> Self {
        let name = format!("books_{}", server.databases.fetch_add(1, Ordering::Relaxed));
        server.query("postgres", &format!("CREATE DATABASE {name} OWNER {USER}"));
        Self { server: Arc::clone(server), name }
    }

    /// The URL, with user and password.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// The same for a proxy.
    pub(crate) fn url_at(&self, port: u16) -> String {
        format!("postgres://{USER}:{ENCODED_PASSWORD}@127.0.0.1:{port}/{}", self.name)
    }

    /// The port of its server.
    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    /// A program of the server's package, such as `pg_dump`.
    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.server.programs.join(name))
    }

    /// Runs statements as the superuser. Returns the rows, one a line, with `|` between the columns.
    pub(crate) fn query(&self, sql: &str) -> String {
        self.server.query(&self.name, sql)
    }
}

impl PostgresServer {
    /// Starts a server for a test that stops it. `None`: there is no PostgreSQL, and the test is skipped.
    pub(crate) fn start_own(test: &str) -> Option<Arc<Self>> {
        let server = Self::start_new();
        if server.is_none() {
            skip(test, MISSING);
        }
        server
    }

    fn start_new() -> Option<Arc<Self>> {
        let programs = find_programs()?;
        let directory = tempfile::tempdir().unwrap().keep();
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", WATCHDOG]).arg(&directory).stdin(Stdio::piped());
        let mut watchdog = watchdog.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self {
            directory,
            programs,
            user: server_user(),
            port: free_port(),
            process: Mutex::new(None),
            pipe: Mutex::new(watchdog.stdin.take()),
            watchdog,
            databases: AtomicU32::new(1),
        };
        if let Some((user, group)) = server.user {
            chown(&server.directory, Some(user), Some(group)).unwrap();
        }
        let access = ["--auth-local=trust", "--auth-host=scram-sha-256"];
        let layout = ["--no-sync", "--encoding=UTF8", "--locale=C", "--username=postgres"];
        let mut initdb = server.server_command("initdb");
        run_successfully(initdb.args(access).args(layout));
        server.start();
        server.query("postgres", &format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'"));
        Some(Arc::new(server))
    }

    /// Starts it, with the data and the port that it had before, and waits until it answers.
    pub(crate) fn start(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(process.is_none(), "the server runs already");
        eventually("PostgreSQL answers", TIMEOUT, || {
            // It ends at once while processes of a killed server are still there.
            let has_ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
            if process.as_mut().is_none_or(has_ended) {
                *process = Some(self.spawn());
            }
            let output = run(&mut self.psql("postgres", "SELECT 1"));
            if output.status.success() { Ok(()) } else { Err(self.log() + &text(&output.stderr)) }
        });
    }

    fn spawn(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.directory.join("log"));
        let log = log.unwrap();
        let mut postgres = self.server_command("postgres");
        let port = self.port.to_string();
        postgres.args(["-p", &port, "-h", "127.0.0.1", "-k"]).arg(&self.directory);
        postgres.args(["-c", "shared_buffers=16MB", "-c", "fsync=on"]);
        postgres.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = postgres.spawn().unwrap();
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(pipe.as_mut().unwrap(), "{}", child.id()).unwrap();
        child
    }

    /// Stops it in order. Its clients lose their connections.
    pub(crate) fn stop(&self) {
        self.end("INT");
    }

    /// Kills it. Its other processes end by themselves, and write nothing more.
    pub(crate) fn kill(&self) {
        self.end("KILL");
    }

    fn end(&self, signal: &str) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut process = process.unwrap_or_else(|| panic!("the server does not run"));
        let kill = format!("kill -{signal} {}", process.id());
        run_successfully(Command::new("sh").args(["-c", &kill]));
        process.wait().unwrap();
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    fn query(&self, database: &str, sql: &str) -> String {
        run_successfully(&mut self.psql(database, sql)).trim_end().to_owned()
    }

    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]);
        psql.args(["-p", &self.port.to_string(), "-d", database, "-c", sql, "-h"]);
        psql.arg(&self.directory).env_remove("PGOPTIONS");
        psql
    }

    /// A program that works on the data directory.
    fn server_command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-D").arg(self.directory.join("data")).current_dir(&self.directory);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // The watchdog does the rest; it also does so for the shared server, which is never dropped.
        self.pipe.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(process) = self.process.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let _ = process.wait();
        }
        let _ = self.watchdog.wait();
    }
}

/// The directory with the programs of the newest server here.
fn find_programs() -> Option<PathBuf> {
    let version = |directory: &PathBuf| {
        let name = directory.file_name()?.to_str()?;
        name.parse::<u32>().ok()
    };
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<_> = installed.map(|entry| entry.path()).collect();
    installed.sort_by_key(version);
    let debian = installed.into_iter().rev().map(|directory| directory.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_complete = |directory: &Path| {
        ["initdb", "postgres", "psql"].iter().all(|program| directory.join(program).is_file())
    };
    debian.chain(std::env::split_paths(&path)).find(|directory| is_complete(directory))
}

/// The user and group of the server, if the tests run as root.
fn server_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = run(Command::new("id").args(arguments));
        text(&output.stdout).trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let of_user = |name| Some((id(&["-u", name])?, id(&["-g", name])?));
    of_user("postgres").or_else(|| of_user("nobody"))
}

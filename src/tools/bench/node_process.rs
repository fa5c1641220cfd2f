//! The measured node: this program in another process, with a generated file. Dropping it ends the process and removes
//! the file.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::console::{Failure, fetch_health};
use crate::peers::Token;
use crate::tools::login::EntryLogin;

pub(super) const RECEIVER_ADDRESS: &str = "test.bench.receiver";
/// Enough to load a million routes.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running node.
pub(super) struct NodeProcess {
    child: Child,
    /// Removed after the child is gone: fields are dropped after `drop`.
    folder: PrivateDirectory,
    port: u16,
    token: String,
}

impl NodeProcess {
    /// Starts the node with this many unused routes, and waits until it is healthy.
    pub(super) fn start(routes: u32) -> Result<Self, Failure> {
        let spawned = spawn(routes);
        let (mut node, health_port) =
            spawned.map_err(|error| Failure::Failed(format!("cannot start a node: {error}")))?;
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let timeout = Duration::from_secs(1);
            let health = fetch_health("127.0.0.1", health_port, timeout);
            if health.is_ok_and(|answer| answer.code == 200) {
                return Ok(node);
            }
            if let Ok(Some(status)) = node.child.try_wait() {
                let line = node.last_line();
                return Err(Failure::Failed(format!("the node ended with {status}: {line}")));
            }
            if Instant::now() > deadline {
                let line = node.last_line();
                return Err(Failure::Failed(format!("the node is not healthy: {line}")));
            }
            std::thread::park_timeout(POLL_INTERVAL);
        }
    }

    /// The process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn sender(&self) -> Result<EntryLogin, Failure> {
        EntryLogin::on_loopback(self.port, "sender", Token::from(self.token.as_str()))
    }

    pub(super) fn receiver(&self) -> Result<EntryLogin, Failure> {
        EntryLogin::on_loopback(self.port, "receiver", Token::from(self.token.as_str()))
    }

    fn last_line(&self) -> String {
        let log = fs::read_to_string(self.folder.log()).unwrap_or_default();
        log.lines().last().unwrap_or("its log is empty").to_owned()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory that only this user can read, because it contains a token.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("ilp-connector-bench-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn node_file(&self) -> PathBuf {
        self.0.join("node.yaml")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // It is in the temporary directory, which the system cleans.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn spawn(routes: u32) -> io::Result<(NodeProcess, u16)> {
    let folder = PrivateDirectory::create()?;
    let token = hex::encode(rand::random::<[u8; 16]>());
    let (port, health_port) = (free_port()?, free_port()?);
    write_file(&folder.node_file(), &token, port, health_port, routes)?;
    let child = Command::new(std::env::current_exe()?)
        .args(["run", "--config"])
        .arg(folder.node_file())
        // Variables of this environment must not change the node.
        .env_clear()
        .stdin(Stdio::null())
        .stdout(File::create(folder.log())?)
        .stderr(Stdio::null())
        .spawn()?;
    Ok((NodeProcess { child, folder, port, token }, health_port))
}

fn write_file(
    file: &Path,
    token: &str,
    port: u16,
    health_port: u16,
    routes: u32,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(File::create(file)?);
    writeln!(
        out,
        "nodeId: bench\nilpAddress: test.bench\nlogLevel: warn\n\
         btpServerHost: 127.0.0.1\nbtpServerPort: {port}\n\
         healthCheckHost: 127.0.0.1\nhealthCheckPort: {health_port}\n\
         peers:\n  \
           - {{ id: sender, relation: child, authToken: {token} }}\n  \
           - {{ id: receiver, relation: child, authToken: {token} }}\n\
         routes:"
    )?;
    for number in 0..routes {
        writeln!(out, "  - {{ prefix: test.elsewhere-{number}, nextHop: receiver }}")?;
    }
    out.flush()
}

/// A port that is free now.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

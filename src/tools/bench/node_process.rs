//! The node that is measured: this program again, as a process of its own with a file of its own. Both are gone when
//! this value is.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::console::Failure;
use crate::peers::Token;
use crate::tools::health_probe::fetch_health;
use crate::tools::login::EntryLogin;

/// Where the receiver is.
pub(super) const RECEIVER_ADDRESS: &str = "test.bench.receiver";
/// A million routes take a while to read.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks whether it is there.
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
    /// Starts it, with so many routes that are not used, and waits until it is healthy.
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

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Who sends.
    pub(super) fn sender(&self) -> Result<EntryLogin, Failure> {
        EntryLogin::on_loopback(self.port, "sender", Token::from(self.token.as_str()))
    }

    /// Who receives.
    pub(super) fn receiver(&self) -> Result<EntryLogin, Failure> {
        EntryLogin::on_loopback(self.port, "receiver", Token::from(self.token.as_str()))
    }

    fn last_line(&self) -> String {
        let log = fs::read_to_string(self.folder.log()).unwrap_or_default();
        log.lines().last().unwrap_or("it has said nothing").to_owned()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It may have ended by itself, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory for this process alone, as it holds a token.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("ilp-connector-bench-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(PrivateDirectory(path))
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
        // What cannot be removed is in the temporary directory.
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
        // Nothing of this environment is to change the node.
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

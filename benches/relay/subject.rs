//! The measured program: the bare relay or the connector, as a process of its own.

use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::frames::route_prefix;
use crate::peers::login;
use crate::reader::{self, Reader};

/// The connector that cargo built beside this bench.
const CONNECTOR: &str = env!("CARGO_BIN_EXE_ilp-connector");
/// A million routes take a while to read.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Which program carries the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// The base: WebSocket messages in and out, nothing else, as it is usually written.
    BareRelay,
    /// The same, with the least work that the library allows.
    LeanRelay,
    /// The connector with all checks on, and packets not logged.
    Connector,
    /// The connector, and every packet logged.
    ConnectorLogging,
    /// The connector, and a page that is open.
    ConnectorWatched,
    /// The connector, and a reader of as many packets as the API gives.
    ConnectorTapped,
    /// The connector with a store: balances are saved within 20 ms.
    ConnectorBatched,
    /// The connector with a store that has each packet's money before the packet leaves.
    ConnectorStrict,
    /// The connector with everything switched on: an HTTP listener, a receiver, and the exchange of routes with all
    /// peers but those of the load.
    ConnectorComplete,
}

impl Subject {
    /// Its name in a report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BareRelay => "bare relay",
            Self::LeanRelay => "bare relay, lean",
            Self::Connector => "connector",
            Self::ConnectorLogging => "connector, packets logged",
            Self::ConnectorWatched => "connector, page open",
            Self::ConnectorTapped => "connector, tapped",
            Self::ConnectorBatched => "connector, batched store",
            Self::ConnectorStrict => "connector, strict store",
            Self::ConnectorComplete => "connector, complete",
        }
    }

    /// Whether peers have to log in.
    pub(crate) fn wants_login(self) -> bool {
        !matches!(self, Self::BareRelay | Self::LeanRelay)
    }

    /// What is asked of its stream.
    fn stream(self) -> Option<&'static str> {
        match self {
            Self::ConnectorWatched => Some(reader::PAGE),
            Self::ConnectorTapped => Some(reader::TAP),
            _ => None,
        }
    }
}

/// The settings of a subject.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    /// Peers that will connect.
    pub(crate) peers: usize,
    /// The first peer that routes lead to.
    pub(crate) answer_from: usize,
    /// Routes, handed to the answering peers in turn.
    pub(crate) routes: u32,
}

/// A child process that does not outlive its owner.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program on `cores` (as taskset reads them), or wherever the kernel puts it.
    ///
    /// # Errors
    ///
    /// The program could not be started.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        cores: Option<&str>,
        output: Stdio,
    ) -> io::Result<Self> {
        let mut command = match cores {
            // taskset replaces itself by the program, so that the process id is the program's.
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.arg("--cpu-list").arg(cores).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(arguments).stdin(Stdio::null()).stdout(output);
        Ok(Self(command.spawn()?))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its standard output. May be taken once.
    ///
    /// # Errors
    ///
    /// It was taken before.
    pub(crate) fn lines(&mut self) -> io::Result<impl Iterator<Item = io::Result<String>> + use<>> {
        let output = self.0.stdout.take();
        Ok(BufReader::new(output.ok_or_else(|| io::Error::other("output taken twice"))?).lines())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A subject that accepts connections.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// Where a connector answers `/health` and `/metrics`.
    health: Option<u16>,
    /// Reads its stream until the run ends.
    _reader: Option<Reader>,
}

impl Running {
    /// The part of the packet log's records that were dropped; nothing where no packets are logged.
    ///
    /// # Errors
    ///
    /// The metrics cannot be read.
    pub(crate) fn log_records_dropped(&self) -> io::Result<Option<f64>> {
        let Some(port) = self.health else { return Ok(None) };
        let metrics = get(port, "/metrics")?;
        let value = |name: &str| -> io::Result<f64> {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value = line.and_then(|value| value.trim().parse().ok());
            value.ok_or_else(|| io::Error::other(format!("/metrics has no {name}")))
        };
        let written = value("ilp_packet_log_records_total")?;
        let dropped = value("ilp_packet_log_records_dropped_total")?;
        Ok((written + dropped > 0.0).then(|| dropped / (written + dropped)))
    }
}

/// Starts a subject and waits until it accepts connections. Files go to `directory`.
///
/// # Errors
///
/// It could not be started, or was not ready in time.
pub(crate) fn start(
    subject: Subject,
    network: Network,
    cores: Option<&str>,
    directory: &Path,
) -> io::Result<Running> {
    match subject {
        Subject::BareRelay => start_relay(network, false, cores),
        Subject::LeanRelay => start_relay(network, true, cores),
        Subject::Connector
        | Subject::ConnectorLogging
        | Subject::ConnectorWatched
        | Subject::ConnectorTapped
        | Subject::ConnectorBatched
        | Subject::ConnectorStrict
        | Subject::ConnectorComplete => start_connector(subject, network, cores, directory),
    }
}

fn start_relay(network: Network, lean: bool, cores: Option<&str>) -> io::Result<Running> {
    let mut arguments: Vec<String> =
        ["bare-relay", "--peers", &network.peers.to_string()].map(str::to_owned).into();
    arguments.extend(lean.then(|| "--lean".to_owned()));
    let relay = std::env::current_exe()?;
    let mut process = Process::start(&relay, &arguments, cores, Stdio::piped())?;
    let line = process.lines()?.next().ok_or_else(|| io::Error::other("the relay ended"))??;
    let port: u16 = line.trim().parse().map_err(io::Error::other)?;
    Ok(Running { process, address: ([127, 0, 0, 1], port).into(), health: None, _reader: None })
}

fn start_connector(
    subject: Subject,
    network: Network,
    cores: Option<&str>,
    directory: &Path,
) -> io::Result<Running> {
    let (btp, health) = (free_port()?, free_port()?);
    let file = directory.join("node.yaml");
    write_configuration(&file, subject, network, btp, health)?;
    let log = directory.join("node.log");
    let arguments = ["run", "--config", &file.to_string_lossy()].map(str::to_owned);
    let output = fs::File::create(&log)?.into();
    let mut process = Process::start(Path::new(CONNECTOR), &arguments, cores, output)?;
    let deadline = Instant::now() + START_TIMEOUT;
    while !is_healthy(health) {
        if let Some(status) = process.0.try_wait()? {
            let log = fs::read_to_string(&log).unwrap_or_default();
            return Err(io::Error::other(format!("the connector ended ({status}):\n{log}")));
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("not healthy after {START_TIMEOUT:?}")));
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let reader = subject.stream().map(|query| Reader::open(health, query)).transpose()?;
    let address = ([127, 0, 0, 1], btp).into();
    Ok(Running { process, address, health: Some(health), _reader: reader })
}

/// A port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn write_configuration(
    file: &Path,
    subject: Subject,
    network: Network,
    btp: u16,
    health: u16,
) -> io::Result<()> {
    let mut text = BufWriter::new(fs::File::create(file)?);
    writeln!(text, "nodeId: bench")?;
    writeln!(text, "ilpAddress: test.bench-node")?;
    writeln!(text, "btpServerHost: 127.0.0.1\nbtpServerPort: {btp}")?;
    writeln!(text, "healthCheckHost: 127.0.0.1\nhealthCheckPort: {health}")?;
    writeln!(text, "packetLog: {}", subject == Subject::ConnectorLogging)?;
    if matches!(subject, Subject::ConnectorBatched | Subject::ConnectorStrict) {
        let strict = subject == Subject::ConnectorStrict;
        let store = file.with_file_name("bench.db");
        writeln!(text, "store: {}", store.display())?;
        writeln!(text, "durability: {}", if strict { "strict" } else { "batched" })?;
    }
    let mut of_the_load = "relation: peer";
    if subject == Subject::ConnectorComplete {
        writeln!(text, "httpServerHost: 127.0.0.1\nhttpServerPort: {}", free_port()?)?;
        writeln!(text, "receivers: [{{id: wallet}}]")?;
        writeln!(text, "routing: dynamic")?;
        // They speak no CCP.
        of_the_load = "relation: peer, sendRoutes: false, receiveRoutes: false";
    }
    writeln!(text, "peers:")?;
    if subject == Subject::ConnectorComplete {
        writeln!(text, "  - {{id: neighbour, authToken: bench-neighbour, relation: peer}}")?;
    }
    for index in 0..network.peers {
        let login = login(index);
        writeln!(text, "  - {{id: {}, authToken: {}, {of_the_load}}}", login.user, login.token)?;
    }
    writeln!(text, "routes:")?;
    let answering = network.peers - network.answer_from;
    for number in 0..network.routes {
        let next_hop = login(network.answer_from + number as usize % answering).user;
        let prefix = route_prefix(number);
        writeln!(text, "  - {{prefix: {prefix}, nextHop: {next_hop}}}")?;
    }
    text.flush()
}

fn is_healthy(port: u16) -> bool {
    get(port, "/health").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

/// The whole answer to a GET, head included.
fn get(port: u16, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

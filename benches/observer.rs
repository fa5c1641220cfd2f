//! What it costs to observe a large network: `up` with 100 nodes and 1,000 links as a process of its own, without its
//! page, with it, and with one client that reads its whole stream.
//!
//! `cargo bench --bench observer` takes about three minutes; `-- --seconds 300` also fills the five minutes of history.
//! The figures are the CPU of the thread that observes (from the kernel, in hundredths of a second) and resident
//! memory. The network carries no packets: state and figures are computed all the same.
#![allow(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program that prints figures"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CONNECTOR: &str = env!("CARGO_BIN_EXE_ilp-connector");
const NODES: usize = 100;
/// Links of each node to those after it.
const LINKS_PER_NODE: usize = 10;
/// The thread that observes.
const THREAD: &str = "network";
/// Ticks of CPU time in a second, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
const START_TIMEOUT: Duration = Duration::from_secs(180);
/// After all links are up, so that the start is not measured.
const SETTLE: Duration = Duration::from_secs(10);
/// Seconds of history, and what they take at most with all links.
const HISTORY_SECONDS: f64 = 300.0;
const HISTORY_MIB: f64 = 18.0;
/// The budgets.
const CPU_PERCENT_MAX: f64 = 3.0;
const MEMORY_MIB_MAX: f64 = 40.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let seconds = arguments.iter().position(|argument| argument == "--seconds");
    let seconds = seconds.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(60);
    let is_gate = arguments.iter().any(|argument| argument == "--gate");
    match measure(Duration::from_secs(seconds)) {
        Ok(is_within) if is_within || !is_gate => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("observer: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the budgets are kept.
fn measure(time: Duration) -> io::Result<bool> {
    let folder = std::env::temp_dir().join(format!("ilp-observer-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let file = folder.join("network.yaml");
    fs::write(&file, topology())?;
    let measured = measure_network(&file, time);
    fs::remove_dir_all(&folder)?;
    measured
}

fn measure_network(file: &Path, time: Duration) -> io::Result<bool> {
    let links = NODES * LINKS_PER_NODE;
    println!("{NODES} nodes, {links} links, each phase {} s", time.as_secs());
    let without = Network::start(file, &["--no-ui"])?;
    without.wait_links_by_log()?;
    pause(SETTLE + time);
    let base = without.memory_mib()?;
    drop(without);
    println!("without the page: {base:.1} MiB resident");

    let network = Network::start(file, &["--ui-port", "0"])?;
    let port = network.page_port()?;
    wait_links_up(port, links)?;
    pause(SETTLE);
    let idle = network.cpu_percent(time)?;
    println!("no client watches: {idle:.2} % of a core (history and limits, once a second)");
    let bytes = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&bytes);
    let mut stream = open_stream(port)?;
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            count.fetch_add(read as u64, Ordering::Relaxed);
        }
    });
    let watched = network.cpu_percent(time)?;
    let rate = bytes.load(Ordering::Relaxed) as f64 / time.as_secs_f64() / 1024.0;
    println!("one client reads everything: {watched:.2} % of a core, {rate:.0} KiB a second");
    let memory = network.memory_mib()? - base;
    let recorded = (2.0 * time.as_secs_f64() + SETTLE.as_secs_f64()).min(HISTORY_SECONDS);
    let whole = memory + HISTORY_MIB * (1.0 - recorded / HISTORY_SECONDS);
    println!(
        "memory of page and observer: {memory:.1} MiB after {recorded:.0} s of history; at most {whole:.1} MiB after \
         {HISTORY_SECONDS:.0} s"
    );
    let is_within = watched <= CPU_PERCENT_MAX && whole <= MEMORY_MIB_MAX;
    let verdict = if is_within { "kept" } else { "MISSED" };
    println!("budget {CPU_PERCENT_MAX} % of a core and {MEMORY_MIB_MAX} MiB: {verdict}");
    Ok(is_within)
}

/// A ring in which each node has links to the ten after it.
fn topology() -> String {
    let mut yaml = "nodes:\n".to_owned();
    // Writing to a string cannot fail.
    for node in 0..NODES {
        let _ = writeln!(yaml, "  - id: n{node:03}");
    }
    yaml += "links:\n";
    for node in 0..NODES {
        for step in 1..=LINKS_PER_NODE {
            let to = (node + step) % NODES;
            let _ = writeln!(
                yaml,
                "  - {{ from: n{node:03}, to: n{to:03}, secret: bench-{node}-{to} }}"
            );
        }
    }
    yaml
}

/// A running `up`.
struct Network {
    process: Child,
    log: PathBuf,
}

impl Network {
    fn start(file: &Path, more: &[&str]) -> io::Result<Self> {
        let log = file.with_extension("log");
        let output = fs::File::create(&log)?;
        let mut command = Command::new(CONNECTOR);
        command.arg("up").arg(file).arg("--plain").args(more).env_clear();
        command.stdin(Stdio::null()).stdout(output).stderr(Stdio::inherit());
        Ok(Self { process: command.spawn()?, log })
    }

    /// Waits until a line of the log is wanted.
    fn wait_log<T>(&self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            let lines = BufReader::new(fs::File::open(&self.log)?).lines();
            if let Some(found) = lines.map_while(Result::ok).find_map(|line| wanted(&line)) {
                return Ok(found);
            }
            pause(Duration::from_millis(200));
        }
        Err(io::Error::other(format!(
            "{what}: not within {START_TIMEOUT:?}, see {}",
            self.log.display()
        )))
    }

    fn page_port(&self) -> io::Result<u16> {
        self.wait_log("the page", |line| {
            let (_, url) = line.split_once("\"url\":\"http://127.0.0.1:")?;
            url.split('/').next()?.parse().ok()
        })
    }

    /// Without a page, the log says when the last node has started; its links follow at once.
    fn wait_links_by_log(&self) -> io::Result<()> {
        let last = format!("\"n{:03}\"", NODES - 1);
        self.wait_log("the last node", |line| {
            (line.contains("health server listening") && line.contains(&last)).then_some(())
        })
    }

    fn memory_mib(&self) -> io::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0).ok_or_else(|| io::Error::other("no VmRSS"))
    }

    /// The share of a core that the observing thread takes in this time.
    fn cpu_percent(&self, time: Duration) -> io::Result<f64> {
        let (before, began) = (self.ticks()?, Instant::now());
        pause(time);
        let used = (self.ticks()? - before) as f64 / TICKS_PER_SECOND;
        Ok(100.0 * used / began.elapsed().as_secs_f64())
    }

    fn ticks(&self) -> io::Result<u64> {
        for task in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let task = task?.path();
            if fs::read_to_string(task.join("comm"))?.trim() != THREAD {
                continue;
            }
            let stat = fs::read_to_string(task.join("stat"))?;
            let (_, after) = stat.rsplit_once(") ").unwrap_or_default();
            let fields: Vec<&str> = after.split(' ').collect();
            // User and system time are the 14th and 15th field; the third is the first one here.
            let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
            if let (Some(user), Some(system)) = (ticks(11), ticks(12)) {
                return Ok(user + system);
            }
        }
        Err(io::Error::other("there is no thread that observes"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // It has nothing to lose, and may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Time is what this program measures.
#[expect(clippy::disallowed_methods, reason = "a phase has a length")]
fn pause(time: Duration) {
    thread::sleep(time);
}

fn request(port: u16, path: &str) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    write!(socket, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    Ok(socket)
}

fn wait_links_up(port: u16, links: usize) -> io::Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut up = 0;
    while Instant::now() < deadline {
        let mut body = String::new();
        request(port, "/api/v1/links")?.read_to_string(&mut body)?;
        up = body.matches("\"state\":\"up\"").count();
        if up == links {
            return Ok(());
        }
        pause(Duration::from_millis(500));
    }
    Err(io::Error::other(format!("only {up} of {links} links came up")))
}

fn open_stream(port: u16) -> io::Result<TcpStream> {
    request(port, "/api/v1/stream")
}

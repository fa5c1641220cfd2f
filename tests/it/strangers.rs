//! What strangers and a lack of open files cannot do to a running node.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, crypto};

use crate::peer::{Daemon, get, yaml_of};
use crate::running::{PATIENCE, Running, folder, path, write};
use crate::support::{PROGRAM, eventually};

fn connect(port: u64) -> TcpStream {
    let port = u16::try_from(port).unwrap();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()
}

/// A node that may open only so many files, and the ports of its BTP and health listeners.
struct Limited {
    running: Running,
    port: u64,
    health: u64,
    _folder: tempfile::TempDir,
}

impl Limited {
    fn start(limit: u32, yaml: &str) -> Self {
        let folder = folder();
        let ports = "btpServerHost: 127.0.0.1\nbtpServerPort: 0\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: 0\n";
        let file = write(&folder, "node.yaml", &format!("{ports}{yaml}"));
        let command =
            format!("ulimit -n {limit} && exec '{PROGRAM}' run --config '{}'", path(&file));
        let running = Running::of(Command::new("sh").args(["-c", &command]).env_clear());
        let port = |message| running.logged(message, "port").as_u64().unwrap();
        let (port, health) = (port("BTP server listening"), port("health server listening"));
        Self { running, port, health, _folder: folder }
    }

    fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.running.pid())).unwrap().count()
    }
}

#[test]
fn strangers_do_not_take_the_last_open_files() {
    let node = Limited::start(64, &yaml_of(&["alice", "bob"], ""));
    let login = |id: &str| crate::peer::Peer::login(node.port, id, &format!("{id}-token"));
    let mut alice = login("alice");
    let strangers: Vec<_> = (0..200).map(|_| connect(node.port)).collect();
    let accepted = || {
        let metrics = get(node.health, "/metrics").1;
        let is_all = metrics.contains("\nilp_server_sockets_total 201\n");
        if is_all { Ok(()) } else { Err(metrics) }
    };
    eventually("all strangers are accepted", PATIENCE, accepted);
    assert!(node.open_files() < 56, "{} open files", node.open_files());
    assert_eq!(get(node.health, "/health/live").0, 200);
    assert_eq!(alice.fence(), [""; 0], "the session stays");
    // And a peer comes in while they are there.
    assert_eq!(login("bob").fence(), [""; 0]);
    drop(strangers);
    assert!(!node.running.lines().join("\n").contains("cannot accept connections"));
}

#[test]
fn health_answers_while_dialled_sessions_take_all_open_files() {
    // Takes connections and says nothing, so that attempts hold their open files.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut yaml = "nodeId: n\nilpAddress: test.n\nauthTimeoutMs: 600000\npeers:\n".to_owned();
    for n in 0..48 {
        yaml += &format!("  - {{ id: p{n}, url: 'ws://127.0.0.1:{port}', authToken: t }}\n");
    }
    let node = Limited::start(48, &yaml);
    let none_left = |line: &str| {
        line.contains("cannot connect to").then_some(()).filter(|()| line.contains("open files"))
    };
    node.running.line("open files run out", none_left);
    for _ in 0..3 {
        assert_eq!(get(node.health, "/health/live").0, 200);
    }
}

/// The thread of that name, in `/proc`.
fn thread(pid: u32, name: &str) -> PathBuf {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_name = tasks.map(|task| task.unwrap().path()).find(|task| {
        fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    });
    of_name.unwrap_or_else(|| panic!("there is no thread {name}"))
}

/// Nanoseconds that the thread of that name has run for.
fn ran_for(pid: u32, name: &str) -> u64 {
    let stat = fs::read_to_string(thread(pid, name).join("schedstat")).unwrap();
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap()
}

#[test]
fn handshakes_of_strangers_are_computed_beside_the_packets_on_both_ports() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = folder();
    let certificate = write(&folder, "cert.pem", &made.cert.pem());
    let key = write(&folder, "key.pem", &made.signing_key.serialize_pem());
    let tls = format!(
        "tls: {{ certificate: '{}', key: '{}' }}\nhttpServerHost: 127.0.0.1\nhttpServerPort: 0\n",
        path(&certificate),
        path(&key)
    );
    let node = Daemon::start(&yaml_of(&["alice"], &tls));
    let http = node.running.logged("HTTP server listening", "port").as_u64().unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    for port in [node.port, http] {
        let before = ran_for(node.running.pid(), "tls");
        for _ in 0..20 {
            let name = ServerName::try_from("localhost").unwrap();
            let mut client = ClientConnection::new(Arc::clone(&config), name).unwrap();
            let mut stream = connect(port);
            client.complete_io(&mut stream).unwrap();
        }
        let ran = ran_for(node.running.pid(), "tls") - before;
        assert!(ran > 1_000_000, "20 handshakes took the thread {ran} ns");
    }
    // And it is the less urgent one (the 19th value, the 17th behind the name).
    let nice = |name| {
        let stat = fs::read_to_string(thread(node.running.pid(), name).join("stat")).unwrap();
        let values = stat.rsplit_once(") ").unwrap().1;
        values.split(' ').nth(16).unwrap().parse::<i32>().unwrap()
    };
    assert!(nice("tls") > nice("ilp-connector"), "{} {}", nice("tls"), nice("ilp-connector"));
    // One that is not finished holds up no other.
    let unfinished: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect(node.port);
            stream.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
            stream
        })
        .collect();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(config, name).unwrap();
    let mut stream = connect(node.port);
    client.complete_io(&mut stream).unwrap();
    client.writer().write_all(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    client.complete_io(&mut stream).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        client.complete_io(&mut stream).unwrap();
        let mut bytes = [0; 1024];
        match client.reader().read(&mut bytes) {
            Ok(count) => answer.extend(&bytes[..count]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 426 "), "{}", String::from_utf8_lossy(&answer));
    drop(unfinished);
}

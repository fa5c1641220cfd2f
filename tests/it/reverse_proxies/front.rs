//! A node behind a real proxy: the files of `examples/proxies`, with free ports and a certificate of this test; or a
//! proxy that passes on the bytes of TLS, which the node ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use serde_json::Value;
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::client::Machine;
use crate::peer::{Peer, TIMEOUT, try_ask};
use crate::process::{Process, free_port, path_text, temp_folder, write_file};
use crate::support::{combined_output, eventually, run};

pub(super) const BTP_NAME: &str = "btp.node.example";
pub(super) const HTTP_NAME: &str = "node.example";
pub(super) const PAGE_NAME: &str = "page.node.example";
/// Debian's `libnginx-mod-stream`.
pub(super) const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
pub(super) const API_TOKEN: &str = "the-operators-token";

/// The program in front of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nginx,
    Haproxy,
}

/// The proxy and the node, as long as the test.
pub(super) struct Front {
    pub(super) kind: Kind,
    pub(super) node: Option<Process>,
    proxy: Option<Process>,
    /// Where clients connect to: BTP, and everything else.
    btp: u16,
    https: u16,
    /// Of the node itself: the API, BTP and HTTP.
    api: u16,
    node_ports: [u16; 2],
    node_file: PathBuf,
    pub(super) certificate_file: PathBuf,
    certificate: CertificateDer<'static>,
    _folder: TempDir,
}

/// A file of the examples.
fn example(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/proxies/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

/// Replaces texts, each of which must be there.
fn replaced(mut text: String, pairs: &[(&str, &str)]) -> String {
    for (from, to) in pairs {
        assert!(text.contains(from), "the example has no {from:?}");
        text = text.replace(from, to);
    }
    text
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Nginx, Self::Haproxy];

    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// `None`: it is installed.
    pub(super) fn missing(self) -> Option<String> {
        // Both are in /usr/sbin, which is not in the path of every user.
        let program = self.program();
        let found = ["/usr/sbin", "/usr/local/sbin"];
        let is_found = found.iter().any(|folder| PathBuf::from(folder).join(program).exists());
        (!is_found).then(|| format!("there is no {program} (Debian's package of that name)"))
    }

    /// The name by which a client asks for BTP.
    pub(super) fn btp_host(self) -> String {
        format!("Host: {BTP_NAME}\r\n")
    }
}

impl Front {
    /// `more`: further lines of the node's file.
    pub(super) fn start(kind: Kind, more: &str) -> Self {
        let folder = temp_folder();
        let made = certificate();
        let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let certificate_file = write_file(&folder, "node.pem", &pem);
        let both = write_file(&folder, "both.pem", &format!("{pem}{key}"));
        let key = write_file(&folder, "node.key", &key);
        let [btp_node, http_node, api] = [free_port(), free_port(), free_port()];
        let (https, own_port) = (free_port(), free_port());
        let free = [btp_node, http_node];
        let ports = [btp_node, http_node, api].map(|port| port.to_string());
        let [btp_node, http_node, api_node] = &ports;

        let node = replaced(
            example("node.yaml"),
            &[
                ("btpServerPort: 3000", &format!("btpServerPort: {btp_node}")),
                ("httpServerPort: 7770", &format!("httpServerPort: {http_node}")),
                ("healthCheckPort: 8080", &format!("healthCheckPort: {api_node}")),
            ],
        );
        let node = match kind {
            Kind::Nginx => node,
            Kind::Haproxy => {
                let before = "sends: xForwardedFor, listener: btp";
                replaced(node, &[(before, "sends: proxyProtocol, listener: btp")])
            }
        };
        let node_file = write_file(&folder, "node.yaml", &format!("{node}{more}"));
        let listen = format!("listen 127.0.0.1:{https} ssl");
        let [btp, http, page] =
            [btp_node, http_node, api_node].map(|port| format!("127.0.0.1:{port}"));
        let file = match kind {
            Kind::Nginx => replaced(
                example("nginx.conf"),
                &[
                    // The test may run as any user, and keeps the files of nginx in its own folder.
                    ("user www-data;\n", ""),
                    ("worker_processes auto;", "worker_processes 2;"),
                    // It may not open as many files as a server.
                    ("worker_rlimit_nofile 65536;\n", ""),
                    ("worker_connections 16384;", "worker_connections 256;"),
                    ("/var/log/nginx/access.log", path_text(&folder.path().join("access.log"))),
                    ("/var/log/nginx/error.log", path_text(&folder.path().join("error.log"))),
                    ("/etc/nginx/node.example.pem", path_text(&certificate_file)),
                    ("/etc/nginx/node.example.key", path_text(&key)),
                    ("listen 443 ssl", &listen),
                    ("server_name btp.node.example", "server_name btp.node.example localhost"),
                    ("127.0.0.1:3000", &btp),
                    ("127.0.0.1:7770", &http),
                    ("127.0.0.1:8080", &page),
                ],
            ),
            Kind::Haproxy => replaced(
                example("haproxy.cfg"),
                &[
                    ("    user haproxy\n    group haproxy\n", ""),
                    ("maxconn 16384", "maxconn 256"),
                    // Late checks of a dead node do not count. Only the first check takes a node out of use alone; then
                    // it is used again after the next one that it answers.
                    ("inter 5s", "inter 5s downinter 100ms rise 1 fall 1000"),
                    ("/dev/log local0", "stdout format raw local0"),
                    ("/etc/haproxy/node.example.pem", path_text(&both)),
                    ("bind :443 ", &format!("bind 127.0.0.1:{https} ")),
                    ("bind :3443 ", &format!("bind 127.0.0.1:{own_port} ")),
                    ("127.0.0.1:3000", &btp),
                    ("127.0.0.1:7770", &http),
                    ("127.0.0.1:8080", &page),
                ],
            ),
        };
        let file = write_file(&folder, "proxy.conf", &file);
        let proxy = start_proxy(kind, path_text(&file), &folder);
        let mut front = Self {
            kind,
            node: None,
            proxy: Some(proxy),
            btp: if kind == Kind::Nginx { https } else { own_port },
            https,
            api,
            node_ports: free,
            node_file,
            certificate_file,
            certificate: made.cert.der().clone(),
            _folder: folder,
        };
        front.start_node();
        front
    }

    /// The proxy passes on bytes, behind a header of the PROXY protocol, version 1. The node ends TLS itself.
    pub(super) fn pass_through(kind: Kind, more: &str) -> Self {
        let (folder, made) = (temp_folder(), certificate());
        let certificate_file = write_file(&folder, "node.pem", &made.cert.pem());
        write_file(&folder, "node.key", &made.signing_key.serialize_pem());
        let [btp_node, http_node, api, btp, https] = [(); 5].map(|()| free_port());
        let node = format!(
            "nodeId: node\nilpAddress: g.example.node\nbtpServerHost: 127.0.0.1\n\
             btpServerPort: {btp_node}\nhttpServerHost: 127.0.0.1\nhttpServerPort: {http_node}\n\
             healthCheckHost: 127.0.0.1\nhealthCheckPort: {api}\napiToken: \"${{API_TOKEN}}\"\n\
             tls: {{ certificate: node.pem, key: node.key }}\n\
             proxies: [{{ address: 127.0.0.1, sends: proxyProtocol }}]\n\
             peers:\n  - {{ id: alice, relation: child, authToken: \"${{ALICE_TOKEN}}\" }}\n  \
             - {{ id: bob, relation: child, authToken: \"${{BOB_TOKEN}}\" }}\n\
             receivers:\n  - {{ id: shop }}\n{more}"
        );
        let node_file = write_file(&folder, "node.yaml", &node);
        let file = pass_through_file(kind, folder.path(), [(btp, btp_node), (https, http_node)]);
        let file = write_file(&folder, "proxy.conf", &file);
        let proxy = Some(start_proxy(kind, path_text(&file), &folder));
        let certificate = made.cert.der().clone();
        let node = None;
        let mut front = Self {
            kind,
            node,
            proxy,
            btp,
            https,
            api,
            node_ports: [btp_node, http_node],
            node_file,
            certificate_file,
            certificate,
            _folder: folder,
        };
        front.start_node();
        front
    }

    /// Starts the node, again or for the first time, and waits until the proxy reaches it.
    pub(super) fn start_node(&mut self) {
        let file = path_text(&self.node_file);
        let environment =
            [("API_TOKEN", API_TOKEN), ("ALICE_TOKEN", "alice-token"), ("BOB_TOKEN", "bob-token")];
        let node = Process::start(&["run", "--config", file], environment);
        node.wait_for_log("health server listening", "port");
        self.node = Some(node);
        let probe = self.machine(250, HTTP_NAME);
        eventually("the proxy reaches the node", TIMEOUT, || {
            match probe.get(HTTP_NAME, "/shop", "") {
                (200, _) => Ok(()),
                (_, answer) => Err(answer),
            }
        });
        let probe = self.machine(251, BTP_NAME);
        eventually("the proxy reaches the port for BTP", TIMEOUT, || {
            match probe.get(BTP_NAME, "/", "") {
                (426, _) => Ok(()),
                (_, answer) => Err(answer),
            }
        });
    }

    /// A machine whose connections go to the proxy.
    pub(super) fn machine(&self, address: u8, name: &'static str) -> Machine {
        let port = if name == BTP_NAME { self.btp } else { self.https };
        Machine::start(address, port, name, &self.certificate)
    }

    /// Where the node itself listens: for BTP, and for HTTP.
    pub(super) fn node_ports(&self) -> [u16; 2] {
        self.node_ports
    }

    /// The URL for BTP.
    pub(super) fn btp_url(&self) -> String {
        format!("wss://localhost:{}", self.btp)
    }

    /// Opens a WebSocket from this machine, with these header lines.
    pub(super) fn open_btp(&self, machine: &Machine, headers: &str) -> Peer {
        let headers = format!("{}{headers}", self.kind.btp_host());
        Peer::connect_with(machine.port, "/", &headers)
    }

    pub(super) fn log_in(&self, machine: &Machine, peer: &str) -> Peer {
        let mut session = self.open_btp(machine, "");
        session.authenticate(peer, &format!("{peer}-token"));
        session
    }

    /// A page of the node itself.
    pub(super) fn page(&self, path: &str) -> Value {
        let request = format!("GET {path}");
        let asked = try_ask(self.api.into(), &request, Some(API_TOKEN), "");
        asked.unwrap_or_else(|error| panic!("{path}: {error}")).1
    }

    /// The entry of a peer in `/peers`.
    pub(super) fn peer(&self, id: &str) -> Value {
        let peers = self.page("/peers")["peers"].as_array().cloned().unwrap_or_default();
        peers.into_iter().find(|peer| peer["id"] == id).unwrap_or_default()
    }

    /// Where the last refused login of a peer came from, without the port.
    pub(super) fn refused_from(&self, id: &str) -> String {
        let remote = self.peer(id)["lastRefusedLogin"]["remote"].clone();
        let remote = remote.as_str().unwrap_or_default();
        remote.rsplit_once(':').map_or(remote, |(ip, _)| ip).to_owned()
    }

    /// Where the sessions of a peer came from, without the port, as the log says.
    pub(super) fn connected_from(&self, id: &str) -> Vec<String> {
        let lines = self.node.as_ref().unwrap().output_lines();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let connected = lines.filter(|line| line["message"] == "connected" && line["peer"] == id);
        let remotes = connected.filter_map(|line| line["remote"].as_str().map(str::to_owned));
        remotes.map(|remote| remote.split(':').next().unwrap_or_default().to_owned()).collect()
    }

    /// Has the proxy read its file again.
    pub(super) fn reload_proxy(&self) {
        let signal = match self.kind {
            Kind::Nginx => "HUP",
            Kind::Haproxy => "USR2",
        };
        self.proxy.as_ref().unwrap().signal(signal);
    }
}

/// A certificate for all names of these tests.
fn certificate() -> CertifiedKey<KeyPair> {
    let names = [BTP_NAME, HTTP_NAME, PAGE_NAME, "localhost"].map(str::to_owned).to_vec();
    generate_simple_self_signed(names).unwrap()
}

/// The file of a proxy that passes on what comes to each first port to the second one.
fn pass_through_file(kind: Kind, folder: &Path, ports: [(u16, u16); 2]) -> String {
    match kind {
        Kind::Nginx => {
            let log = folder.join("error.log");
            let servers = ports.map(|(from, to)| {
                format!(
                    "    server {{ listen 127.0.0.1:{from}; proxy_pass 127.0.0.1:{to}; proxy_protocol on; }}\n"
                )
            });
            format!(
                "load_module {STREAM_MODULE};\nerror_log {};\nevents {{ worker_connections 256; }}\n\
                 stream {{\n{}}}\n",
                path_text(&log),
                servers.concat()
            )
        }
        Kind::Haproxy => {
            let servers = ports.map(|(from, to)| {
                format!(
                    "listen port{from}\n    bind 127.0.0.1:{from}\n    server node 127.0.0.1:{to} send-proxy\n"
                )
            });
            format!(
                "global\n    maxconn 256\ndefaults\n    mode tcp\n    timeout connect 5s\n    \
                 timeout client 120s\n    timeout server 120s\n{}",
                servers.concat()
            )
        }
    }
}

/// A killed proxy would leave its workers behind.
impl Drop for Front {
    fn drop(&mut self) {
        if let Some(proxy) = self.proxy.take() {
            proxy.signal("TERM");
            proxy.wait_exit();
        }
    }
}

fn start_proxy(kind: Kind, file: &str, folder: &TempDir) -> Process {
    let pid = folder.path().join("proxy.pid");
    let mut command = Command::new(format!("/usr/sbin/{}", kind.program()));
    match kind {
        Kind::Nginx => {
            let directives = format!("daemon off; pid {};", path_text(&pid));
            let folder = path_text(folder.path());
            let arguments = ["-c", file, "-p", folder, "-g", &directives];
            let checked = run(Command::new("/usr/sbin/nginx").arg("-t").args(arguments));
            assert!(checked.status.success(), "{}", combined_output(&checked));
            command.args(arguments);
        }
        Kind::Haproxy => {
            let checked = run(Command::new("/usr/sbin/haproxy").args(["-c", "-f", file]));
            assert!(checked.status.success(), "{}", combined_output(&checked));
            command.args(["-W", "-f", file]);
        }
    }
    Process::spawn(&mut command)
}

//! Clients of a proxy with TLS: each connects from an address of its own on the loopback interface.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::peer::{TIMEOUT, bind_listener, connect_tcp};

/// A machine that opens connections with TLS: what a test sends to its port leaves from its address.
pub(super) struct Machine {
    pub(super) port: u64,
}

impl Machine {
    /// `address`: its last byte, `127.0.0.x`. Connections go to `proxy`, for the server `name`.
    pub(super) fn start(
        address: u8,
        proxy: u16,
        name: &'static str,
        certificate: &CertificateDer<'static>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let config =
            ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        let (listener, port) = bind_listener();
        listener.set_nonblocking(true).unwrap();
        // The thread ends with the test program.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let mut connections = JoinSet::new();
                while let Ok((mut near, _)) = listener.accept().await {
                    let tls = tls.clone();
                    connections.spawn(async move {
                        let socket = TcpSocket::new_v4().unwrap();
                        socket.bind(SocketAddr::from(([127, 0, 0, address], 0))).unwrap();
                        let far = socket.connect((Ipv4Addr::LOCALHOST, proxy).into()).await;
                        let name = ServerName::try_from(name).unwrap();
                        // A test that waits for an answer reports the end of the connection.
                        let Ok(far) = far else { return };
                        let Ok(mut far) = tls.connect(name, far).await else { return };
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    });
                }
            });
        });
        Self { port: port.into() }
    }

    /// Sends a request without a body, and reads the answer to the end: its status, and all of it.
    pub(super) fn get(&self, host: &str, path: &str, headers: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}"), b"")
    }

    /// The same with a method and a body.
    pub(super) fn ask(&self, head: &str, body: &[u8]) -> (u16, String) {
        let mut stream = self.open();
        let length = body.len();
        let head = format!("{head}Connection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        // An answer may end with a reset instead of a close.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, answer)
    }

    /// A connection.
    pub(super) fn open(&self) -> TcpStream {
        let stream = connect_tcp(self.port);
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream
    }
}

//! A scripted SPSP endpoint: HTTP/1.1, with or without TLS, with answers that the test sets for each path.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::process::{temp_folder, write_file};

/// An endpoint on a port of its own, until the test ends.
pub(super) struct Endpoint {
    pub(super) port: u16,
    /// The certificate to trust.
    pub(super) certificate: PathBuf,
    /// Requests so far, with their headers.
    pub(super) requests: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<BTreeMap<String, String>>>,
    _folder: TempDir,
}

impl Endpoint {
    pub(super) fn start(tls: bool) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .unwrap_or_else(|error| panic!("{error}"));
        let folder = temp_folder();
        let certificate = write_file(&folder, "certificate.pem", &made.cert.pem());
        let config = tls.then(|| {
            let chain = CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap();
            let key = made.signing_key.serialize_pem();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider);
            let config = config.with_safe_default_protocol_versions().unwrap();
            let config = config.with_no_client_auth().with_single_cert(vec![chain], key);
            Arc::new(config.unwrap_or_else(|error| panic!("{error}")))
        });
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|error| panic!("{error}"));
        let port = listener.local_addr().map_or(0, |address| address.port());
        let (answers, requests) =
            (Arc::<Mutex<BTreeMap<String, String>>>::default(), Arc::default());
        let endpoint = Self {
            port,
            certificate,
            requests: Arc::clone(&requests),
            answers: Arc::clone(&answers),
            _folder: folder,
        };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = |stream: &mut dyn ReadWrite| answer(stream, &answers, &requests);
                match &config {
                    None => answer(&mut { stream }),
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config));
                        let connection = connection.unwrap_or_else(|error| panic!("{error}"));
                        answer(&mut StreamOwned::new(connection, stream));
                    }
                }
            }
        });
        endpoint
    }

    /// Sets the answer at this path; its lines end with a line feed only.
    pub(super) fn set_answer(&self, path: &str, answer: &str) {
        let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
        let head = head.replace('\n', "\r\n");
        let length = body.len();
        let whole = format!(
            "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        self.answers.lock().unwrap().insert(path.to_owned(), whole);
    }
}

trait ReadWrite: Read + Write {}
impl ReadWrite for TcpStream {}
impl ReadWrite for StreamOwned<ServerConnection, TcpStream> {}

/// Answers one request. A client that closes the connection early is no failure.
fn answer(
    stream: &mut dyn ReadWrite,
    answers: &Mutex<BTreeMap<String, String>>,
    requests: &Mutex<Vec<String>>,
) {
    let mut request = String::new();
    let mut reader = BufReader::new(stream);
    while !request.ends_with("\r\n\r\n") {
        if !matches!(reader.read_line(&mut request), Ok(1..)) {
            return;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    requests.lock().unwrap().push(request);
    let found = answers.lock().unwrap().get(&path).cloned();
    let found = found.unwrap_or_else(|| "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_owned());
    let stream = reader.into_inner();
    let _ = stream.write_all(found.as_bytes()).and_then(|()| stream.flush());
}

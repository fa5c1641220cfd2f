//! TLS handshakes in memory: which certificate is used, and which is trusted.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

use super::super::url::Host;
use super::*;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    /// Writes a fresh certificate for `names` and its key.
    fn renew(&self, names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(self.path("cert.pem"), made.cert.pem()).unwrap();
        fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }
    fn trust(&self, ca_file: &str) -> Result<ClientTls, TlsError> {
        ClientTls::load(TlsTrust { ca_file: Some(self.path(ca_file)), ..TlsTrust::default() })
    }
    /// Writes a self-signed certificate for `name`, and its key.
    fn self_sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(self.path("cert.pem"), certificate.pem()).unwrap();
        fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
    }
    fn load(&self) -> Result<ServerTls, TlsError> {
        ServerTls::load(&self.path("cert.pem"), &self.path("key.pem"), &[])
    }
}

/// The certificate that a client of `host` receives, or why it refuses it.
async fn handshake(
    server: &ServerTls,
    client: &ClientTls,
    host: &str,
) -> Result<CertificateDer<'static>, String> {
    let (left, right) = tokio::io::duplex(64 * 1024);
    let name = client.name_of(Host::Domain(host)).unwrap();
    client.reload_if_changed();
    server.reload_if_changed();
    let connector = client.connector().await.unwrap();
    let acceptor = server.acceptor();
    let (client, server) = tokio::join!(connector.connect(name, left), acceptor.accept(right));
    assert_eq!(client.is_ok(), server.is_ok());
    let stream = client.map_err(|error| explain_tls_failure(&error))?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone())
}

#[tokio::test]
async fn a_renewed_certificate_is_used_within_a_second_and_a_broken_one_never() {
    let files = Files::new();
    let first = files.renew(&["localhost"]);
    fs::copy(files.path("cert.pem"), files.path("ca.pem")).unwrap();
    let server = files.load().unwrap();
    let trusts_first = files.trust("ca.pem").unwrap();
    assert_eq!(handshake(&server, &trusts_first, "localhost").await, Ok(first.clone()));

    // The certificate changed, its key did not yet: the former pair stays in use.
    let old_key = fs::read(files.path("key.pem")).unwrap();
    let second = files.renew(&["localhost", "other.example"]);
    let new_key = fs::read(files.path("key.pem")).unwrap();
    fs::write(files.path("key.pem"), old_key).unwrap();
    assert_eq!(handshake(&server, &trusts_first, "localhost").await, Ok(first.clone()));

    fs::write(files.path("key.pem"), [&new_key[..], b"\n"].concat()).unwrap();
    let trusts_second = files.trust("cert.pem").unwrap();
    assert_eq!(handshake(&server, &trusts_second, "localhost").await, Ok(second.clone()));
}

#[test]
fn errors_name_the_file() {
    let files = Files::new();
    let missing = files.load().unwrap_err().to_string();
    assert!(missing.contains("cert.pem"), "{missing}");
    files.renew(&["localhost"]);
    fs::write(files.path("key.pem"), "no key").unwrap();
    let no_key = files.load().unwrap_err().to_string();
    assert!(no_key.contains("private key") && no_key.contains("key.pem"), "{no_key}");
    fs::write(files.path("cert.pem"), "nothing").unwrap();
    let empty = files.trust("cert.pem").unwrap_err();
    assert!(matches!(empty, TlsError::Read { source: PemError::Missing, .. }), "{empty}");
}

fn authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

#[tokio::test]
async fn a_certificate_in_the_ca_file_is_trusted_for_its_names_and_its_validity() {
    let files = Files::new();
    let check = async |change: fn(&mut CertificateParams), host: &str, expected: Option<&str>| {
        files.self_sign("localhost", change);
        let (server, client) = (files.load().unwrap(), files.trust("cert.pem").unwrap());
        let result = handshake(&server, &client, host).await;
        match (&result, expected) {
            (Ok(_), None) => {}
            (Err(text), Some(expected)) if text.contains(expected) => {}
            _ => panic!("{result:?}, not {expected:?}"),
        }
    };
    // As `openssl req -x509` makes it, and without CA:TRUE.
    check(authority, "localhost", None).await;
    check(|_| {}, "localhost", None).await;
    check(authority, "other.example", Some("is not for other.example, but for localhost")).await;
    let expired = |params: &mut CertificateParams| {
        authority(params);
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 2, 3);
    };
    check(expired, "localhost", Some("expired on 2020-02-03")).await;
    let early = |params: &mut CertificateParams| {
        authority(params);
        params.not_before = rcgen::date_time_ymd(2190, 1, 1);
        params.not_after = rcgen::date_time_ymd(2191, 1, 1);
    };
    check(early, "localhost", Some("not valid before 2190-01-01")).await;
    let nameless = |params: &mut CertificateParams| params.subject_alt_names.clear();
    check(nameless, "localhost", Some("names no host")).await;
}

#[tokio::test]
async fn an_untrusted_certificate_is_explained() {
    let files = Files::new();
    files.self_sign("localhost", authority);
    fs::copy(files.path("cert.pem"), files.path("other.pem")).unwrap();
    let other = files.trust("other.pem").unwrap();
    // The same name and subject, another key.
    files.self_sign("localhost", authority);
    let text = handshake(&files.load().unwrap(), &other, "localhost").await.unwrap_err();
    assert!(text.contains("CA:TRUE") && text.contains("caFile"), "{text}");
    files.self_sign("localhost", |_| {});
    let text = handshake(&files.load().unwrap(), &other, "localhost").await.unwrap_err();
    assert!(text.contains("replaced without the other"), "{text}");
    files.self_sign("localhost", |params| params.distinguished_name.push(DnType::CommonName, "x"));
    let text = handshake(&files.load().unwrap(), &other, "localhost").await.unwrap_err();
    assert!(text.contains("caFile") && text.contains("SSL_CERT_FILE"), "{text}");
    // A leaf certificate in the file itself, signed by an unknown authority.
    let (ca_key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut ca = CertificateParams::new([]).unwrap();
    authority(&mut ca);
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    fs::write(files.path("cert.pem"), leaf.pem()).unwrap();
    fs::write(files.path("key.pem"), leaf_key.serialize_pem()).unwrap();
    let (server, client) = (files.load().unwrap(), files.trust("cert.pem").unwrap());
    handshake(&server, &client, "localhost").await.unwrap();
}

#[tokio::test]
async fn a_tool_trusts_the_certificate_of_its_configuration_under_its_name() {
    let files = Files::new();
    files.self_sign("node.example", authority);
    let trust = TlsTrust {
        ca_file: None,
        own_certificate: Some(files.path("cert.pem")),
        server_name: host_of_certificate(&files.path("cert.pem")).map(|name| name.parse().unwrap()),
    };
    let client = ClientTls::load(trust).unwrap();
    handshake(&files.load().unwrap(), &client, "127.0.0.1").await.unwrap();
    let absent = TlsTrust { own_certificate: Some(files.path("none")), ..TlsTrust::default() };
    assert!(ClientTls::load(absent).is_ok());
    assert!("no name".parse::<TlsName>().is_err() && "127.0.0.1".parse::<TlsName>().is_ok());
}

#[tokio::test]
async fn a_replaced_ca_file_is_used_within_a_second_and_a_broken_one_never() {
    let files = Files::new();
    files.self_sign("localhost", authority);
    fs::copy(files.path("cert.pem"), files.path("ca.pem")).unwrap();
    let client = files.trust("ca.pem").unwrap();
    let first = files.load().unwrap();
    handshake(&first, &client, "localhost").await.unwrap();
    fs::write(files.path("ca.pem"), "broken").unwrap();
    handshake(&first, &client, "localhost").await.unwrap();
    files.self_sign("localhost", authority);
    let second = files.load().unwrap();
    fs::copy(files.path("cert.pem"), files.path("ca.pem")).unwrap();
    handshake(&second, &client, "localhost").await.unwrap();
    // At once, at the operator's request.
    fs::write(files.path("ca.pem"), [&fs::read(files.path("ca.pem")).unwrap()[..], b"\n"].concat())
        .unwrap();
    files.self_sign("localhost", authority);
    fs::copy(files.path("cert.pem"), files.path("ca.pem")).unwrap();
    client.forget_system_trust();
    handshake(&files.load().unwrap(), &client, "localhost").await.unwrap();
}

#[test]
fn a_key_of_another_certificate_is_named() {
    let files = Files::new();
    files.self_sign("localhost", |_| {});
    let key = fs::read(files.path("key.pem")).unwrap();
    files.self_sign("localhost", |_| {});
    fs::write(files.path("key.pem"), key).unwrap();
    let text = files.load().unwrap_err().to_string();
    assert!(text.contains("key.pem does not belong to the certificate in"), "{text}");
    let pair = (files.path("cert.pem"), files.path("key.pem"));
    let found = check_server_files(&pair.0, &pair.1).unwrap_err();
    assert!(matches!(found, (TlsFile::Certificate, TlsError::Mismatch { .. })), "{found:?}");
    fs::remove_file(&pair.1).unwrap();
    let found = check_server_files(&pair.0, &pair.1).unwrap_err();
    assert!(matches!(found, (TlsFile::Key, TlsError::Read { .. })), "{found:?}");
}

#[test]
fn files_are_checked_as_a_node_reads_them() {
    let files = Files::new();
    files.self_sign("localhost", |params| params.not_after = rcgen::date_time_ymd(2020, 2, 3));
    let warned = check_server_files(&files.path("cert.pem"), &files.path("key.pem")).unwrap();
    assert_eq!(warned.as_deref(), Some("the certificate expired on 2020-02-03T00:00:00.000Z"));
    assert_eq!(check_ca_file(&files.path("cert.pem")).unwrap(), warned);
    assert_eq!(files.load().unwrap().expiry().load(Ordering::Relaxed), 1_580_688_000);
    files.self_sign("localhost", |_| {});
    assert_eq!(check_server_files(&files.path("cert.pem"), &files.path("key.pem")).unwrap(), None);
    assert!(check_ca_file(&files.path("key.pem")).is_err());
}

#[tokio::test]
async fn dials_wait_for_a_loader_of_the_authorities() {
    use futures_util::FutureExt;
    let files = Files::new();
    files.renew(&["localhost"]);
    let client = files.trust("cert.pem").unwrap();
    client.use_loader();
    for _ in 0..2 {
        let (mut one, mut two) = (Box::pin(client.connector()), Box::pin(client.connector()));
        assert!((&mut one).now_or_never().is_none() && (&mut two).now_or_never().is_none());
        client.until_wanted().await;
        client.load_system_trust();
        assert!(one.await.is_ok() && two.await.is_ok());
        assert!(
            client.connector().now_or_never().is_some(),
            "a loaded configuration is used again"
        );
        client.forget_system_trust();
    }
}

//! A node at work at the most talkative level of everything, with logins, posts and payments that succeed and fail on
//! both sides, and with secrets in places where they do not belong.

use std::collections::BTreeMap;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ilp_connector::wire::btp::{BtpErrorCode, FrameBody};
use ilp_connector::wire::timestamp::GeneralizedTime;
use serde_json::Value;

use super::hunt::Hunt;
use super::secret_keys;
use crate::http::{Server, Wire, jwt};
use crate::peer::{
    Daemon, PREIMAGE, Peer, ask, auth, describe, frame, fulfill, get, listener, respond,
};
use crate::running::{folder, free_port, path, write};
use crate::support::{PROGRAM, both, run};

/// Everything that can be named in a `logLevel`.
const TALKATIVE: &str = "trace,packets=trace,axum=trace,h2=trace,hyper=trace,hyper_util=trace,jiff=trace,mio=trace,\
    rustls=trace,rustls_native_certs=trace,tokio=trace,tokio_rustls=trace,tokio_tungstenite=trace,tower=trace,\
    tungstenite=trace";

/// All secrets of a test, by their names, and all that was said.
#[derive(Default)]
struct Told {
    secrets: BTreeMap<String, String>,
    words: String,
}

impl Told {
    /// A secret as `openssl rand` prints it, another one for each name.
    fn secret(&mut self, name: &str) -> String {
        let seed = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
        let text = hex::encode(&seed.as_ref()[..16]);
        self.secrets.insert(name.to_owned(), text.clone());
        text
    }

    fn add(&mut self, words: impl AsRef<[u8]>) {
        self.words += &String::from_utf8_lossy(words.as_ref());
        self.words += "\n";
    }

    fn assert_no_secret(&self) {
        let secrets = self.secrets.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let leaks = Hunt::new(secrets).leaks(&self.words);
        assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    }
}

/// The secret of a connection that the node tells to those who ask where to pay, in both of its forms.
fn connection(port: u64, told: &mut Told) -> [String; 2] {
    let (status, page) = get(port, "GET /wallet");
    assert_eq!(status, 200, "{page}");
    let page: Value = serde_json::from_str(&page).unwrap();
    let [address, secret] =
        ["destination_account", "shared_secret"].map(|key| page[key].as_str().unwrap().to_owned());
    let in_hex = hex::encode(STANDARD.decode(&secret).unwrap());
    told.secrets.insert(format!("the secret of {address}"), secret);
    told.secrets.insert(format!("the secret of {address} in hexadecimal"), in_hex.clone());
    [address, in_hex]
}

#[test]
fn no_secret_is_in_log_pages_or_output_of_a_node_at_work() {
    let mut told = Told::default();
    let [api, receivers, alice, old, dialled, refuser, in_url, poster, signer, away, payer, wrong] =
        [
            "apiToken",
            "receiverSecret",
            "alice",
            "old",
            "dialled",
            "refuser",
            "in_url",
            "poster",
            "signer",
            "away",
            "payer",
            "wrong",
        ]
        .map(|name| told.secret(name));
    let (bob, bob_port) = listener();
    let (carl, carl_port) = listener();
    let [dan, eve] = [Server::start(), Server::start()];
    let yaml = format!(
        "nodeId: n\nilpAddress: test.n\nlogLevel: \"{TALKATIVE}\"\npacketLog: true\napiToken: {api}\n\
         receiverSecret: {receivers}\nreceivers: [{{ id: wallet }}]\nhttpServerHost: 127.0.0.1\n\
         httpServerPort: 0\npeers:\n  \
           - {{ id: alice, maxSessions: 2, authTokens: [{alice}, {old}] }}\n  \
           - {{ id: payer, relation: child, authToken: {payer} }}\n  \
           - {{ id: bob, url: 'ws://127.0.0.1:{bob_port}', authToken: {dialled} }}\n  \
           - {{ id: carl, url: 'btp+ws://n:{in_url}@127.0.0.1:{carl_port}', authToken: {refuser} }}\n  \
           - {{ id: dan, url: 'http://127.0.0.1:{}/ilp', authToken: {poster} }}\n  \
           - {{ id: eve, url: 'http://127.0.0.1:{}/ilp', authToken: {signer}, httpAuth: jwt }}\n  \
           - {{ id: away, url: 'ws://127.0.0.1:{}', authToken: {away} }}\n\
         routes: [{{ prefix: test.dan, nextHop: dan }}, {{ prefix: test.eve, nextHop: eve }},\n  \
           {{ prefix: test.bob, nextHop: bob }}]\n",
        dan.port(),
        eve.port(),
        free_port(),
    );
    // `secret` is that of a link of a topology file.
    for key in secret_keys().iter().filter(|key| *key != "secret") {
        assert!(yaml.contains(&format!("{key}: ")), "{key} is a secret: add it to this file");
    }
    let node = Daemon::start(&yaml);

    // The node logs in: one server takes it, one refuses it and repeats what it was given.
    let mut bob = Peer::accept_silently(&bob);
    let login = bob.frame();
    assert!(String::from_utf8_lossy(&login.raw).contains(&dialled));
    bob.send(&respond(login.id, None));
    let mut carl = Peer::accept_silently(&carl);
    let login = carl.frame();
    assert!(String::from_utf8_lossy(&login.raw).contains(&in_url));
    let refusal = FrameBody::Error {
        code: BtpErrorCode::NOT_ACCEPTED,
        name: "NotAcceptedError",
        triggered_at: GeneralizedTime::parse(b"20180831025324.899Z").unwrap(),
        data: in_url.as_bytes(),
    };
    carl.send(&frame(login.id, &refusal, &[]));
    carl.closed();

    // Peers and strangers log in, with names that are tokens.
    let mut peers =
        [Peer::login(node.port, "alice", &alice), Peer::login(node.port, "alice", &old)];
    let name = format!("alice:{alice}");
    for (user, token) in [
        (Some("alice"), wrong.as_str()),
        (Some(alice.as_str()), ""),
        (Some(&old), &old),
        (Some(&api), &wrong),
        (Some(&receivers), "x"),
        (Some(&signer), "x"),
        (Some(&name), "x"),
        (None, &wrong),
        (Some("nobody"), &alice),
    ] {
        let mut stranger = Peer::open_at(node.port, "/");
        stranger.send(&auth(1, user, token));
        let answer = stranger.frame();
        assert!(describe(&answer).starts_with("ERROR 1"), "{user:?}");
        told.add(&answer.raw);
    }
    let mut stranger = Peer::open_at(node.port, &format!("/{alice}?token={alice}"));
    stranger.send(&auth(1, Some("alice"), &wrong));
    told.add(&stranger.frame().raw);
    peers[0].send(&auth(2, Some("alice"), &alice));
    told.add(&peers[0].frame().raw);

    // The same over HTTP.
    let http = node.running.logged("HTTP server listening", "port").as_u64().unwrap();
    let packet = ask("test.n.nowhere").packet();
    let claims = r#"{"sub":"alice","exp":99999999999}"#;
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let good = jwt(header, claims, &alice);
    let bad = jwt(header, claims, &wrong);
    told.secrets.insert("a JWT".to_owned(), good.clone());
    for (path, authorization, status) in [
        ("/accounts/alice/ilp".to_owned(), format!("Bearer {alice}"), 200),
        ("/accounts/alice/ilp".to_owned(), format!("Bearer {good}"), 200),
        ("/accounts/alice/ilp".to_owned(), format!("Bearer {bad}"), 401),
        ("/ilp".to_owned(), format!("Bearer {old}"), 200),
        ("/accounts/alice/ilp".to_owned(), format!("Bearer {wrong}"), 401),
        ("/accounts/alice/ilp".to_owned(), format!("Basic {alice}"), 401),
        ("/accounts/alice/ilp".to_owned(), alice.clone(), 401),
        (format!("/accounts/{alice}/ilp"), format!("Bearer {alice}"), 401),
        (format!("/accounts/{api}/ilp"), format!("Bearer {wrong}"), 401),
        (format!("/{alice}"), format!("Bearer {wrong}"), 405),
        (format!("/ilp?token={alice}"), String::new(), 401),
    ] {
        let mut wire = Wire::open(http);
        let headers = [
            ("Content-Type", "application/octet-stream"),
            ("Authorization", authorization.as_str()),
        ];
        wire.post(&path, &headers, &packet);
        let answer = wire.next();
        assert_eq!(answer.status(), status, "{path} {authorization}");
        told.add(&answer.head);
        told.add(&answer.body);
    }

    // Requests to servers: they refuse the token and repeat it.
    for (id, to, server, token) in
        [(3, "test.dan", &dan, Some(&poster)), (4, "test.eve", &eve, None)]
    {
        peers[0].ask(id, &ask(to));
        let mut server = server.accept();
        let request = server.next();
        let shown = request.header("authorization").unwrap().to_owned();
        match token {
            Some(token) => assert_eq!(shown, format!("Bearer {token}")),
            None => {
                told.secrets.insert("a JWT of the node".to_owned(), shown[7..].to_owned());
            }
        }
        server.answer("401 Unauthorized", format!("no such token: {shown}").as_bytes());
        told.add(&peers[0].frame().raw);
    }
    peers[0].ask(5, &ask("test.bob"));
    let (id, _) = bob.prepare();
    bob.answer(id, &fulfill(&PREIMAGE));
    told.add(&peers[0].frame().raw);

    for page in ["/health", "/health/live", "/health/ready", "/metrics", "/peers", "/routes", "/x"]
    {
        told.add(get(node.health, &format!("GET {page}")).1);
        for token in [&api, &wrong, &alice] {
            let request = format!("GET {page} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nX:");
            told.add(get(node.health, &request).1);
        }
        told.add(get(node.health, &format!("GET {page}?token={api}")).1);
    }
    told.add(get(node.health, &format!("GET /{api}")).1);

    // The tools, with logins that are right and wrong, from all places.
    let folder = folder();
    let url = |user: &str, token: &str| format!("btp+ws://{user}:{token}@127.0.0.1:{}", node.port);
    let file = path(&node.file);
    let at = |name: &str, text: &str| format!("@{}", path(&write(&folder, name, text)));
    let right = at("right", &url("payer", &payer));
    let [address, secret] = connection(http, &mut told);
    let [other, other_secret] = connection(http, &mut told);
    let secret_in_file = at("secret", &secret);
    let wallet = format!("http://127.0.0.1:{http}/wallet");
    for (arguments, via, code) in [
        (&["check", "--print", file][..], "", 0),
        (&["check", file, file], "", 0),
        (&["healthcheck", "--config", file], "", 64),
        (&["compose", file], "", 64),
        (&["ping", "test.n", "--config", file], "", 64),
        (&["ping", "test.n", "-c", "1"], &url("payer", &payer), 0),
        (&["ping", "test.n", "-c", "1"], &url("payer", &wrong), 1),
        (&["ping", "test.n", "-c", "1"], &url(&payer, "x"), 1),
        (&["ping", "test.n", "-c", "1"], &format!("btp+ws://payer@127.0.0.1:1/{payer}"), 64),
        (&["ping", "test.n", "-c", "1"], &payer, 64),
        (&["ping", "test.n", "-c", "1", "--via", &right], "", 0),
        (&["ping", "test.n", "--via", &at("lines", &format!("{payer}\n{payer}\n"))], "", 64),
        (&["ping", "test.n", "--via", &format!("@{payer}")], "", 64),
        (&["ping", "test.n", "--via", &payer], "", 64),
        (&["trace", "test.n", "--via", &right], "", 0),
        (&["send", "test.n", "--via", &right], "", 0),
        (&["send", "test.n", "--via", &url("payer", &wrong)], "", 1),
        (&["pay", &wallet, "10", "--via", &right, "--allow-http"], "", 0),
        (&["pay", &address, "10", "--via", &right, "--secret", &secret_in_file], "", 0),
        (&["pay", &other, "10", "--via", &right, "--secret", &secret], "", 1),
        (&["pay", &other, "10", "--via", &right, "--secret", &other_secret], "", 0),
        (&["pay", &address, "10", "--via", &right, "--secret", &wrong], "", 64),
        (&["pay", &address, "10", "--via", &right, "--secret", &at("short", &wrong)], "", 64),
        (&["pay", &address, "10", "--via", &url("payer", &wrong), "--secret", &secret], "", 1),
    ] {
        let mut command = Command::new(PROGRAM);
        let output = run(command.args(arguments).env_clear().env("ILP_VIA", via));
        let said = both(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {via}: {said}");
        told.add(said);
    }

    // A reload names what is wrong, and what has changed.
    for (number, broken) in [
        yaml.replace("apiToken: ", "apiToken "),
        yaml.replace("apiToken: ", "logLevel: "),
        yaml.replace("packetLog: true\napiToken: ", "packetLog: true\n  apiToken "),
        yaml.replace("authToken: ", "authTokenFile: "),
        yaml.replace("id: alice", &format!("id: alice:{alice}")),
    ]
    .iter()
    .enumerate()
    {
        node.rewrite(broken);
        node.running.signal("HUP");
        let refused = |line: &&String| line.contains("nothing was changed");
        node.running.line("refused", |_| {
            (node.running.lines().iter().filter(refused).count() > number).then_some(())
        });
        told.add(get(node.health, "GET /health").1);
    }
    node.rewrite(&yaml.replace(&old, &wrong).replace(&api, &receivers));
    node.running.signal("HUP");
    node.running.line("reloaded", |line| line.contains("configuration reloaded").then_some(()));
    let process = format!("/proc/{}/cmdline", node.running.pid());
    told.add(std::fs::read(process).unwrap());
    let (_, log) = node.stop("TERM");
    for expected in ["\"level\":\"TRACE\"", "configuration reloaded"] {
        assert!(log.contains(expected), "{expected} is not in the log");
    }
    told.add(log);
    told.assert_no_secret();
}

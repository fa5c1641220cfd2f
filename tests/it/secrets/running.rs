//! A running node with all log levels at `trace`, with logins, posts and payments that succeed and fail on both sides,
//! and with secrets in the wrong places.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ilp_connector::wire::btp::{BtpErrorCode, FrameBody};
use ilp_connector::wire::timestamp::GeneralizedTime;
use serde_json::Value;

use super::hunt::Hunt;
use super::report::report;
use super::secret_keys;
use crate::http::{HttpConnection, Server, jwt};
use crate::peer::{
    PREIMAGE, Peer, TIMEOUT, TestNode, auth_frame, bind_listener, describe_frame, frame, fulfill,
    http_get, prepare_to, response,
};
use crate::process::{free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, eventually, run};

/// Every name that `logLevel` accepts.
const LOG_LEVEL: &str = "trace,packets=trace,axum=trace,h2=trace,hyper=trace,hyper_util=trace,mio=trace,\
    rustls=trace,rustls_native_certs=trace,tokio=trace,tokio_rustls=trace,tokio_tungstenite=trace,tower=trace,\
    tungstenite=trace";

/// All secrets of a test by name, and all output.
#[derive(Default)]
struct Observed {
    secrets: BTreeMap<String, String>,
    output: String,
}

impl Observed {
    /// A secret as `openssl rand` prints it, different for each name.
    fn secret(&mut self, name: &str) -> String {
        let seed = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
        let text = hex::encode(&seed.as_ref()[..16]);
        self.secrets.insert(name.to_owned(), text.clone());
        text
    }

    fn add(&mut self, text: impl AsRef<[u8]>) {
        self.output += &String::from_utf8_lossy(text.as_ref());
        self.output += "\n";
    }

    fn assert_no_secret(&self) {
        let secrets = self.secrets.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let leaks = Hunt::new(secrets).leaks(&self.output);
        assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    }
}

/// Requests a connection by SPSP; returns its address, and its secret in hexadecimal.
fn connection(port: u64, observed: &mut Observed) -> [String; 2] {
    let (status, page) = http_get(port, "GET /wallet");
    assert_eq!(status, 200, "{page}");
    let page: Value = serde_json::from_str(&page).unwrap();
    let [address, secret] =
        ["destination_account", "shared_secret"].map(|key| page[key].as_str().unwrap().to_owned());
    let in_hex = hex::encode(STANDARD.decode(&secret).unwrap());
    observed.secrets.insert(format!("the secret of {address}"), secret);
    observed.secrets.insert(format!("the secret of {address} in hexadecimal"), in_hex.clone());
    [address, in_hex]
}

/// Every page of `/api/v1` that its description has, but the stream, about things that the node has.
fn described_pages() -> Vec<String> {
    let document: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let read =
        paths.filter(|(path, methods)| methods["get"].is_object() && !path.ends_with("/stream"));
    let pages = read.map(|(path, _)| {
        path.replace("{node}", "n").replace("/links/{id}", "/links/n~bob").replace("{id}", "1-1")
    });
    pages.collect()
}

#[test]
fn no_secret_is_in_log_pages_or_output_of_a_node_at_work() {
    let mut observed = Observed::default();
    let [
        api,
        wall,
        receivers,
        alice,
        old,
        dialled,
        refuser,
        in_url,
        poster,
        signer,
        away,
        payer,
        wrong,
        engines,
        hook_path,
        hook,
        hook_before,
        hook_next,
        traces,
    ] = [
        "apiToken",
        "wall",
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
        "engines",
        "hook_path",
        "hook",
        "hook_before",
        "hook_next",
        "traces",
    ]
    .map(|name| observed.secret(name));
    observed.secrets.insert("a fulfillment".to_owned(), hex::encode(PREIMAGE.0));
    observed.secrets.insert("a fulfillment in Base64".to_owned(), STANDARD.encode(PREIMAGE.0));
    let (bob, bob_port) = bind_listener();
    let (carl, carl_port) = bind_listener();
    let [dan, eve, hooks, spans] = [0; 4].map(|_| Server::start());
    let [hook, hook_before, hook_next] =
        [hook, hook_before, hook_next].map(|key| format!("whsec_{}", STANDARD.encode(key)));
    let folder = temp_folder();
    let audit_log = folder.path().join("audit.jsonl");
    let yaml = format!(
        "nodeId: n\nilpAddress: test.n\nlogLevel: \"{LOG_LEVEL}\"\npacketLog: true\napiToken: {api}\n\
         otlpUrl: http://127.0.0.1:{}\notlpToken: {traces}\notlpOneIn: 1\n\
         auditLog: {}\n\
         store: {}\nsettlementPort: 0\nsettlementToken: {engines}\n\
         apiTokens: [{{ id: wall, token: {wall}, scopes: [read] }}]\n\
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
           {{ prefix: test.bob, nextHop: bob }}]\n\
         webhooks:\n  \
           - {{ id: ops, url: 'http://127.0.0.1:{}/{hook_path}', secret: {hook}, events: [webhook.test] }}\n  \
           - {{ id: off, url: 'http://127.0.0.1:{}/', secrets: [{hook_before}, {hook_next}] }}\n",
        spans.port(),
        audit_log.display(),
        folder.path().join("n.db").display(),
        dan.port(),
        eve.port(),
        free_port(),
        hooks.port(),
        free_port(),
    );
    for key in secret_keys() {
        assert!(yaml.contains(&format!("{key}: ")), "{key} is a secret: add it to this file");
    }
    let node = TestNode::start(&yaml);

    // The node logs in: one server accepts it, one refuses it and repeats the login in its error.
    let mut bob = Peer::accept(&bob);
    let login = bob.receive();
    assert!(String::from_utf8_lossy(&login.raw).contains(&dialled));
    bob.send(&response(login.id, None));
    let mut carl = Peer::accept(&carl);
    let login = carl.receive();
    assert!(String::from_utf8_lossy(&login.raw).contains(&in_url));
    let refusal = FrameBody::Error {
        code: BtpErrorCode::NOT_ACCEPTED,
        name: "NotAcceptedError",
        triggered_at: GeneralizedTime::parse(b"20180831025324.899Z").unwrap(),
        data: in_url.as_bytes(),
    };
    carl.send(&frame(login.id, &refusal, &[]));
    carl.wait_closed();

    // Peers log in, and other clients with names that are tokens.
    let mut peers =
        [Peer::log_in(node.port, "alice", &alice), Peer::log_in(node.port, "alice", &old)];
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
        let mut other = Peer::connect_at(node.port, "/");
        other.send(&auth_frame(1, user, token));
        let answer = other.receive();
        assert!(describe_frame(&answer).starts_with("ERROR 1"), "{user:?}");
        observed.add(&answer.raw);
    }
    let mut other = Peer::connect_at(node.port, &format!("/{alice}?token={alice}"));
    other.send(&auth_frame(1, Some("alice"), &wrong));
    observed.add(&other.receive().raw);
    peers[0].send(&auth_frame(2, Some("alice"), &alice));
    observed.add(&peers[0].receive().raw);

    // The same over HTTP.
    let http = node.process.wait_for_log("HTTP server listening", "port").as_u64().unwrap();
    let packet = prepare_to("test.n.nowhere").encode();
    let claims = r#"{"sub":"alice","exp":99999999999}"#;
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let good = jwt(header, claims, &alice);
    let bad = jwt(header, claims, &wrong);
    observed.secrets.insert("a JWT".to_owned(), good.clone());
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
        (format!("/{alice}"), format!("Bearer {wrong}"), 404),
        (format!("/ilp?token={alice}"), String::new(), 401),
    ] {
        let mut wire = HttpConnection::connect(http);
        let headers = [
            ("Content-Type", "application/octet-stream"),
            ("Authorization", authorization.as_str()),
        ];
        wire.post(&path, &headers, &packet);
        let answer = wire.receive();
        assert_eq!(answer.status(), status, "{path} {authorization}");
        observed.add(&answer.head);
        observed.add(&answer.body);
    }

    // Requests to servers that refuse the token and repeat it.
    for (id, to, server, token) in
        [(3, "test.dan", &dan, Some(&poster)), (4, "test.eve", &eve, None)]
    {
        peers[0].send_prepare(id, &prepare_to(to));
        let mut server = server.accept();
        let request = server.receive();
        let shown = request.header("authorization").unwrap().to_owned();
        match token {
            Some(token) => assert_eq!(shown, format!("Bearer {token}")),
            None => {
                observed.secrets.insert("a JWT of the node".to_owned(), shown[7..].to_owned());
            }
        }
        server.answer("401 Unauthorized", format!("no such token: {shown}").as_bytes());
        observed.add(&peers[0].receive().raw);
    }
    peers[0].send_prepare(5, &prepare_to("test.bob"));
    let (id, _) = bob.receive_prepare();
    bob.answer(id, &fulfill(&PREIMAGE));
    observed.add(&peers[0].receive().raw);

    // Webhooks: the server of one repeats its path and redirects, and of the other one there is no server.
    let pages = format!("http://127.0.0.1:{}", node.health_port);
    let api_in_file = path_text(&write_file(&folder, "api", &api)).to_owned();
    let mut webhook = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("webhook").args(arguments).args(["--via", &pages]);
        let output = run(command.args(["--token-file", &api_in_file]).env_clear());
        let printed = combined_output(&output);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {printed}");
        observed.add(&printed);
        printed
    };
    for id in ["ops", "off"] {
        webhook(&["test", id]);
    }
    let mut server = hooks.accept();
    let request = server.receive();
    assert!(request.head.starts_with(&format!("POST /{hook_path} ")), "{}", request.head);
    let away = format!("Location: http://127.0.0.1:{}/{hook_path}", free_port());
    server.answer(&format!("307 {hook_path}\r\n{away}"), format!("not {hook_path}").as_bytes());
    eventually("both webhooks fail", TIMEOUT, || {
        let listed = webhook(&["list"]);
        let failures = ["ops has not accepted", "off has not accepted"];
        if failures.iter().all(|text| listed.contains(text)) { Ok(()) } else { Err(listed) }
    });

    // A collector that refuses spans and repeats the token.
    let mut collector = spans.accept();
    let request = collector.receive();
    assert_eq!(request.header("authorization"), Some(format!("Bearer {traces}").as_str()));
    observed.add(&request.body);
    collector.answer("400 Bad Request", format!(r#"{{"message":"no {traces}"}}"#).as_bytes());

    // A stream, until the token changes.
    let health_port = u16::try_from(node.health_port).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", health_port)).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let request =
        format!("GET /api/v1/stream HTTP/1.0\r\nHost: n\r\nAuthorization: Bearer {api}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    peers[0].send_prepare(6, &prepare_to("test.n.nowhere"));
    observed.add(&peers[0].receive().raw);
    let pages = ["/health", "/health/live", "/health/ready", "/metrics", "/peers", "/routes", "/x"];
    let objects = described_pages();
    for page in pages.into_iter().chain(objects.iter().map(String::as_str)) {
        observed.add(http_get(node.health_port, &format!("GET {page}")).1);
        for token in [&api, &wrong, &alice] {
            let request = format!("GET {page} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nX:");
            observed.add(http_get(node.health_port, &request).1);
        }
        observed.add(http_get(node.health_port, &format!("GET {page}?token={api}")).1);
    }
    observed.add(http_get(node.health_port, &format!("GET /{api}")).1);

    // Verbs, one of them without the right.
    for token in [&api, &wall] {
        let body = br#"{"ttlSeconds":1,"reason":"a check"}"#;
        let mut wire = HttpConnection::connect(node.health_port);
        let bearer = format!("Bearer {token}");
        let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
        wire.post("/api/v1/nodes/n/peers/bob/resume", &headers, body);
        observed.add(wire.receive().body);
    }
    observed.add(std::fs::read(&audit_log).unwrap());

    // The tools, with valid and invalid logins, from all sources.
    let url = |user: &str, token: &str| format!("btp+ws://{user}:{token}@127.0.0.1:{}", node.port);
    let file = path_text(&node.file);
    let at = |name: &str, text: &str| format!("@{}", path_text(&write_file(&folder, name, text)));
    let right = at("right", &url("payer", &payer));
    let [address, secret] = connection(http, &mut observed);
    let [other, other_secret] = connection(http, &mut observed);
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
        let printed = combined_output(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {via}: {printed}");
        observed.add(printed);
    }

    // An archive about all of it, with the right token and with a wrong one.
    let wrong_in_file = path_text(&write_file(&folder, "wrong", &wrong)).to_owned();
    for token in [&api_in_file, &wrong_in_file] {
        let url = format!("http://127.0.0.1:{}", node.health_port);
        let arguments = [url.as_str(), file, "--token-file", token];
        let shown = report(folder.path(), &arguments, &[("API_TOKEN".to_owned(), api.clone())]);
        assert_eq!(shown.contains("--- nodes/n/log.txt"), *token == api_in_file, "{shown}");
        observed.add(shown);
    }

    // A reload reports mistakes and changes.
    for (number, broken) in [
        yaml.replace("apiToken: ", "apiToken "),
        yaml.replace("apiToken: ", "logLevel: "),
        yaml.replace("packetLog: true\napiToken: ", "packetLog: true\n  apiToken "),
        yaml.replace("authToken: ", "authTokenFile: "),
        yaml.replace(" secret: ", " secretFile: "),
        yaml.replace("secrets: [", "secretFiles: ["),
        yaml.replace("whsec_", ""),
        yaml.replace("secrets: [", &format!("secrets: [x{hook_before}, ")),
        yaml.replace("id: alice", &format!("id: alice:{alice}")),
    ]
    .iter()
    .enumerate()
    {
        node.rewrite_config(broken);
        node.process.signal("HUP");
        let refused = |line: &&String| line.contains("nothing was changed");
        node.process.wait_for_line("refused", |_| {
            (node.process.output_lines().iter().filter(refused).count() > number).then_some(())
        });
        observed.add(http_get(node.health_port, "GET /health").1);
        for page in ["config", "config/check"] {
            let page = format!("/api/v1/nodes/n/{page}");
            let request = format!("GET {page} HTTP/1.1\r\nAuthorization: Bearer {api}\r\nX:");
            observed.add(http_get(node.health_port, &request).1);
        }
    }
    let yaml = yaml.replace(&old, &wrong).replace(&api, &receivers);
    node.rewrite_config(&yaml.replace(&hook, &hook_next));
    node.process.signal("HUP");
    node.process
        .wait_for_line("reloaded", |line| line.contains("configuration reloaded").then_some(()));
    let mut streamed = Vec::new();
    stream.read_to_end(&mut streamed).unwrap();
    let streamed = String::from_utf8(streamed).unwrap();
    for kind in ["hello", "state", "event", "packet", "bye"] {
        assert!(streamed.contains(&format!("{{\"type\":\"{kind}\"")), "{kind}: {streamed}");
    }
    observed.add(streamed);
    let process = format!("/proc/{}/cmdline", node.process.pid());
    observed.add(std::fs::read(process).unwrap());
    let (_, log) = node.stop("TERM");
    for expected in ["\"level\":\"TRACE\"", "configuration reloaded"] {
        assert!(log.contains(expected), "{expected} is not in the log");
    }
    observed.add(log);
    observed.assert_no_secret();
}

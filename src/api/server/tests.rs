//! Requests over real sockets, written and read byte by byte.

mod changes;
mod scopes;
mod tokens;
mod v1;
mod verbs;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::*;
use crate::api::{
    ApiToken, HealthStatus, NetworkApi, NodeAddresses, Observer, PeerRole, StatusSettings,
};
use crate::connector::ConnectorSettings;
use crate::net::{Clock, TransportSettings};
use crate::observe::{OPERATOR_TOKEN, Scope};
use crate::testing::{connector_settings, node_context, route};
use crate::web::testing::{Answer, RawConnection, request_once};

/// A node `test.hub` with the peers alice and bob, which never connect.
fn status() -> Arc<NodeStatus> {
    let routes = vec![
        route("test.alice", "alice", 2),
        route("test.alice", "bob", 1),
        route("test.bob", "bob", 0),
    ];
    let settings = ConnectorSettings { routes, ..connector_settings("hub", &["alice", "bob"]) };
    let context = node_context(settings, Clock::start(), TransportSettings::default());
    context.peers.status(&"bob".parse().unwrap());
    NodeStatus::new(context, Observer::new()).unwrap()
}

/// Applies a configuration: peers, and whether they are required.
fn configure(status: &NodeStatus, peers: &[(&str, bool)], api_token: Option<&str>) {
    let role = |&(id, required): &(&str, bool)| PeerRole { id: id.parse().unwrap(), required };
    let peers = peers.iter().map(role).collect();
    let api_tokens = api_token.map(|secret| api_token_of(OPERATOR_TOKEN, secret, &Scope::ALL));
    configure_with(status, peers, api_tokens.into_iter().collect());
}

fn configure_with(status: &NodeStatus, peers: Vec<PeerRole>, api_tokens: Vec<ApiToken<'_>>) {
    let start_timeout = Duration::from_secs(30);
    let api_hosts = vec!["node.example".to_owned()];
    status.configure(StatusSettings { peers, start_timeout, api_tokens, api_hosts });
}

fn api_token_of<'a>(id: &'a str, secret: &'a str, scopes: &[Scope]) -> ApiToken<'a> {
    let scopes = scopes.iter().copied().collect();
    ApiToken { id, secret, scopes, peer: None, expires: None }
}

/// A running server, until it is dropped.
struct RunningApi {
    address: SocketAddr,
    _task: JoinSet<()>,
}

/// The status of a node with this configuration, and its server.
async fn serve_configured(
    peers: &[(&str, bool)],
    api_token: Option<&str>,
) -> (Arc<NodeStatus>, RunningApi) {
    let status = status();
    configure(&status, peers, api_token);
    let api = serve(&status).await;
    (status, api)
}

async fn serve(status: &Arc<NodeStatus>) -> RunningApi {
    serve_with(status, limits(CONNECTIONS_MAX)).await
}

async fn serve_with(status: &Arc<NodeStatus>, limits: ConnectionLimits) -> RunningApi {
    let totals = Default::default();
    let bound = Api::bind_with("127.0.0.1", 0, Arc::clone(status), totals, limits).await;
    let api = bound.unwrap();
    let address = api.local_addr();
    let mut task = JoinSet::new();
    task.spawn(api.run());
    RunningApi { address, _task: task }
}

impl RunningApi {
    async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1")).await
    }

    /// Sends a request on a connection of its own; `request` is its first line, perhaps with headers.
    async fn send(&self, request: &str) -> Answer {
        self.send_as(request, "host: hub").await
    }

    /// [`Self::send`] with other headers.
    async fn send_as(&self, request: &str, headers: &str) -> Answer {
        request_once(self.address, &format!("{request}\r\n{headers}")).await
    }
}

#[tokio::test]
async fn every_page_and_every_client_error() {
    let status = status();
    let api = serve(&status).await;
    for (request, code) in [
        ("GET /health HTTP/1.1", 200),
        ("GET /health?x=1 HTTP/1.1", 200),
        ("GET /health/live HTTP/1.1", 200),
        ("GET /health/ready HTTP/1.1", 200),
        ("GET /metrics HTTP/1.1", 200),
        ("GET /peers HTTP/1.1", 200),
        ("GET /routes HTTP/1.1", 200),
        ("GET /routes?destination=test.bob.x HTTP/1.1", 200),
        ("GET /routes?limit=none HTTP/1.1", 400),
        ("GET / HTTP/1.1", 302),
        ("GET /ui/ HTTP/1.1", 200),
        ("GET /ui/nowhere HTTP/1.1", 404),
        ("GET /health/ HTTP/1.1", 404),
        ("GET /Health HTTP/1.1", 404),
        ("POST /nowhere HTTP/1.1", 404),
        ("POST /health HTTP/1.1", 405),
        ("OPTIONS /peers HTTP/1.1", 405),
        ("DELETE /routes HTTP/1.1", 405),
        ("PUT /metrics HTTP/1.1", 405),
        ("nonsense", 400),
        (&format!("GET /health HTTP/1.1\r\nx: {}", "x".repeat(17_000)), 431),
    ] {
        let answer = api.send(request).await;
        assert_eq!(answer.status, code, "{request}");
        let ours = [404, 405].contains(&code) || request.contains("limit");
        if ours {
            assert!(answer.json()["error"].as_str().unwrap().len() > 20, "{request}");
        }
        let allow = (code == 405).then_some("GET,HEAD");
        assert_eq!(answer.header("allow"), allow, "{request}");
    }
    let body = api.get("/routes?limit=none").await.json();
    assert_eq!(body, json!({ "error": "limit \"none\" is not a number from 1 to 10000" }));
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let api = serve(&status()).await;
    for page in ["/health/live", "/metrics", "/routes"] {
        let get = api.get(page).await;
        let head = api.send(&format!("HEAD {page} HTTP/1.1")).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{page}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{page}");
        assert!(head.header("content-length").is_some(), "{page}");
    }
}

#[tokio::test]
async fn web_pages_of_other_sites_read_nothing() {
    let (status, api) = serve_configured(&[], None).await;
    let rebound = "host: evil.example:8080\r\norigin: http://evil.example:8080";
    for (page, guarded) in [
        ("/peers", true),
        ("/routes", true),
        ("/routes?destination=test.a", true),
        // Probes and Prometheus may use any name.
        ("/metrics", false),
        ("/health", false),
        ("/health/live", false),
        ("/health/ready", false),
    ] {
        for (headers, refused) in [
            (rebound, guarded),
            ("host: 127.0.0.1\r\nsec-fetch-site: cross-site", guarded),
            ("host: a\r\nhost: a", guarded),
            ("x: y", guarded),
            ("host: Node.Example:1", false),
            ("host: [::1]:8080", false),
        ] {
            let answer = api.send_as(&format!("GET {page} HTTP/1.1"), headers).await;
            assert_eq!(answer.status == 403, refused, "{page} {headers}: {}", answer.head);
            assert_eq!(answer.header("access-control-allow-origin"), None);
            if page != "/metrics" {
                assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{page}");
            }
        }
    }
    let refused = api.send_as("GET /peers HTTP/1.1", rebound).await;
    assert!(refused.json()["error"].as_str().unwrap().contains("apiHosts"), "{}", refused.body);
    // With a token, the token decides.
    configure(&status, &[], Some("s3cret"));
    let right = format!("{rebound}\r\nauthorization: Bearer s3cret");
    assert_eq!(api.send_as("GET /peers HTTP/1.1", &right).await.status, 200);
    assert_eq!(api.send_as("GET /peers HTTP/1.1", rebound).await.status, 401);
}

#[tokio::test]
async fn live_detects_hanging_threads_and_ready_ignores_peers() {
    let (status, api) = serve_configured(&[("alice", true)], None).await;
    let get = async |page: &str| {
        let answer = api.get(page).await;
        (answer.status, answer.json()["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(get("/health/live").await, (200, "alive".to_owned()));
    assert_eq!(get("/health/ready").await, (200, "ready".to_owned()), "alice is not connected");
    assert_eq!(get("/health").await.0, 503);
    for _ in 0..20 {
        status.heartbeat.check(Duration::from_millis(500));
    }
    assert_eq!(get("/health/live").await, (503, "hung".to_owned()));
    assert_eq!(get("/health/ready").await, (503, "notReady".to_owned()));
    assert_eq!(get("/health").await, (503, "unhealthy".to_owned()));
    status.record_heartbeat();
    status.heartbeat.check(Duration::from_millis(500));
    assert_eq!(get("/health/live").await.0, 200);
    status.set_stopping();
    assert_eq!(get("/health/ready").await.0, 503);
    assert_eq!(get("/health/live").await.0, 200);
}

#[tokio::test]
async fn a_refused_configuration_is_shown_and_leaves_the_node_healthy() {
    let (status, api) = serve_configured(&[], None).await;
    let last_reload = async || {
        let health = api.get("/health").await;
        assert_eq!(health.status, 200);
        let metrics = api.get("/metrics").await.body;
        let value = |name: &str| -> f64 {
            let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
            line.unwrap().split(' ').nth(1).unwrap().parse().unwrap()
        };
        let config = &health.json()["config"];
        let metric = value("ilp_config_last_reload_successful");
        assert_eq!(config["successful"], metric == 1.0);
        let at = value("ilp_config_last_reload_success_timestamp_seconds");
        (config["successful"].as_bool().unwrap(), config["error"].clone(), at)
    };
    let (successful, error, started) = last_reload().await;
    assert!(successful && error.is_null() && started > 1.7e9);
    let later = std::time::SystemTime::now() + Duration::from_secs(5);
    status.record_refused_reload(later, "c.yaml:3: peers: is not a list");
    assert_eq!(last_reload().await, (false, json!("c.yaml:3: peers: is not a list"), started));
    status.record_reload();
    let (successful, error, at) = last_reload().await;
    assert!(successful && error.is_null() && at >= started);
}

#[tokio::test]
async fn the_shape_of_health() {
    let (_, api) = serve_configured(&[("bob", false), ("alice", true)], None).await;
    let answer = api.get("/health").await;
    assert_eq!((answer.status, answer.header("cache-control")), (503, Some("no-store")));
    let mut body = answer.json();
    assert!(body["uptime"].is_u64());
    for time in [
        &mut body["timestamp"].take(),
        &mut body["config"]["lastReload"].take(),
        &mut body["peers"][1]["since"].take(),
    ] {
        assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{time}");
    }
    insta::assert_json_snapshot!(body);
}

#[tokio::test]
async fn health_from_start_to_stop() {
    let status = status();
    let api = serve(&status).await;
    let check = async |code: u16, word: &str| {
        let answer = api.get("/health").await;
        assert_eq!((answer.status, answer.json()["status"].as_str()), (code, Some(word)));
        let metrics = api.get("/metrics").await.body;
        let ready = format!("\nilp_ready {}\n", u8::from(code == 200));
        assert!(metrics.contains(&ready), "{metrics}");
        assert_eq!(api.get("/health/live").await.status, 200);
    };
    configure(&status, &[("alice", true)], None);
    check(503, "starting").await;
    configure(&status, &[("alice", false)], None);
    check(200, "healthy").await;
    configure(&status, &[("alice", true)], None);
    check(503, "unhealthy").await;
    configure(&status, &[("alice", false)], None);
    status.set_listed(false);
    check(503, "unhealthy").await;
    status.set_listed(true);
    check(200, "healthy").await;
    status.set_stopping();
    check(503, "stopping").await;
}

#[tokio::test]
async fn a_node_that_was_healthy_is_not_starting_again() {
    let status = status();
    assert_eq!(status.observe_health(), HealthStatus::Healthy);
    configure(&status, &[("alice", true)], None);
    assert_eq!(status.observe_health(), HealthStatus::Unhealthy);
}

#[tokio::test]
async fn pages_of_routes() {
    let api = serve(&status()).await;
    let first = api.get("/routes?limit=1").await.json();
    assert_eq!(first["total"], 2);
    assert_eq!(first["routes"][0]["prefix"], "test.alice");
    assert_eq!(first["routes"][0]["reason"], "none of the next hops is connected");
    assert_eq!(first["routes"][0]["candidates"][1]["nextHop"], "bob");
    assert_eq!(first["next"], "test.alice");
    let last = api.get("/routes?limit=1&after=test.alice").await.json();
    assert_eq!(last["routes"][0]["prefix"], "test.bob");
    assert_eq!(last["next"], Value::Null);
    let explained = api.get("/routes?destination=test.bob.x").await.json();
    assert_eq!(explained["action"], "reject");
    assert_eq!(explained["code"], "T01");
    assert_eq!(explained["route"]["prefix"], "test.bob");
    let peers = api.get("/peers").await.json();
    assert_eq!(peers["peers"][1]["id"], "bob");
}

#[tokio::test]
async fn open_metrics_on_request() {
    let api = serve(&status()).await;
    let plain = api.get("/metrics").await;
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!plain.body.contains("# EOF"));
    let accept = "accept: application/openmetrics-text;version=1.0.0";
    let open = api.send(&format!("GET /metrics HTTP/1.1\r\n{accept}")).await;
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(open.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn many_requests_on_one_connection() {
    let api = serve(&status()).await;
    let mut client = RawConnection::open(api.address).await;
    let one = "GET /health/live HTTP/1.1\r\nhost: hub\r\n\r\n";
    let last = "GET /health/live HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n";
    client.write(&(one.repeat(99) + last)).await;
    let answers = client.read_to_end().await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 100);
}

#[tokio::test]
async fn silent_clients_are_closed_for_new_ones() {
    let api = serve(&status()).await;
    let mut silent = Vec::new();
    for number in 0..CONNECTIONS_MAX + 10 {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\n").await.unwrap();
        silent.push(stream);
        if number % 32 == 0 {
            assert_eq!(api.get("/health").await.status, 200);
        }
    }
    assert_eq!(api.get("/health").await.status, 200);
    let mut byte = [0];
    // Closed: an end, or an error because the server never read what was written.
    let read = silent[0].read(&mut byte).await;
    assert!(matches!(read, Ok(0) | Err(_)), "the oldest is closed");
    let newest = silent.last_mut().unwrap();
    newest.write_all(b"host: hub\r\n\r\n").await.unwrap();
    assert_eq!(newest.read(&mut byte).await.unwrap(), 1, "the newest is served");
}

#[tokio::test]
async fn an_incomplete_head_ends_the_connection() {
    let short = Duration::from_millis(50);
    let limits = ConnectionLimits {
        head_time: short,
        idle_time: short,
        unauthenticated_time: Duration::from_secs(3600),
        ..limits(CONNECTIONS_MAX)
    };
    let api = serve_with(&status(), limits).await;
    for begin in ["", "GET /health HTTP/1.1\r\nx: y"] {
        let before = Instant::now();
        let mut client = RawConnection::open(api.address).await;
        client.write(begin).await;
        client.read_to_end().await;
        assert!(before.elapsed() >= short, "{begin}");
    }
}

#[tokio::test]
async fn a_connection_that_is_always_in_use_ends() {
    let limits = ConnectionLimits {
        head_time: Duration::from_millis(50),
        idle_time: Duration::from_secs(3600),
        unauthenticated_time: Duration::from_millis(50),
        ..limits(CONNECTIONS_MAX)
    };
    let api = serve_with(&status(), limits).await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let request = b"GET /health/live HTTP/1.1\r\nhost: hub\r\n\r\n";
    while stream.write_all(request).await.is_ok() {
        if matches!(stream.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {
            break;
        }
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let status = status();
    let bind = async |host: &'static str, port| {
        Api::bind(host, port, Arc::clone(&status), Arc::default(), Arc::default()).await
    };
    let first = bind("127.0.0.1", 0).await.unwrap();
    let port = first.local_addr().port();
    assert_eq!(
        bind("127.0.0.1", port).await.unwrap_err().to_string(),
        format!(
            "port {port} on 127.0.0.1 is already in use; choose another one (healthCheckPort or HEALTH_CHECK_PORT)"
        )
    );
    let unknown = bind("host.invalid", 0).await.unwrap_err();
    assert!(matches!(unknown, BindError::Resolve { .. }), "{unknown}");
}

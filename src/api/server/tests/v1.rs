//! `/api/v1`: which requests it answers, and streams beside other connections.

use super::*;

const STREAM: &str = "/api/v1/stream";

/// The status and the JSON of an answer of `/api/v1`.
async fn ask(api: &RunningApi, path: &str) -> (u16, Value) {
    let answer = api.get(path).await;
    let body = serde_json::from_str(&answer.body);
    (answer.status, body.unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.body)))
}

/// The node of [`status`], known to its observer.
async fn serve_listening() -> (Arc<NodeStatus>, RunningApi) {
    let (status, api) = serve_configured(&[], None).await;
    listen(&status, &api);
    (status, api)
}

fn listen(status: &Arc<NodeStatus>, api: &RunningApi) {
    status.set_listening(NodeAddresses { btp: api.address, api: api.address });
}

/// An open stream.
struct Reader {
    connection: RawConnection,
    head: String,
    text: String,
}

impl Reader {
    async fn open(api: &RunningApi, path: &str, headers: &str) -> Self {
        let mut connection = RawConnection::open(api.address).await;
        // Without chunks, so that the lines are the objects.
        connection.write(format!("GET {path} HTTP/1.0\r\nHost: hub\r\n{headers}\r\n")).await;
        let head = connection.read_head().await;
        Self { connection, head, text: String::new() }
    }

    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// The next line that is not empty.
    async fn line(&mut self) -> String {
        loop {
            while let Some((line, rest)) = self.text.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.text = rest;
                if !line.is_empty() {
                    return line;
                }
            }
            let mut bytes = [0; 4096];
            let reading = self.connection.0.read(&mut bytes);
            let read = tokio::time::timeout(crate::testing::TEST_TIMEOUT, reading).await;
            let read = read.unwrap().unwrap();
            assert!(read > 0, "the stream has ended");
            self.text += std::str::from_utf8(&bytes[..read]).unwrap();
        }
    }

    /// The next object of this type; figures and others before it are skipped.
    async fn object(&mut self, kind: &str) -> Value {
        loop {
            let line = self.line().await;
            let object: Value = serde_json::from_str(&line).unwrap();
            if object["type"] == kind {
                return object;
            }
        }
    }
}

#[tokio::test]
async fn every_list_and_every_client_error() {
    let (status, api) = serve_listening().await;
    let (code, top) = ask(&api, "/api/v1").await;
    assert_eq!((code, &top["nodes"]), (200, &json!(["hub"])));
    assert_eq!((&top["scopes"], &top["peer"]), (&json!(["read", "packets"]), &Value::Null));
    let (_, nodes) = ask(&api, "/api/v1/nodes").await;
    let node = &nodes["nodes"][0];
    assert_eq!((&node["id"], &node["address"]), (&"hub".into(), &"test.hub".into()));
    assert_eq!(node["api"], api.address.to_string());
    assert_eq!(node["peers"][1]["link"], "hub~bob");
    assert_eq!(ask(&api, "/api/v1/nodes/hub").await.1["peers"], node["peers"]);
    let (_, links) = ask(&api, "/api/v1/links").await;
    assert_eq!(links["links"].as_array().unwrap().len(), 2);
    assert_eq!(links["links"][0]["kind"], "outside");
    let (_, routes) = ask(&api, "/api/v1/nodes/hub/routes?limit=1").await;
    assert_eq!((&routes["total"], &routes["next"]), (&2.into(), &"test.alice".into()));
    let (_, money) = ask(&api, "/api/v1/money").await;
    assert_eq!(money["peers"][0]["balance"], "0");
    assert_eq!(money["assets"][0]["net"], "0");
    let (_, packets) = ask(&api, "/api/v1/packets?filter=code%3DF02&limit=5").await;
    assert_eq!(packets, json!({ "packets": [], "lost": 0 }));
    assert_eq!(ask(&api, "/api/v1/reasons").await.1["reasons"], json!([]));
    status.record_refused_reload(std::time::SystemTime::now(), "n.yaml:1: no");
    let (_, events) = ask(&api, "/api/v1/events").await;
    let event = &events["events"][0];
    assert_eq!((&event["kind"], &event["level"]), (&"config.refused".into(), &"error".into()));
    let after = format!("/api/v1/events?after={}", event["id"].as_str().unwrap());
    assert_eq!(ask(&api, &after).await.1["events"], json!([]));

    for (path, code, says) in [
        ("/api/v1?x=1", 400, "unknown parameter \"x\"; there are none"),
        ("/api/v1/nodes/other", 404, "there is no node \"other\" here; there are hub"),
        ("/api/v1/nodes/other/routes", 404, "there is no node"),
        ("/api/v1/nodes/hub/routes?limit=0", 400, "limit"),
        ("/api/v1/packets?limit=0", 400, "limit \"0\" is not a number from 1 to 10000"),
        ("/api/v1/packets?filter=code", 400, "filter: term 1: \"code\" is not a term"),
        ("/api/v1/packets?filter=&filter=", 400, "parameter filter is given twice"),
        ("/api/v1/packets/00000000-1", 404, "no packet \"00000000-1\" is kept"),
        ("/api/v1/events?after=x", 400, "after: \"x\" is not an id"),
        ("/api/v1/stream?topics=packet", 400, "there is no topic \"packet\""),
        ("/api/v1/stream?packets=0", 400, "packets \"0\" is not a number from 1 to"),
        ("/api/v1/stream?after=1", 400, "after: \"1\" is not an id"),
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, code, "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(says), "{path}: {problem}");
    }
    assert_eq!(api.send("POST /api/v1/nodes HTTP/1.1").await.status, 405);
    assert_eq!(api.get("/api/v1/nowhere").await.status, 404);
}

#[tokio::test]
async fn the_rules_of_peers_hold_here_too() {
    let (status, api) = serve_configured(&[], Some("s3cret")).await;
    listen(&status, &api);
    for path in ["/api/v1", "/api/v1/nodes", "/api/v1/packets", STREAM] {
        assert_eq!(api.get(path).await.status, 401, "{path}");
        let wrong = format!("GET {path} HTTP/1.1\r\nauthorization: Bearer guess");
        assert_eq!(api.send(&wrong).await.status, 401, "{path}");
    }
    let right = "GET /api/v1 HTTP/1.1\r\nauthorization: Bearer s3cret";
    assert_eq!(api.send(right).await.status, 200);
    configure(&status, &[], None);
    assert_eq!(api.send_as("GET /api/v1 HTTP/1.1", "host: evil.example").await.status, 403);
    assert_eq!(api.send_as("GET /api/v1 HTTP/1.1", "host: node.example").await.status, 200);
    let origin = "GET /api/v1 HTTP/1.1\r\norigin: http://evil.example";
    assert_eq!(api.send(origin).await.status, 403);
    status.set_standby("b has the books".to_owned());
    assert_eq!(api.get("/api/v1").await.status, 503);
}

#[tokio::test]
async fn a_stream_begins_with_all_state_and_goes_on_with_events() {
    let (status, api) = serve_listening().await;
    let mut reader = Reader::open(&api, STREAM, "").await;
    assert!(reader.head.contains("content-type: application/x-ndjson"), "{}", reader.head);
    let hello = reader.object("hello").await;
    assert_eq!(hello["nodes"], json!(["hub"]));
    assert_eq!(hello["threshold"], "ffffffffffffffff");
    let state = reader.object("state").await;
    assert_eq!(state["nodes"][0]["peers"].as_array().unwrap().len(), 2);
    status.record_reload();
    let event = reader.object("event").await;
    assert_eq!(event["kind"], "config.reloaded");
    let rates = reader.object("rates").await;
    assert_eq!(rates["sampled"]["oneIn"], 1.0);
    assert_eq!(rates["links"][0]["fulfilledPercent"], Value::Null);

    let mut reader = Reader::open(&api, STREAM, "Accept: text/event-stream\r\n").await;
    assert!(reader.head.contains("content-type: text/event-stream"), "{}", reader.head);
    assert_eq!(reader.line().await, "event: hello");
    assert!(reader.line().await.starts_with("data: {\"type\":\"hello\""));
    status.record_reload();
    while reader.line().await != "event: event" {}
    assert!(reader.line().await.starts_with("data: {\"type\":\"event\""));
}

#[tokio::test]
async fn a_resume_neither_repeats_nor_skips_and_another_boot_is_a_gap() {
    let (status, api) = serve_listening().await;
    let path = format!("{STREAM}?topics=events");
    let mut reader = Reader::open(&api, &path, "").await;
    reader.object("hello").await;
    let mut last = String::new();
    for _ in 0..3 {
        status.record_reload();
        last = reader.object("event").await["id"].as_str().unwrap().to_owned();
    }
    drop(reader);
    (0..2).for_each(|_| status.record_reload());
    for header in [String::new(), format!("Last-Event-ID: {last}\r\n")] {
        let path = if header.is_empty() { format!("{path}&after={last}") } else { path.clone() };
        let mut reader = Reader::open(&api, &path, &header).await;
        let mut ids = Vec::new();
        for _ in 0..2 {
            ids.push(reader.object("event").await["id"].as_str().unwrap().to_owned());
        }
        let number = |id: &str| id.split_once('-').unwrap().1.parse::<u64>().unwrap();
        let next = number(&last) + 1;
        assert_eq!(ids.iter().map(|id| number(id)).collect::<Vec<_>>(), [next, next + 1]);
    }
    let mut reader = Reader::open(&api, &format!("{path}&after=00000000-7"), "").await;
    let gap = reader.object("gap").await;
    assert_eq!((&gap["why"], &gap["topic"]), (&"restart".into(), &"events".into()));
}

#[tokio::test]
async fn health_answers_while_all_streams_are_taken_and_closes_none() {
    let limits = limits(4);
    let status = status();
    configure(&status, &[], None);
    let api = serve_with(&status, limits).await;
    listen(&status, &api);
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        let mut reader = Reader::open(&api, &format!("{STREAM}?topics=events"), "").await;
        reader.object("hello").await;
        streams.push(reader);
    }
    let refused = Reader::open(&api, STREAM, "").await;
    assert_eq!(refused.status(), "503");
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    // More than the listener has connections for.
    for _ in 0..10 {
        assert_eq!(api.get("/health/live").await.status, 200);
    }
    status.record_reload();
    for reader in &mut streams {
        assert_eq!(reader.object("event").await["kind"], "config.reloaded");
    }
    drop(streams.pop());
    let began = Instant::now();
    while Reader::open(&api, STREAM, "").await.status() == "503" {
        assert!(began.elapsed() < crate::testing::TEST_TIMEOUT, "its place is not free");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn another_token_and_the_end_of_the_node_end_streams() {
    let (status, api) = serve_listening().await;
    let mut reader = Reader::open(&api, STREAM, "").await;
    reader.object("state").await;
    configure(&status, &[], Some("s3cret"));
    assert_eq!(reader.object("bye").await["why"], "the node has a token now");
    assert_eq!(reader.connection.read_to_end().await, "");
    let with_token = "Authorization: Bearer s3cret\r\n";
    let mut reader = Reader::open(&api, STREAM, with_token).await;
    reader.object("state").await;
    status.set_stopping();
    let bye = reader.object("bye").await;
    assert_eq!((&bye["why"], &bye["retryMs"]), (&"the node stops".into(), &1000.into()));
}

/// The listener of all nodes that this observer knows.
async fn serve_network(status: &Arc<NodeStatus>) -> RunningApi {
    let (observer, context) = (Arc::clone(status.observer()), Arc::clone(status.context()));
    let api = NetworkApi::bind(0, observer, context).await.unwrap();
    let address = api.local_addr();
    let mut task = JoinSet::new();
    task.spawn(api.run());
    RunningApi { address, _task: task }
}

#[tokio::test]
async fn a_network_is_not_for_other_sites_nor_without_the_token_of_a_node_that_joins() {
    let (status, hub) = serve_listening().await;
    let api = serve_network(&status).await;
    assert_eq!(api.send_as("GET /api/v1 HTTP/1.1", "host: evil.example").await.status, 403);
    // A name of one node is not one of the network.
    assert_eq!(api.send_as("GET /api/v1 HTTP/1.1", "host: node.example").await.status, 403);
    let origin = "GET /api/v1/stream HTTP/1.1\r\norigin: http://evil.example";
    assert_eq!(api.send(origin).await.status, 403);

    let context =
        node_context(connector_settings("late", &[]), Clock::start(), TransportSettings::default());
    let late = NodeStatus::new(context, Arc::clone(status.observer())).unwrap();
    configure(&late, &[], Some("s3cret"));
    let mut reader = Reader::open(&api, STREAM, "").await;
    let hello = reader.object("hello").await;
    assert_eq!(hello["nodes"], json!(["hub"]));
    assert_eq!(hello["scopes"], json!(["read", "packets", "operate", "audit"]));
    listen(&late, &hub);
    assert_eq!(reader.object("bye").await["why"], "a node with a token has started");
    assert_eq!(api.get(STREAM).await.status, 401);
    let with_token = "GET /api/v1 HTTP/1.1\r\nauthorization: Bearer s3cret";
    let answer = api.send(with_token).await;
    let top: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &top["nodes"]), (200, &json!(["hub", "late"])));
}

/// No client watches: no tap, and no samples.
#[tokio::test]
async fn packets_are_sampled_only_while_a_client_wants_them() {
    let (status, api) = serve_listening().await;
    let is_sampling = || status.observer().is_sampling();
    let mut other = Reader::open(&api, &format!("{STREAM}?topics=state,rates"), "").await;
    other.object("state").await;
    assert!(!is_sampling());
    let mut reader = Reader::open(&api, &format!("{STREAM}?topics=packets"), "").await;
    reader.object("hello").await;
    assert!(is_sampling());
    drop(reader);
    let began = Instant::now();
    while is_sampling() {
        assert!(began.elapsed() < crate::testing::TEST_TIMEOUT, "the tap stays");
        tokio::task::yield_now().await;
    }
}

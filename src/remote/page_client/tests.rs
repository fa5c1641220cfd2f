//! The client against scripted servers: which of their connections get the token.

use tokio::net::TcpListener;

use super::super::{StreamEnd, StreamReader};
use super::*;
use crate::net::Secret;
use crate::testing::TEST_TIMEOUT;
use crate::web::testing::RawConnection;

const TOKEN: &str = "an-operators-token";

#[test]
fn values_of_queries_are_encoded() {
    assert_eq!(url_encode("a=b c%&é/"), "a%3Db%20c%25%26%C3%A9%2F");
}

/// A program in the place of a node.
struct Server {
    listener: TcpListener,
    client: PageClient,
    node: AskedNode,
}

/// What it answers to a request.
#[derive(Clone, Copy)]
enum Said {
    /// Its health, with this id.
    Id(&'static str),
    /// The same, and it closes the connection.
    LastId(&'static str),
    /// Anything else: a status, further headers, and a body.
    Page(&'static str, &'static str, &'static str),
    /// The beginning of a stream, which breaks.
    Stream,
}

impl Server {
    /// `id`: of the node that a file names.
    async fn new(id: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = AskedNode {
            id: id.map(str::to_owned),
            url: format!("http://{}", listener.local_addr().unwrap()).parse().unwrap(),
            token: Some(Secret::new(TOKEN)),
            hint: "start it".to_owned(),
        };
        Self { listener, client: PageClient::new(TEST_TIMEOUT).unwrap(), node }
    }

    /// What the client makes of this server, and the requests of each connection.
    async fn serve<T>(
        &self,
        asked: impl Future<Output = T>,
        mut answer: impl FnMut(usize, &str) -> Said,
    ) -> (T, Vec<Vec<String>>) {
        let mut heads: Vec<Vec<String>> = Vec::new();
        let serve = async {
            loop {
                let mut connection = RawConnection::accept(&self.listener).await;
                let number = heads.len();
                heads.push(Vec::new());
                while let Some(head) = connection.next_head().await {
                    connection.read_body(&head).await;
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    heads[number].push(head);
                    match answer(number, &path) {
                        Said::Id(id) => connection.answer("200 OK", health(id).as_bytes()).await,
                        Said::LastId(id) => {
                            let status = "200 OK\r\nConnection: close";
                            connection.answer(status, health(id).as_bytes()).await;
                            break;
                        }
                        Said::Page(status, headers, body) => {
                            let head = format!("{status}{headers}");
                            connection.answer(&head, body.as_bytes()).await;
                        }
                        Said::Stream => {
                            let line = r#"{"type":"bye","why":"over","retryMs":1}"#;
                            let head = "HTTP/1.1 200 OK\r\n\r\n";
                            connection.write(format!("{head}{line}\n")).await;
                            break;
                        }
                    }
                }
            }
        };
        let value = tokio::select! {
            () = serve => unreachable!("it serves for ever"),
            value = asked => value,
        };
        (value, heads)
    }

    /// Asks in each way that this room has. Whether each was answered.
    async fn ask_in_all_ways(&self) -> Vec<Result<(), PageError>> {
        let Self { client, node, .. } = self;
        vec![
            client.page::<Value>(node, "api/v1").await.map(drop),
            client.get(node, "metrics").await.map(drop),
            client.post(node, "api/v1/nodes/n/log-level", "{}").await.map(drop),
            client.pass_on(node, "x", HttpVerb::Delete(b"{}"), TEST_TIMEOUT).await.map(drop),
            client.stream(node, "api/v1/stream?topics=state").await.map(drop),
        ]
    }
}

fn health(id: &str) -> String {
    format!(r#"{{"status":"healthy","nodeId":"{id}"}}"#)
}

fn has_token(head: &str) -> bool {
    head.contains(TOKEN) || head.to_lowercase().contains("authorization")
}

#[tokio::test]
async fn the_node_of_the_file_gets_the_token_after_its_id_on_each_connection() {
    let server = Server::new(Some("n")).await;
    let (answers, heads) = server
        .serve(server.ask_in_all_ways(), |_, path| match path {
            "/health" => Said::Id("n"),
            _ => Said::Page("200 OK", "", "{}"),
        })
        .await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(heads.len(), answers.len(), "{heads:?}");
    for heads in heads {
        let [id, page] = heads.as_slice() else { panic!("{heads:?}") };
        assert!(id.starts_with("GET /health ") && !has_token(id), "{id}");
        assert!(!page.starts_with("GET /health ") && has_token(page), "{page}");
    }
}

#[tokio::test]
async fn no_other_program_gets_the_token() {
    let another = PageError::AnotherNode("m".to_owned());
    for (said, connections, expected) in [
        (Said::Id("m"), 1, Some(another)),
        (Said::LastId("n"), 2, None),
        (Said::Page("200 OK", "", "{}"), 1, Some(PageError::NotANode)),
        (Said::Page("200 OK", "", "<html>"), 1, Some(PageError::NotANode)),
        (Said::Page("200 OK", "", r#"{"nodeId":7}"#), 1, Some(PageError::NotANode)),
        (Said::Page("404 Not Found", "", ""), 1, Some(PageError::NotANode)),
        (Said::Page("302 Found", "\r\nLocation: /x", ""), 1, Some(PageError::NotANode)),
    ] {
        let server = Server::new(Some("n")).await;
        let (answers, heads) = server.serve(server.ask_in_all_ways(), |_, _| said).await;
        for answer in &answers {
            let error = answer.clone().unwrap_err();
            assert_eq!(expected.as_ref().unwrap_or(&error), &error);
        }
        assert_eq!(heads.len(), connections * answers.len(), "{connections} each: {heads:?}");
        for heads in heads {
            assert!(matches!(&heads[..], [id] if !has_token(id)), "{heads:?}");
        }
    }
}

/// As a proxy does, or a server that closes idle connections.
#[tokio::test]
async fn a_connection_that_ends_after_the_id_has_a_second_one_that_shows_it_again() {
    let server = Server::new(Some("n")).await;
    let (answers, heads) = server
        .serve(server.ask_in_all_ways(), |number, path| match (number % 2, path) {
            (0, _) => Said::LastId("n"),
            (_, "/health") => Said::Id("n"),
            _ => Said::Page("200 OK", "", "{}"),
        })
        .await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(heads.len(), 2 * answers.len(), "{heads:?}");
    for pair in heads.chunks(2) {
        let [first, second] = pair else { panic!("{heads:?}") };
        assert!(matches!(&first[..], [id] if !has_token(id)), "{first:?}");
        assert!(matches!(&second[..], [id, page] if !has_token(id) && has_token(page)), "{pair:?}");
    }
}

#[tokio::test]
async fn a_node_that_is_replaced_after_its_id_leaves_no_token_to_the_next_one() {
    let server = Server::new(Some("n")).await;
    let (answers, heads) = server
        .serve(server.ask_in_all_ways(), |number, _| match number % 2 {
            0 => Said::LastId("n"),
            _ => Said::Id("m"),
        })
        .await;
    let another = Err(PageError::AnotherNode("m".to_owned()));
    assert!(answers.iter().all(|answer| *answer == another), "{answers:?}");
    assert!(heads.iter().all(|heads| matches!(&heads[..], [id] if !has_token(id))), "{heads:?}");
}

#[tokio::test]
async fn another_node_is_named_with_what_to_do() {
    let Server { node, .. } = Server::new(Some("n")).await;
    let said = node.describe(&PageError::AnotherNode("m".to_owned()));
    let expected = "the node m answers there, so it does not get the token; start it";
    assert_eq!(said, format!("n at {}: {expected}", node.shown_url()));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::new(None).await;
    let url: &'static str = Box::leak(
        format!("\r\nLocation: {}", elsewhere.node.url.without_credentials()).into_boxed_str(),
    );
    let server = Server::new(Some("n")).await;
    let asked = server.serve(server.ask_in_all_ways(), |_, path| match path {
        "/health" => Said::Id("n"),
        _ => Said::Page("307 Temporary Redirect", url, ""),
    });
    let (asked, there) = elsewhere.serve(asked, |_, _| Said::Page("200 OK", "", "{}")).await;
    let (_, heads) = asked;
    assert_eq!((heads.len(), there.len()), (5, 0), "{heads:?}");
}

/// Another program may take the place of the node while a stream is open.
#[tokio::test]
async fn a_stream_that_begins_again_compares_again() {
    let server = Server::new(Some("n")).await;
    let asked = async {
        let open = || StreamReader::open(&server.client, &server.node, "topics=state", None);
        let end = open().await.unwrap().next().await.unwrap_err();
        assert!(matches!(end, StreamEnd::Bye(_)), "{end}");
        open().await.unwrap_err()
    };
    let (error, heads) = server
        .serve(asked, |number, path| match (number, path) {
            (0, "/health") => Said::Id("n"),
            (0, _) => Said::Stream,
            _ => Said::Id("m"),
        })
        .await;
    assert_eq!(error, PageError::AnotherNode("m".to_owned()));
    let [first, second] = heads.as_slice() else { panic!("{heads:?}") };
    assert!(first.len() == 2 && has_token(&first[1]), "{first:?}");
    assert!(second.len() == 1 && !has_token(&second[0]), "{second:?}");
}

#[tokio::test]
async fn a_url_that_a_person_names_gets_the_token_at_once() {
    let server = Server::new(None).await;
    let page = || Said::Page("200 OK", "", "{}");
    let (answers, heads) = server.serve(server.ask_in_all_ways(), |_, _| page()).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(heads.iter().all(|heads| matches!(&heads[..], [page] if has_token(page))), "{heads:?}");
}

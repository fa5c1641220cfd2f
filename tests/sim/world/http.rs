//! HTTP as programs beside the nodes speak it: a server of another library, and requests byte by byte.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ilp_connector::internals::machine::simulated::{Machine, MachineListener, MachineStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::machine::Process;

/// Answers what comes to a listener. The connections end with this.
pub async fn serve<A, F>(listener: &dyn MachineListener, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = std::future::poll_fn(|cx| listener.poll_accept(cx)).await;
        while connections.try_join_next().is_some() {}
        let answer = answer.clone();
        connections.spawn(async move {
            let service = service_fn(|request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let io = TokioIo::new(accepted.unwrap().0);
            // An error is a connection that broke.
            let _ = http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

/// The head of a POST. `headers`: lines, each with its end.
pub fn head_of_post(path: &str, headers: &str, body_bytes: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: node\r\n{headers}content-length: {body_bytes}\r\nconnection: close\r\n\r\n"
    )
}

/// Posts a body on a connection of its own. The status and the body of the answer, or nothing if none comes.
pub async fn post(
    process: &Process,
    to: SocketAddr,
    (path, headers): (&str, &str),
    body: &[u8],
) -> Option<(u16, Vec<u8>)> {
    let mut stream: Box<dyn MachineStream> = process.connect(to).await.ok()?;
    let mut request = head_of_post(path, headers, body.len()).into_bytes();
    request.extend(body);
    stream.write_all(&request).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let begin = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let body = answer.split_off(begin);
    let head = String::from_utf8(answer).ok()?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    // A node that is killed may leave a part of its answer.
    let is_whole = length.trim().parse() == Ok(body.len());
    is_whole.then_some((head.split(' ').nth(1)?.parse().ok()?, body))
}

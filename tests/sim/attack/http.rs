//! An attacker over HTTP: it posts its packets, each on a connection of its own, and answers those that the node posts.
//! To the rest of the attacker, these are frames of BTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use ilp_connector::internals::machine::simulated::{Machine, MachineListener, MachineStream};
use ilp_connector::wire::btp::{
    BtpFrame, FrameBody, FrameKind, ProtocolEntry, RequestId, put_frame,
};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::plan::{ATTACKER, AttackPlace, TOKEN};
use crate::world::http::{head_of_post, post, serve};
use crate::world::machine::Process;
use crate::world::node::{HTTP_PORT, ip_of};

/// How long it waits for an answer of the node.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(70);
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Requests of the node have ids from here on.
const FIRST_ID: u32 = 1 << 31;

/// Where an attacker listens, for its whole life.
pub(super) type Listener = Arc<dyn MachineListener>;

/// Requests of the node, by their ids. Each waits for the body of its answer.
type Waiting = Arc<Mutex<BTreeMap<u32, oneshot::Sender<Vec<u8>>>>>;

pub(super) struct HttpCarrier {
    process: Arc<Process>,
    node: SocketAddr,
    waiting: Waiting,
    incoming: mpsc::UnboundedReceiver<Vec<u8>>,
    to_incoming: mpsc::UnboundedSender<Vec<u8>>,
    /// Connections that say nothing, or not all.
    idle: Vec<Box<dyn MachineStream>>,
    /// The server, and requests without an answer. They end with this value.
    tasks: JoinSet<()>,
}

/// A frame with what a request or an answer has as its packet, if there is one.
fn frame(id: u32, body: &FrameBody<'_>, packet: Option<&[u8]>) -> Vec<u8> {
    let mut frame = Vec::new();
    let entry = packet.map(|packet| ProtocolEntry::octets("ilp", packet));
    put_frame(RequestId(id), body, entry.as_slice(), &mut frame);
    frame
}

impl HttpCarrier {
    pub(super) fn new(process: &Arc<Process>, place: AttackPlace, listener: Listener) -> Self {
        let (to_incoming, incoming) = mpsc::unbounded_channel();
        let (waiting, mut tasks) = (Waiting::default(), JoinSet::new());
        let server = Server {
            waiting: Arc::clone(&waiting),
            to_incoming: to_incoming.clone(),
            next_id: AtomicU32::new(FIRST_ID),
        };
        tasks.spawn(Arc::new(server).serve(listener));
        let node = SocketAddr::new(ip_of(place.node), HTTP_PORT);
        let process = Arc::clone(process);
        Self { process, node, waiting, incoming, to_incoming, idle: Vec::new(), tasks }
    }

    pub(super) async fn next(&mut self) -> Vec<u8> {
        self.incoming.recv().await.expect("the carrier has a sender itself")
    }

    /// Posts a request, or gives a request of the node its answer. What is neither is posted as it is.
    pub(super) fn send(&mut self, frame: &[u8]) {
        while self.tasks.try_join_next().is_some() {}
        let Ok(parsed) = BtpFrame::parse(frame) else { return self.post(None, frame.to_owned()) };
        let (id, packet) = (parsed.request_id.0, parsed.ilp().map(<[u8]>::to_owned));
        match parsed.body.kind() {
            FrameKind::Message | FrameKind::Transfer => {
                self.post(
                    packet.is_some().then_some(id),
                    packet.unwrap_or_else(|| frame.to_owned()),
                );
            }
            FrameKind::Response | FrameKind::Error => {
                // There is no way to answer what was not asked.
                let Some(answer) = self.waiting.lock().remove(&id) else { return };
                // The node may have given up.
                let _ = answer.send(packet.unwrap_or_default());
            }
        }
    }

    /// Posts a body. `id`: what its answer is an answer to.
    pub(super) fn post(&mut self, id: Option<u32>, body: Vec<u8>) {
        let (process, node, incoming) =
            (Arc::clone(&self.process), self.node, self.to_incoming.clone());
        self.tasks.spawn(async move {
            let (path, headers) = (path(), headers(TOKEN));
            let posting = post(&process, node, (&path, &headers), &body);
            let answer = timeout(ANSWER_TIMEOUT, posting).await;
            let Some(id) = id else { return };
            let body = answer.ok().flatten().filter(|(code, _)| *code == 200).map(|(_, body)| body);
            let _ = incoming.send(frame(id, &FrameBody::Response, body.as_deref()));
        });
    }

    pub(super) async fn takes(&self, token: &str) -> bool {
        let (path, headers) = (path(), headers(token));
        let posting = post(&self.process, self.node, (&path, &headers), &[]);
        let answer = timeout(ANSWER_TIMEOUT, posting).await;
        answer.ok().flatten().is_some_and(|(code, _)| code != 401)
    }

    pub(super) async fn open_more(&mut self) {
        self.idle.extend(self.process.connect(self.node).await.ok());
    }

    pub(super) async fn send_half(&mut self) {
        let Ok(mut stream) = self.process.connect(self.node).await else { return };
        let half = head_of_post(&path(), &headers(TOKEN), 1000) + "only this";
        let _ = stream.write_all(half.as_bytes()).await;
        self.idle.push(stream);
    }
}

fn path() -> String {
    format!("/accounts/{ATTACKER}/ilp")
}

fn headers(token: &str) -> String {
    format!("authorization: Bearer {token}\r\ncontent-type: application/octet-stream\r\n")
}

/// What answers the node.
struct Server {
    waiting: Waiting,
    to_incoming: mpsc::UnboundedSender<Vec<u8>>,
    next_id: AtomicU32,
}

impl Server {
    async fn serve(self: Arc<Self>, listener: Listener) {
        let answer = move |request| {
            let server = Arc::clone(&self);
            async move { server.answer(request).await }
        };
        serve(&*listener, answer).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let is_packet = request.method() == Method::POST;
        let body = to_bytes(Body::new(request.into_body()), BODY_BYTES_MAX).await;
        let answer = match body {
            // The node asks whether anything answers here.
            _ if !is_packet => None,
            Ok(body) => self.wait_for_answer(&body).await,
            // The node gives up before its request is whole.
            Err(_) => None,
        };
        let mut response = Response::new(Body::empty());
        match answer {
            Some(body) => *response.body_mut() = Body::from(body),
            None => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        }
        response
    }

    async fn wait_for_answer(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().insert(id, answer);
        self.to_incoming.send(frame(id, &FrameBody::Message, Some(packet))).ok()?;
        answered.await.ok()
    }
}

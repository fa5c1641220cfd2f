//! Settlement engines (RFC 38) with one ledger: each end of a settled link has one. They fail, hang, lose answers, and
//! report what was paid again.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use ilp_connector::internals::machine::simulated::Machine;
use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::disk_view::SavedAccount;
use super::http::{post, serve};
use super::machine::Process;
use super::node::{SETTLEMENT_PORT, WorldNode, ip_of, name_of};
use crate::story::Story;

/// The port of each engine.
pub const ENGINE_PORT: u16 = 6100;
/// Between two looks for payments that the node has to hear of.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an engine waits for its node.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What an engine does with requests of its node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineMode {
    #[default]
    Works,
    /// It answers 500, and has done nothing.
    Fails,
    /// It pays, and answers 500.
    FailsAfterwards,
    /// It gives no answer.
    Hangs,
}

/// A payment on the ledger.
#[derive(Clone, Debug)]
struct Payment {
    key: String,
    from: usize,
    to: usize,
    amount: i128,
    /// The node of the receiver has confirmed it.
    is_credited: bool,
}

/// The ledger that all engines use.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Vec<Payment>>);

impl Ledger {
    /// What one node has paid another one, and how much of it the other one has confirmed.
    pub fn sums(&self, from: usize, to: usize) -> (i128, i128) {
        let payments = self.0.lock();
        let own = payments.iter().filter(|one| (one.from, one.to) == (from, to));
        own.fold((0, 0), |(paid, credited), one| {
            (paid + one.amount, credited + if one.is_credited { one.amount } else { 0 })
        })
    }

    /// Pays once for each key. Returns whether it was new.
    fn pay(&self, payment: Payment) -> bool {
        let mut payments = self.0.lock();
        let is_new = payments.iter().all(|one| one.key != payment.key);
        if is_new {
            payments.push(payment);
        }
        is_new
    }

    /// A payment that the receiver has not confirmed, or now and then one that it has.
    fn next_for(&self, from: usize, to: usize, rng: &mut StdRng) -> Option<Payment> {
        let payments = self.0.lock();
        let mut own = payments.iter().filter(|one| (one.from, one.to) == (from, to));
        let again = rng.random_range(0..50) == 0;
        own.find(|one| !one.is_credited || again).cloned()
    }

    fn confirm(&self, key: &str) {
        for payment in self.0.lock().iter_mut().filter(|one| one.key == key) {
            payment.is_credited = true;
        }
    }
}

/// The engine of a node for one peer.
pub struct Engine {
    pub node: Arc<WorldNode>,
    pub peer: usize,
    /// Of the accounts at both ends.
    pub scale: u8,
    pub process: Arc<Process>,
    pub ledger: Arc<Ledger>,
    pub mode: Mutex<EngineMode>,
    pub story: Story,
}

/// The address of the machine of an engine.
pub fn ip_of_engine(node: usize, peer: usize) -> IpAddr {
    IpAddr::from([10, 1, u8::try_from(node).unwrap(), u8::try_from(peer).unwrap()])
}

impl Engine {
    fn tell(&self, text: impl FnOnce() -> String) {
        self.story.tell(|| format!("engine of {} for {} {}", self.node.number, self.peer, text()));
    }

    /// What the node has on its disk about the peer.
    fn saved(&self) -> SavedAccount {
        self.node.saved_account(&name_of(self.peer)).expect("a node saves before it pays")
    }

    /// Serves the node.
    pub async fn serve(self: Arc<Self>) {
        let address = SocketAddr::new(self.process.host.ip, ENGINE_PORT);
        let (listener, _) = self.process.listen(address).unwrap();
        let answer = move |request| {
            let engine = Arc::clone(&self);
            async move { engine.answer(request).await }
        };
        serve(&*listener, answer).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let mode = *self.mode.lock();
        if mode == EngineMode::Hangs {
            std::future::pending::<()>().await;
        }
        let is_settlement = request.uri().path().ends_with("/settlements");
        let (head, body) = request.into_parts();
        let Ok(body) = to_bytes(Body::new(body), BODY_BYTES_MAX).await else {
            return status(StatusCode::BAD_REQUEST, Body::empty());
        };
        if mode == EngineMode::Fails {
            return status(StatusCode::INTERNAL_SERVER_ERROR, Body::empty());
        }
        if !is_settlement {
            return status(StatusCode::CREATED, Body::empty());
        }
        self.settle(&head.headers, &body);
        match mode {
            EngineMode::FailsAfterwards => status(StatusCode::INTERNAL_SERVER_ERROR, Body::empty()),
            _ => status(StatusCode::CREATED, Body::from(body)),
        }
    }

    fn settle(&self, headers: &HeaderMap, body: &[u8]) {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        let quantity: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(quantity["scale"], json!(self.scale), "the scale of the account");
        let amount: i128 = quantity["amount"].as_str().unwrap().parse().unwrap();
        let (from, to) = (self.node.number, self.peer);
        let payment = Payment { key, from, to, amount, is_credited: false };
        if self.ledger.pay(payment) {
            self.tell(|| format!("pays {amount}"));
        }
        let (paid, saved) = (self.ledger.sums(from, to).0, self.saved().totals.settled_out);
        assert!(saved >= paid, "node {from} has paid {paid}, and {saved} is in its books");
    }

    /// Reports to the node what its peer has paid.
    pub async fn report(self: Arc<Self>) {
        let mut rng = self.process.generator();
        loop {
            sleep(PAUSE).await;
            let Some(payment) = self.ledger.next_for(self.peer, self.node.number, &mut rng) else {
                continue;
            };
            let reported = timeout(ANSWER_TIMEOUT, self.credit(&payment)).await;
            if reported.ok().flatten() != Some(201) {
                continue;
            }
            self.ledger.confirm(&payment.key);
            self.tell(|| format!("has told its node of {}", payment.amount));
            let (from, to) = (self.peer, self.node.number);
            let (credited, saved) = (self.ledger.sums(from, to).1, self.saved().totals.settled_in);
            assert!(saved >= credited, "node {to} confirmed {credited}, and saved {saved}");
        }
    }

    /// Sends a credit to the node. Returns the status of the answer.
    async fn credit(&self, payment: &Payment) -> Option<u16> {
        let node = SocketAddr::new(ip_of(self.node.number), SETTLEMENT_PORT);
        let body = json!({ "amount": payment.amount.to_string(), "scale": self.scale }).to_string();
        let path = format!("/accounts/{}/settlements", name_of(self.peer));
        let headers =
            format!("idempotency-key: {}\r\ncontent-type: application/json\r\n", payment.key);
        let (status, _) = post(&self.process, node, (&path, &headers), body.as_bytes()).await?;
        Some(status)
    }
}

fn status(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

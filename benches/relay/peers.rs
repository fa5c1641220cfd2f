//! The load: a process with some of the bench's peers, each of which sends Prepares, or answers them, or both.
//!
//! A sending peer keeps a fixed number of Prepares in flight: each answer makes a new one. All that
//! one read brought is handled, then all resulting messages are written at once, unless each
//! message must have a system call of its own. The clock is read once per read.
//!
//! The process measures itself what it needs for its figures, and reads the CPU time of the relay
//! or connector at the very packets where its measurement begins and ends.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::figures::Figures;
use crate::frames::{
    Answer, BTP_MESSAGE, BTP_RESPONSE, FulfillTemplate, NO_ROUTE, PrepareTemplate, expect_answer,
    request_id,
};
use crate::measure::{cpu_time, resident_kib};
use crate::socket::{Login, Socket};

/// Prepares expire this long after they were made, to the second.
const EXPIRY_S: i64 = 20;
/// A run whose packets get no answers fails after this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The peers of this process.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// Where the relay or the connector listens.
    #[arg(long)]
    pub(crate) connect: SocketAddr,
    /// Log in by BTP, as a connector demands.
    #[arg(long)]
    pub(crate) login: bool,
    /// Index of the first peer of this process.
    #[arg(long)]
    pub(crate) first: usize,
    /// Peers of this process.
    #[arg(long)]
    pub(crate) count: usize,
    /// Peers of all processes.
    #[arg(long)]
    pub(crate) peers: usize,
    /// The first peer that routes lead to: route `r` leads to peer `answer_from + r % (peers - answer_from)`.
    #[arg(long)]
    pub(crate) answer_from: usize,
    /// Number of routes that destinations are drawn from.
    #[arg(long)]
    pub(crate) routes: u32,
    /// Prepares that each peer of this process keeps in flight; 0 only answers.
    #[arg(long)]
    pub(crate) window: u16,
    /// Send to a destination without a route, and expect a Reject for each Prepare.
    #[arg(long)]
    pub(crate) rejects: bool,
    /// Write each message with a system call of its own.
    #[arg(long)]
    pub(crate) unbatched: bool,
    /// The process whose CPU time and memory are measured.
    #[arg(long, required_if_eq("window", "0"), default_value_t = 0)]
    pub(crate) watch: u32,
    /// Milliseconds before the measurement begins.
    #[arg(long, default_value_t = 500)]
    pub(crate) warm_up_ms: u64,
    /// Milliseconds that are measured.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) measure_ms: u64,
}

/// User and token of the peer with this index, as the connector's configuration has them.
pub(crate) fn login(index: usize) -> Login {
    Login { user: format!("peer{index}"), token: format!("bench-token-of-peer{index}") }
}

/// Plays the peers. Prints `ready` when all are connected; a sending process prints its figures as
/// one line of JSON when it is done, an answering one runs until the other side closes.
///
/// # Errors
///
/// A peer could not connect, a Prepare got another answer than expected or none, or the connection broke.
pub(crate) async fn run(settings: Settings) -> io::Result<()> {
    // Each peer has a socket. If the limit cannot be raised, connecting fails.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let done = Rc::new(Notify::new());
    let load = Rc::new(RefCell::new(Load::new(&settings, Rc::clone(&done))));
    let mut peers = Vec::new();
    for index in settings.first..settings.first + settings.count {
        peers.push(Peer::connect(&settings, index).await?);
    }
    println!("ready");

    let mut tasks = JoinSet::new();
    let local = tokio::task::LocalSet::new();
    for mut peer in peers {
        let load = Rc::clone(&load);
        tasks.spawn_local_on(
            async move {
                peer.open(&mut load.borrow_mut());
                std::future::poll_fn(|cx| peer.turn(&mut load.borrow_mut(), cx)).await
            },
            &local,
        );
    }
    let ended = async {
        match tasks.join_next().await {
            Some(Ok(Err(error))) => Err(error),
            Some(Ok(Ok(()))) | None => Ok(()),
            Some(Err(panic)) => Err(io::Error::other(panic)),
        }
    };
    if settings.window == 0 {
        return match local.run_until(ended).await {
            Err(error) if is_end(&error) => Ok(()),
            result => result,
        };
    }
    let limit = Duration::from_millis(settings.warm_up_ms + settings.measure_ms) + ANSWER_TIMEOUT;
    let finished = async {
        tokio::select! {
            () = done.notified() => Ok(()),
            result = ended => result,
            () = tokio::time::sleep(limit) => Err(load.borrow().stuck()),
        }
    };
    local.run_until(finished).await?;
    let figures = load.borrow().figures()?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

/// What the peers of the process share: the course of the measurement.
struct Load {
    watch: u32,
    begins: Instant,
    ends: Instant,
    done: Rc<Notify>,
    stage: Stage,
    /// Packets sent and not yet answered.
    in_flight: u64,
    /// Packets answered while measuring.
    packets: u64,
    latency_ns: Histogram<u64>,
    began: Option<(Instant, Duration)>,
    ended: Option<(Instant, Duration, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The process sends nothing, so there is nothing to measure.
    OnlyAnswering,
    WarmUp,
    Measuring,
    Draining,
}

impl Load {
    fn new(settings: &Settings, done: Rc<Notify>) -> Self {
        let now = Instant::now();
        let begins = now + Duration::from_millis(settings.warm_up_ms);
        Self {
            watch: settings.watch,
            begins,
            ends: begins + Duration::from_millis(settings.measure_ms),
            done,
            stage: if settings.window == 0 { Stage::OnlyAnswering } else { Stage::WarmUp },
            in_flight: 0,
            packets: 0,
            latency_ns: Histogram::new_with_bounds(1, 60_000_000_000, 3)
                .expect("the bounds are constants that fit"),
            began: None,
            ended: None,
        }
    }

    /// Moves on to the next stage when it is time.
    fn advance(&mut self, now: Instant) -> io::Result<()> {
        match self.stage {
            Stage::WarmUp if now >= self.begins => {
                self.stage = Stage::Measuring;
                self.began = Some((now, cpu_time(self.watch)?));
            }
            Stage::Measuring if now >= self.ends => {
                self.stage = Stage::Draining;
                self.ended = Some((now, cpu_time(self.watch)?, resident_kib(self.watch)?));
            }
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, latency: Duration) {
        self.in_flight -= 1;
        if self.stage == Stage::Measuring {
            self.packets += 1;
            self.latency_ns.saturating_record(latency.as_nanos() as u64);
        }
        if self.stage == Stage::Draining && self.in_flight == 0 {
            self.done.notify_one();
        }
    }

    fn stuck(&self) -> io::Error {
        io::Error::other(format!(
            "{} Prepares are unanswered after {ANSWER_TIMEOUT:?} more than the run should take",
            self.in_flight
        ))
    }

    fn figures(&self) -> io::Result<Figures> {
        let (Some(began), Some(ended)) = (self.began, self.ended) else {
            return Err(io::Error::other("the run ended before its measurement"));
        };
        let micros = |quantile| self.latency_ns.value_at_quantile(quantile) as f64 / 1e3;
        Ok(Figures {
            packets: self.packets,
            seconds: (ended.0 - began.0).as_secs_f64(),
            cpu_seconds: (ended.1 - began.1).as_secs_f64(),
            p50_us: micros(0.50),
            p99_us: micros(0.99),
            resident_kib: ended.2,
            log_records_dropped: None,
        })
    }
}

/// One peer: a connection, and what it needs to send and to answer.
struct Peer {
    socket: Socket,
    index: usize,
    prepare: PrepareTemplate,
    fulfill: FulfillTemplate,
    /// When the Prepare in each slot was sent. The length is the window.
    sent_at: Vec<Instant>,
    /// Low bits of a packet's number are its slot.
    slot_bits: u32,
    number: u64,
    fresh_until: Instant,
    random: SmallRng,
    expected: Answer,
    routes: u32,
    answer_from: usize,
    answering: usize,
}

impl Peer {
    async fn connect(settings: &Settings, index: usize) -> io::Result<Self> {
        // Ten thousand idle peers need no large buffers.
        let buffer_bytes = if settings.count > 1_000 { 4 << 10 } else { 64 << 10 };
        let login = settings.login.then(|| login(index));
        let socket = Socket::connect(
            settings.connect,
            &format!("/relay/{index}"),
            login.as_ref(),
            buffer_bytes,
            settings.unbatched,
        )
        .await?;
        let now = Instant::now();
        Ok(Self {
            prepare: PrepareTemplate::new(socket.mask()),
            fulfill: FulfillTemplate::new(socket.mask()),
            socket,
            index,
            sent_at: vec![now; usize::from(settings.window)],
            slot_bits: u32::from(settings.window).next_power_of_two().trailing_zeros(),
            number: 0,
            fresh_until: now,
            random: SmallRng::seed_from_u64(index as u64),
            expected: if settings.rejects { Answer::Reject } else { Answer::Fulfill },
            routes: settings.routes,
            answer_from: settings.answer_from,
            answering: settings.peers - settings.answer_from,
        })
    }

    /// Fills the window.
    fn open(&mut self, load: &mut Load) {
        let now = Instant::now();
        load.in_flight += self.sent_at.len() as u64;
        self.freshen(now);
        for slot in 0..self.sent_at.len() {
            self.append_prepare(slot, now);
        }
    }

    /// Reads, handles and writes until there is nothing more to do now.
    fn turn(&mut self, load: &mut Load, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Poll::Ready(filled) = self.socket.poll_fill(cx) {
            filled?;
            let now = Instant::now();
            load.advance(now)?;
            self.freshen(now);
            while let Some(message) = self.socket.next_message()? {
                self.handle(message, load, now)?;
            }
        }
        match self.socket.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    fn handle(
        &mut self,
        message: std::ops::Range<usize>,
        load: &mut Load,
        now: Instant,
    ) -> io::Result<()> {
        let (input, output) = self.socket.split();
        let message = &input[message];
        let (kind, id) = match message {
            [kind, a, b, c, d, ..] => (*kind, [*a, *b, *c, *d]),
            _ => return Err(io::Error::other("a message without a BTP header came")),
        };
        match kind {
            BTP_MESSAGE => self.fulfill.append(output, id, message),
            BTP_RESPONSE => {
                expect_answer(message, self.expected)?;
                let slot =
                    usize::from(u16::from_be_bytes([id[2], id[3]])) & ((1 << self.slot_bits) - 1);
                let sent_at = self.sent_at.get(slot).copied().ok_or_else(|| {
                    io::Error::other(format!("an answer to a request that was not sent: {id:?}"))
                })?;
                load.answered(now - sent_at);
                if load.stage != Stage::Draining {
                    load.in_flight += 1;
                    self.append_prepare(slot, now);
                }
            }
            other => return Err(io::Error::other(format!("BTP type {other} came"))),
        }
        Ok(())
    }

    fn append_prepare(&mut self, slot: usize, now: Instant) {
        let (route, target) = loop {
            if self.expected == Answer::Reject {
                break (NO_ROUTE, self.answer_from);
            }
            let route = self.random.next_u32() % self.routes;
            let target = self.answer_from + route as usize % self.answering;
            if target != self.index {
                break (route, target);
            }
        };
        self.sent_at[slot] = now;
        self.number += 1;
        let number = (self.number << self.slot_bits) as u16 | slot as u16;
        let id = request_id(target as u8, self.index as u8, number);
        self.prepare.append(&mut self.socket.output, id, route, self.number);
    }

    /// Moves the expiry of the Prepares to come, once a second.
    fn freshen(&mut self, now: Instant) {
        if now >= self.fresh_until {
            self.prepare.expire_in(EXPIRY_S);
            self.fresh_until = now + Duration::from_secs(1);
        }
    }
}

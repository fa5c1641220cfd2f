//! The network: bytes take time, stay in order within a connection, and can be lost with it.
//!
//! All connections are in one table under one lock, which only one thread takes. Each end of a connection has a queue of
//! chunks that are on their way to it, and a buffer of bytes that have arrived.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use ilp_connector::internals::machine::simulated::{MachineFuture, MachineListener, MachineStream};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use super::connection::{SimulatedConnection, SimulatedListener};
use crate::story::Story;

/// Bytes on their way to one end, and arrived there, before the writer must wait.
pub(super) const WINDOW_BYTES: usize = 64 * 1024;
/// Connections that wait for a listener, as many as the program's listeners have.
const BACKLOG_MAX: usize = 4096;
/// A connection for which a listener has no place tries again after this time.
const CONNECT_AGAIN: Duration = Duration::from_secs(1);
/// The first port that the network chooses.
const FIRST_FREE_PORT: u16 = 40_000;

/// The number of a process; each start of a node is one.
pub type ProcessId = u64;

/// Where something happens: the machine, and the process there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub ip: IpAddr,
    pub process: ProcessId,
}

/// The way between two machines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// The shortest and the longest time of a chunk.
    pub(super) latency: (Duration, Duration),
    /// Nothing arrives; all of it does once the path is whole again.
    pub(super) is_cut: bool,
}

impl Default for Path {
    fn default() -> Self {
        Self { latency: (Duration::from_millis(1), Duration::from_millis(5)), is_cut: false }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct End {
    pub(super) place: Place,
    pub(super) coming: VecDeque<(Instant, Vec<u8>)>,
    pub(super) coming_bytes: usize,
    pub(super) arrived: VecDeque<u8>,
    pub(super) last_arrival: Instant,
    /// When the other side's close arrives.
    pub(super) closed_at: Option<Instant>,
    /// When the connection breaks at this end.
    pub(super) broken_at: Option<Instant>,
    /// This end has closed its own side.
    pub(super) has_closed: bool,
    /// Bytes on their way here were lost, so nothing may follow them.
    pub(super) is_cut_off: bool,
    /// Nothing reads here any more.
    pub(super) is_gone: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) ends: [End; 2],
    /// Bytes vanish, and neither end knows.
    pub(super) is_silent: bool,
}

#[derive(Debug)]
pub(super) struct ListenerState {
    pub(super) place: Place,
    pub(super) waiting: VecDeque<(SimulatedConnection, SocketAddr)>,
    pub(super) waker: Option<Waker>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) rng: StdRng,
    pub(super) next_link: u64,
    pub(super) next_port: u16,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) listeners: BTreeMap<SocketAddr, ListenerState>,
    pub(super) paths: BTreeMap<(IpAddr, IpAddr), Path>,
    /// Machines that are off.
    pub(super) off: Vec<IpAddr>,
    /// For tasks that wait for a path, or for a machine.
    pub(super) waiting: Vec<Waker>,
    pub(super) bytes: u64,
}

/// The network of a world. Clones are the same.
#[derive(Clone, Debug)]
pub struct Network(pub(super) Arc<Mutex<State>>, pub(super) Story);

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The system closes its sockets.
    Killed,
    /// The machine loses its power: the others are not told.
    PowerLoss,
}

pub(super) fn pair(a: IpAddr, b: IpAddr) -> (IpAddr, IpAddr) {
    if a < b { (a, b) } else { (b, a) }
}

pub(super) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl End {
    fn new(place: Place, now: Instant) -> Self {
        Self {
            place,
            coming: VecDeque::new(),
            coming_bytes: 0,
            arrived: VecDeque::new(),
            last_arrival: now,
            closed_at: None,
            broken_at: None,
            has_closed: false,
            is_cut_off: false,
            is_gone: false,
            reader: None,
            writer: None,
        }
    }

    fn wake(&mut self) {
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    pub(super) fn break_at(&mut self, at: Instant) {
        self.broken_at = Some(self.broken_at.map_or(at, |before| before.min(at)));
        self.wake();
    }

    /// Only the beginning of what is on its way arrives.
    fn lose_tail(&mut self, rng: &mut StdRng) {
        self.is_cut_off = true;
        let mut kept = rng.random_range(0..=self.coming_bytes);
        self.coming_bytes = kept;
        for (_, bytes) in &mut self.coming {
            bytes.truncate(kept);
            kept -= bytes.len();
        }
        self.coming.retain(|(_, bytes)| !bytes.is_empty());
    }
}

impl State {
    fn path(&self, a: IpAddr, b: IpAddr) -> Path {
        self.paths.get(&pair(a, b)).copied().unwrap_or_default()
    }

    pub(super) fn latency(&mut self, a: IpAddr, b: IpAddr) -> Duration {
        let (min, max) = self.path(a, b).latency;
        let micros = self.rng.random_range(min.as_micros()..=max.as_micros());
        Duration::from_micros(u64::try_from(micros).unwrap())
    }

    fn wake_waiting(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn wake_links(&mut self) {
        for link in self.links.values_mut() {
            link.ends.iter_mut().for_each(End::wake);
        }
    }

    fn is_reachable(&self, from: IpAddr, to: IpAddr) -> bool {
        !self.path(from, to).is_cut && !self.off.contains(&to)
    }
}

impl Network {
    /// With a story, each step of the network is in it.
    pub fn new(seed: u64, story: Story) -> Self {
        Self(
            Arc::new(Mutex::new(State {
                rng: StdRng::seed_from_u64(seed),
                next_link: 0,
                next_port: FIRST_FREE_PORT,
                links: BTreeMap::new(),
                listeners: BTreeMap::new(),
                paths: BTreeMap::new(),
                off: Vec::new(),
                waiting: Vec::new(),
                bytes: 0,
            })),
            story,
        )
    }

    /// Bytes that were written so far.
    pub fn bytes(&self) -> u64 {
        self.0.lock().bytes
    }

    /// Listens at an address. Port 0 chooses one.
    pub fn listen(
        &self,
        place: Place,
        port: u16,
    ) -> io::Result<(Box<dyn MachineListener>, SocketAddr)> {
        let mut state = self.0.lock();
        let port = match port {
            0 => {
                state.next_port += 1;
                state.next_port
            }
            port => port,
        };
        let address = SocketAddr::new(place.ip, port);
        if state.listeners.contains_key(&address) {
            return Err(ErrorKind::AddrInUse.into());
        }
        let listener = ListenerState { place, waiting: VecDeque::new(), waker: None };
        state.listeners.insert(address, listener);
        let network = self.clone();
        Ok((Box::new(SimulatedListener::new(network, address, place.process)), address))
    }

    /// Connects a process to an address: three ways of the network, and waiting while it is cut.
    pub fn connect(
        &self,
        from: Place,
        to: SocketAddr,
    ) -> MachineFuture<io::Result<Box<dyn MachineStream>>> {
        let network = self.clone();
        Box::pin(async move {
            network.travel(from.ip, to.ip()).await;
            while network.is_full(to) {
                sleep(CONNECT_AGAIN).await;
                network.travel(from.ip, to.ip()).await;
            }
            let near = {
                let mut state = network.0.lock();
                let Some(listener) = state.listeners.get(&to) else {
                    return Err(ErrorKind::ConnectionRefused.into());
                };
                let (id, now) = (state.next_link, Instant::now());
                network.1.tell(|| format!("connection {id}: {} to {to}", from.ip));
                let far_place = listener.place;
                state.next_link += 1;
                state.next_port = state.next_port.wrapping_add(1).max(FIRST_FREE_PORT);
                let remote = SocketAddr::new(from.ip, state.next_port);
                let ends = [End::new(from, now), End::new(far_place, now)];
                state.links.insert(id, Link { ends, is_silent: false });
                let far = SimulatedConnection::new(&network, id, 1);
                let listener = state.listeners.get_mut(&to).unwrap();
                listener.waiting.push_back((far, remote));
                wake(&mut listener.waker);
                SimulatedConnection::new(&network, id, 0)
            };
            network.travel(to.ip(), from.ip).await;
            Ok(Box::new(near) as Box<dyn MachineStream>)
        })
    }

    /// Whether too many connections wait for a listener.
    fn is_full(&self, listener: SocketAddr) -> bool {
        let state = self.0.lock();
        state.listeners.get(&listener).is_some_and(|one| one.waiting.len() >= BACKLOG_MAX)
    }

    /// Waits as long as a packet takes.
    async fn travel(&self, from: IpAddr, to: IpAddr) {
        std::future::poll_fn(|cx| {
            let mut state = self.0.lock();
            if state.is_reachable(from, to) {
                return Poll::Ready(());
            }
            state.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
        let latency = self.0.lock().latency(from, to);
        sleep(latency).await;
    }

    /// Cuts the path between two machines, or makes it whole again.
    pub fn set_cut(&self, a: IpAddr, b: IpAddr, is_cut: bool) {
        let mut state = self.0.lock();
        state.paths.entry(pair(a, b)).or_default().is_cut = is_cut;
        state.wake_waiting();
        state.wake_links();
    }

    /// Sets how long chunks take between two machines.
    pub fn set_latency(&self, a: IpAddr, b: IpAddr, latency: (Duration, Duration)) {
        self.0.lock().paths.entry(pair(a, b)).or_default().latency = latency;
    }

    /// Heals all paths.
    pub fn heal(&self) {
        let mut state = self.0.lock();
        state.paths.clear();
        state.wake_waiting();
        state.wake_links();
    }

    /// Breaks the connections between two machines, each at some byte.
    pub fn break_links(&self, a: IpAddr, b: IpAddr) {
        let mut state = self.0.lock();
        let State { rng, links, .. } = &mut *state;
        let now = Instant::now();
        for link in links.values_mut().filter(|link| link.is_between(a, b)) {
            for end in &mut link.ends {
                end.lose_tail(rng);
                end.break_at(end.last_arrival.max(now));
            }
        }
    }

    /// Lets all bytes between two machines vanish, on the connections that are open now.
    pub fn silence_links(&self, a: IpAddr, b: IpAddr) {
        let mut state = self.0.lock();
        for link in state.links.values_mut().filter(|link| link.is_between(a, b)) {
            link.silence();
        }
    }

    /// Whether bytes vanish on some connection, and one of its ends does not know yet.
    pub fn has_silent_links(&self) -> bool {
        self.0.lock().links.values().any(|link| link.is_silent)
    }

    /// Closes the sockets of a process.
    pub fn end_process(&self, place: Place, ending: Ending) {
        let mut state = self.0.lock();
        let State { rng, links, listeners, off, .. } = &mut *state;
        let now = Instant::now();
        let mut lost = Vec::new();
        listeners.retain(|_, listener| {
            let is_other = listener.place != place;
            if !is_other {
                lost.extend(listener.waiting.drain(..));
            }
            is_other
        });
        for link in links.values_mut() {
            let Some(at) = link.ends.iter().position(|end| end.place == place) else { continue };
            let is_silent = link.is_silent;
            let [near, far] = link.ends_from(at);
            if near.is_gone {
                continue;
            }
            near.is_gone = true;
            near.coming.clear();
            near.arrived.clear();
            match ending {
                _ if is_silent => {}
                // What the process has written arrives, and then a reset or a close.
                Ending::Killed => {
                    let arrival = far.last_arrival.max(now);
                    if rng.random() {
                        far.break_at(arrival);
                    } else {
                        far.closed_at.get_or_insert(arrival);
                        far.wake();
                    }
                }
                Ending::PowerLoss => {
                    far.lose_tail(rng);
                    link.is_silent = true;
                }
            }
        }
        if ending == Ending::PowerLoss && !off.contains(&place.ip) {
            off.push(place.ip);
        }
        drop(state);
        // Each takes the lock when it is dropped.
        drop(lost);
    }

    /// A machine has its power again: it answers old connections with a reset.
    pub fn power_on(&self, ip: IpAddr) {
        let mut state = self.0.lock();
        let now = Instant::now();
        state.off.retain(|off| *off != ip);
        for link in state.links.values_mut() {
            let Some(at) = link.ends.iter().position(|end| end.place.ip == ip && end.is_gone)
            else {
                continue;
            };
            let [near, far] = link.ends_from(at);
            link_is_known_again(near, far, now);
            link.is_silent = false;
        }
        state.wake_waiting();
        state.wake_links();
    }
}

/// A machine answers with a reset what the other end has sent to its former life.
fn link_is_known_again(gone: &mut End, far: &mut End, now: Instant) {
    if gone.coming_bytes > 0 {
        gone.coming_bytes = 0;
        far.break_at(now);
    }
}

impl Link {
    fn is_between(&self, a: IpAddr, b: IpAddr) -> bool {
        let [one, other] = &self.ends;
        pair(one.place.ip, other.place.ip) == pair(a, b)
    }

    fn silence(&mut self) {
        self.is_silent = true;
        for end in &mut self.ends {
            end.coming.clear();
            end.coming_bytes = 0;
        }
    }

    /// The end with this number, and the other one.
    pub(super) fn ends_from(&mut self, at: usize) -> [&mut End; 2] {
        let [one, other] = &mut self.ends;
        if at == 0 { [one, other] } else { [other, one] }
    }
}

impl Network {
    /// One end closes its side, or is dropped as a whole.
    pub(super) fn close(&self, id: u64, at: usize, is_dropped: bool) {
        let mut state = self.0.lock();
        let now = Instant::now();
        let Some(link) = state.links.get_mut(&id) else { return };
        let is_silent = link.is_silent;
        let [near, far] = link.ends_from(at);
        let (from, to) = (near.place.ip, far.place.ip);
        let has_unread = !near.arrived.is_empty() || !near.coming.is_empty();
        let was_gone = near.is_gone;
        near.is_gone |= is_dropped;
        let has_closed = std::mem::replace(&mut near.has_closed, true);
        if was_gone || is_silent {
            // The process has ended before, or the other end learns nothing.
        } else if is_dropped && has_unread {
            // As TCP does: what was not read is lost for the writer.
            let at = far.last_arrival.max(now);
            far.break_at(at);
        } else if !has_closed {
            let latency = state.latency(from, to);
            let [_, far] = state.links.get_mut(&id).unwrap().ends_from(at);
            let arrival = far.last_arrival.max(now + latency);
            far.last_arrival = arrival;
            far.closed_at.get_or_insert(arrival);
            far.wake();
        }
        let link = state.links.get(&id).unwrap();
        if link.ends.iter().all(|end| end.is_gone) {
            state.links.remove(&id);
        }
    }
}

//! The sockets of processes: they read and write the ends of connections in the table of the network.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use ilp_connector::internals::machine::simulated::{MachineListener, MachineStream};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::network::{ListenerState, Network, ProcessId, State, WINDOW_BYTES, pair, wake};

/// A listening socket, as its process has it.
#[derive(Debug)]
pub struct SimulatedListener {
    network: Network,
    address: SocketAddr,
    process: ProcessId,
}

impl SimulatedListener {
    pub(super) fn new(network: Network, address: SocketAddr, process: ProcessId) -> Self {
        Self { network, address, process }
    }
}

impl MachineListener for SimulatedListener {
    fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Box<dyn MachineStream>, SocketAddr)>> {
        let mut state = self.network.0.lock();
        let listener = match state.listeners.get_mut(&self.address) {
            Some(listener) if listener.place.process == self.process => listener,
            _ => return Poll::Pending,
        };
        match listener.waiting.pop_front() {
            Some((connection, remote)) => Poll::Ready(Ok((Box::new(connection), remote))),
            None => {
                listener.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for SimulatedListener {
    fn drop(&mut self) {
        let mut state = self.network.0.lock();
        let is_own = |found: &ListenerState| found.place.process == self.process;
        let listener = match state.listeners.get(&self.address) {
            Some(listener) if is_own(listener) => state.listeners.remove(&self.address),
            _ => None,
        };
        drop(state);
        drop(listener);
    }
}

/// What a reader finds.
enum Arrival<T> {
    Bytes(T),
    /// The other side is closed.
    Closed,
    Broken,
    /// Nothing before this moment, if something comes by itself. The reader is woken by anything else.
    NothingUntil(Option<Instant>),
}

/// One end of a connection, as its process has it.
#[derive(Debug)]
pub struct SimulatedConnection {
    network: Network,
    id: u64,
    at: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl SimulatedConnection {
    pub(super) fn new(network: &Network, id: u64, at: usize) -> Self {
        Self { network: network.clone(), id, at, timer: None }
    }

    /// Waits until something arrives. `take`: handles the bytes that have.
    fn poll_arrived<T>(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut VecDeque<u8>, &mut StdRng) -> T,
    ) -> Arrival<T> {
        let mut state = self.network.0.lock();
        let now = Instant::now();
        let State { links, rng, paths, .. } = &mut *state;
        let Some(link) = links.get_mut(&self.id) else {
            return Arrival::Broken;
        };
        let is_silent = link.is_silent;
        let [near, far] = link.ends_from(self.at);
        let path = paths.get(&pair(near.place.ip, far.place.ip)).copied().unwrap_or_default();
        if near.is_gone {
            return Arrival::NothingUntil(None);
        }
        // Nothing comes through a cut path or a silent connection: no bytes, no close and no reset.
        let is_open = !path.is_cut && !is_silent;
        if is_open {
            while near.coming.front().is_some_and(|(at, _)| *at <= now) {
                let (_, bytes) = near.coming.pop_front().unwrap();
                near.coming_bytes -= bytes.len();
                near.arrived.extend(bytes);
            }
        }
        if !near.arrived.is_empty() {
            wake(&mut far.writer);
            return Arrival::Bytes(take(&mut near.arrived, rng));
        }
        if is_open && near.broken_at.is_some_and(|at| at <= now) {
            return Arrival::Broken;
        }
        if is_open && near.coming.is_empty() && near.closed_at.is_some_and(|at| at <= now) {
            return Arrival::Closed;
        }
        near.reader = Some(cx.waker().clone());
        let chunk = near.coming.front().map(|(at, _)| *at);
        let next = [chunk, near.closed_at, near.broken_at].into_iter().flatten();
        Arrival::NothingUntil(next.filter(|at| is_open && *at > now).min())
    }
}

impl MachineStream for SimulatedConnection {
    fn poll_peek(&self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        let peeked = self.poll_arrived(cx, |arrived, _| {
            let count = arrived.len().min(bytes.len());
            for (to, from) in bytes.iter_mut().zip(arrived.iter()) {
                *to = *from;
            }
            count
        });
        match peeked {
            Arrival::Bytes(count) => Poll::Ready(Ok(count)),
            Arrival::Closed => Poll::Ready(Ok(0)),
            Arrival::Broken => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            Arrival::NothingUntil(None) => Poll::Pending,
            Arrival::NothingUntil(Some(at)) => {
                // A peek has no timer of its own: a task wakes it.
                let waker = cx.waker().clone();
                drop(tokio::spawn(async move {
                    sleep_until(at).await;
                    waker.wake();
                }));
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for SimulatedConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let read = self.poll_arrived(cx, |arrived, rng| {
                let mut count = arrived.len().min(buffer.remaining());
                // Now and then, a read returns only a part.
                if count > 1 && rng.random_range(0..16) == 0 {
                    count = rng.random_range(1..count);
                }
                let (first, second) = arrived.as_slices();
                let of_first = count.min(first.len());
                buffer.put_slice(&first[..of_first]);
                buffer.put_slice(&second[..count - of_first]);
                arrived.drain(..count);
            });
            match read {
                Arrival::Bytes(()) | Arrival::Closed => return Poll::Ready(Ok(())),
                Arrival::Broken => return Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
                Arrival::NothingUntil(None) => return Poll::Pending,
                Arrival::NothingUntil(Some(at)) => {
                    let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
                    if timer.deadline() != at {
                        timer.as_mut().reset(at);
                    }
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl AsyncWrite for SimulatedConnection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.network.0.lock();
        let now = Instant::now();
        let State { links, paths, .. } = &mut *state;
        let Some(link) = links.get_mut(&self.id) else {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        };
        let is_silent = link.is_silent;
        let [near, far] = link.ends_from(self.at);
        if near.is_gone {
            return Poll::Pending;
        }
        let is_cut = paths.get(&pair(near.place.ip, far.place.ip)).is_some_and(|path| path.is_cut);
        if !is_cut && !is_silent && near.broken_at.is_some_and(|at| at <= now) {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let used = far.coming_bytes + far.arrived.len();
        if used >= WINDOW_BYTES {
            near.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut count = bytes.len().min(WINDOW_BYTES - used);
        let (from, to) = (near.place.ip, far.place.ip);
        let is_gone = far.is_gone;
        let latency = state.latency(from, to);
        // Now and then, a write takes only a part.
        if count > 1 && state.rng.random_range(0..16) == 0 {
            count = state.rng.random_range(1..count);
        }
        state.bytes += count as u64;
        let id = self.id;
        self.network.1.tell(|| {
            format!("connection {id}: {from} writes {count} of {} bytes to {to}", bytes.len())
        });
        let [near, far] = state.links.get_mut(&self.id).unwrap().ends_from(self.at);
        if is_silent {
            // Sent again and again by the system, and never acknowledged.
            far.coming_bytes += count;
        } else if far.is_cut_off {
            // The connection is about to break.
        } else if is_gone {
            near.break_at(now + latency);
        } else {
            let at = far.last_arrival.max(now + latency);
            far.last_arrival = at;
            far.coming_bytes += count;
            far.coming.push_back((at, bytes[..count].to_vec()));
            wake(&mut far.reader);
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.network.close(self.id, self.at, false);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimulatedConnection {
    fn drop(&mut self) {
        self.network.close(self.id, self.at, true);
    }
}

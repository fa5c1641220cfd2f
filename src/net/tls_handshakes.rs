//! Runs TLS handshakes on a thread of their own. A handshake costs a signature, which any client can request at no cost
//! to itself; it must not delay packets. Nothing here spawns: `node` runs the [`TlsHandshakeWorker`].
//!
//! The task of the connection waits for the outcome within its own deadline; dropping it ends the handshake. Handshakes
//! of addresses that a peer has logged in from come first.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::address_limiter::AddressLimits;
use super::client_address::ClientAddress;
use super::unauthenticated::UnauthenticatedConnections;

/// How long handshakes of one class run before the other class has its turn.
const SLICE: Duration = Duration::from_millis(2);

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The handshakes that wait for the worker. One per node.
pub struct TlsHandshakes {
    queue: Mutex<Queue>,
    /// The handshakes in progress. Beyond the limit, the oldest of the address that has most is ended.
    in_progress: Arc<UnauthenticatedConnections>,
}

/// Bounded by the limit on handshakes in progress.
#[derive(Default)]
struct Queue {
    known: Vec<Job>,
    unknown: Vec<Job>,
    waker: Option<Waker>,
    has_worker: bool,
}

/// Runs the handshakes of a node.
pub struct TlsHandshakeWorker {
    handshakes: Arc<TlsHandshakes>,
    known: FuturesUnordered<Sliced>,
    unknown: FuturesUnordered<Sliced>,
    slice: Arc<Slice>,
}

/// The end of the current time slice.
struct Slice(Mutex<Instant>);

/// A job that pauses at the end of the slice.
struct Sliced {
    job: Job,
    slice: Arc<Slice>,
}

impl TlsHandshakes {
    /// `limits`: the handshakes that may be in progress.
    pub fn new(limits: AddressLimits) -> Arc<Self> {
        let in_progress = UnauthenticatedConnections::new(limits);
        Arc::new(Self { queue: Mutex::default(), in_progress })
    }

    /// The worker that runs them from now on. Without one, each connection's task runs its own.
    pub fn worker(self: &Arc<Self>) -> TlsHandshakeWorker {
        self.queue.lock().has_worker = true;
        TlsHandshakeWorker {
            handshakes: Arc::clone(self),
            known: FuturesUnordered::new(),
            unknown: FuturesUnordered::new(),
            slice: Arc::new(Slice(Mutex::new(Instant::now()))),
        }
    }

    /// Runs a handshake. Dropping the future ends it.
    ///
    /// # Errors
    /// The error of the handshake, or of its eviction by a later one.
    pub async fn run<T: Send + 'static>(
        &self,
        address: ClientAddress,
        is_known: bool,
        handshake: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let (permit, _) = self.in_progress.admit(address, is_known);
        let (mut sender, outcome) = oneshot::channel();
        let job = Box::pin(async move {
            let outcome = tokio::select! {
                outcome = handshake => outcome,
                // The connection's task has ended.
                () = sender.closed() => return,
            };
            let _ = sender.send(outcome);
        });
        let own_job = self.hand_to_worker(is_known, job);
        let outcome = async {
            if let Some(job) = own_job {
                job.await;
            }
            outcome.await.unwrap_or_else(|_| Err(io::Error::other("the node is stopping")))
        };
        tokio::select! {
            outcome = outcome => outcome,
            () = permit.evicted() => Err(io::Error::other("too many TLS handshakes at a time")),
        }
    }

    /// Hands a job to the worker. `Some`: there is none.
    fn hand_to_worker(&self, is_known: bool, job: Job) -> Option<Job> {
        let mut queue = self.queue.lock();
        if !queue.has_worker {
            return Some(job);
        }
        let jobs = if is_known { &mut queue.known } else { &mut queue.unknown };
        jobs.push(job);
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
        None
    }
}

impl TlsHandshakeWorker {
    /// Runs handshakes; never returns.
    pub async fn run(mut self) -> std::convert::Infallible {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<std::convert::Infallible> {
        self.take_queued(cx.waker());
        let mut is_idle = true;
        for jobs in [&mut self.known, &mut self.unknown] {
            self.slice.restart();
            loop {
                match jobs.poll_next_unpin(cx) {
                    // A handshake has ended.
                    Poll::Ready(Some(())) if self.slice.is_over() => is_idle = false,
                    Poll::Ready(Some(())) => continue,
                    Poll::Ready(None) | Poll::Pending => {}
                }
                break;
            }
        }
        if !is_idle {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn take_queued(&mut self, waker: &Waker) {
        let mut queue = self.handshakes.queue.lock();
        queue.waker = Some(waker.clone());
        let (known, unknown) =
            (std::mem::take(&mut queue.known), std::mem::take(&mut queue.unknown));
        drop(queue);
        let sliced = |job| Sliced { job, slice: Arc::clone(&self.slice) };
        self.known.extend(known.into_iter().map(sliced));
        self.unknown.extend(unknown.into_iter().map(sliced));
    }
}

/// Tasks that wait for a dropped job get an error; later ones run their own.
impl Drop for TlsHandshakeWorker {
    fn drop(&mut self) {
        let mut queue = self.handshakes.queue.lock();
        queue.has_worker = false;
        let dropped = (std::mem::take(&mut queue.known), std::mem::take(&mut queue.unknown));
        drop(queue);
        drop(dropped);
    }
}

impl Slice {
    fn restart(&self) {
        *self.0.lock() = Instant::now() + SLICE;
    }

    fn is_over(&self) -> bool {
        Instant::now() >= *self.0.lock()
    }
}

impl Future for Sliced {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.slice.is_over() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.job.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for TlsHandshakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsHandshakes")
    }
}

impl std::fmt::Debug for TlsHandshakeWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsHandshakeWorker")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn handshakes(total: usize) -> Arc<TlsHandshakes> {
        TlsHandshakes::new(AddressLimits { total, per_address: total, reserved_for_known: 0 })
    }

    fn address(n: u8) -> ClientAddress {
        std::net::IpAddr::from([10, 0, 0, n]).into()
    }

    /// Runs the worker on a thread of its own, as `node` does, and `test` on this one.
    fn with_worker(worker: TlsHandshakeWorker, test: impl Future<Output = ()>) {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    never = worker.run() => match never {},
                    _ = stopped => {}
                }
            });
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(10), test).await.expect("timed out");
        });
        drop(stop);
        thread.join().unwrap();
    }

    #[test]
    fn handshakes_run_on_the_thread_of_the_worker_or_in_place() {
        let handshakes = handshakes(10);
        let here = std::thread::current().id();
        let thread = || async { Ok(std::thread::current().id()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let run = || handshakes.run(address(1), false, thread());
        assert_eq!(runtime.block_on(run()).unwrap(), here, "there is no worker yet");
        with_worker(handshakes.worker(), async {
            assert_ne!(run().await.unwrap(), here);
            assert_ne!(handshakes.run(address(1), true, thread()).await.unwrap(), here);
        });
        assert_eq!(runtime.block_on(run()).unwrap(), here, "there is no worker any more");
    }

    #[test]
    fn dropping_the_future_ends_the_handshake() {
        struct Held(Arc<AtomicUsize>);
        impl Drop for Held {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let handshakes = handshakes(2);
        let held = Arc::new(AtomicUsize::new(0));
        let endless = |held: &Arc<AtomicUsize>| {
            held.fetch_add(1, Ordering::SeqCst);
            let held = Held(Arc::clone(held));
            async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok(())
            }
        };
        with_worker(handshakes.worker(), async {
            let mut one = Box::pin(handshakes.run(address(1), false, endless(&held)));
            let mut two = Box::pin(handshakes.run(address(1), false, endless(&held)));
            let mut three = Box::pin(handshakes.run(address(2), false, endless(&held)));
            let short = Duration::from_millis(1);
            assert!(tokio::time::timeout(short, &mut one).await.is_err());
            assert!(tokio::time::timeout(short, &mut two).await.is_err());
            // The third one evicts the oldest of the address that has most.
            assert!(tokio::time::timeout(short, &mut three).await.is_err());
            let error = one.await.unwrap_err().to_string();
            assert!(error.contains("too many TLS handshakes"), "{error}");
            drop((two, three));
            while held.load(Ordering::SeqCst) > 0 {
                tokio::task::yield_now().await;
            }
        });
    }

    #[test]
    fn known_addresses_come_first_but_do_not_starve_others() {
        /// Uses the CPU at each of several polls, as handshakes do.
        async fn busy(log: Arc<Mutex<Vec<bool>>>, is_known: bool) -> io::Result<()> {
            for _ in 0..3 {
                let began = Instant::now();
                while began.elapsed() < SLICE {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
            }
            log.lock().push(is_known);
            Ok(())
        }
        let handshakes = handshakes(100);
        let log = Arc::new(Mutex::new(Vec::new()));
        // All are queued before the worker starts.
        let worker = handshakes.worker();
        let run = |is_known| {
            let handshake = busy(Arc::clone(&log), is_known);
            Box::pin(handshakes.run(address(1), is_known, handshake))
        };
        let mut all: FuturesUnordered<_> = (0..20).map(|n| run(n >= 18)).collect();
        let waker = futures_util::task::noop_waker();
        assert!(all.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        with_worker(worker, async { while all.next().await.is_some() {} });
        let log = log.lock();
        assert_eq!(log.len(), 20);
        let last_known = log.iter().rposition(|is_known| *is_known).unwrap();
        assert!(last_known < 10, "two of twenty waited for the others: {log:?}");
    }
}

//! TLS handshakes beside the packets: a handshake costs a signature, which a stranger can ask for at no cost of its own, so
//! they are computed on a thread of their own. Nothing here spawns: `node` runs the [`HandshakeWorker`].
//!
//! The connection's own task waits for the outcome and keeps its deadline; dropping it ends the handshake. Those of
//! addresses that a peer has logged in from come first.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::client_origin::ClientOrigin;
use super::places::PlaceLimits;
use super::unauthenticated::Unauthenticated;

/// How long strangers' handshakes are computed before those of known addresses are looked at again.
const SLICE: Duration = Duration::from_millis(2);

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where handshakes wait for the thread that computes them. One per node.
pub struct Handshakes {
    queue: Mutex<Queue>,
    /// Those under way. One too many costs the oldest of the address that has most.
    under_way: Arc<Unauthenticated>,
}

/// Not bounded by itself: each job has a place among those under way.
#[derive(Default)]
struct Queue {
    known: Vec<Job>,
    strangers: Vec<Job>,
    waker: Option<Waker>,
    /// There is a worker.
    is_served: bool,
}

/// Computes the handshakes of a node.
pub struct HandshakeWorker {
    handshakes: Arc<Handshakes>,
    known: FuturesUnordered<Sliced>,
    strangers: FuturesUnordered<Sliced>,
    slice: Arc<Slice>,
}

/// When the time is up that handshakes are computed without a look at others.
struct Slice(Mutex<Instant>);

/// A job that is put off when the slice is over.
struct Sliced {
    job: Job,
    slice: Arc<Slice>,
}

impl Handshakes {
    /// As many may be under way as there are places.
    pub fn new(limits: PlaceLimits) -> Arc<Self> {
        let under_way = Unauthenticated::new(limits);
        Arc::new(Self { queue: Mutex::default(), under_way })
    }

    /// What computes them from now on. Without a worker, each is computed by the task that wants it.
    pub fn worker(self: &Arc<Self>) -> HandshakeWorker {
        self.queue.lock().is_served = true;
        HandshakeWorker {
            handshakes: Arc::clone(self),
            known: FuturesUnordered::new(),
            strangers: FuturesUnordered::new(),
            slice: Arc::new(Slice(Mutex::new(Instant::now()))),
        }
    }

    /// Runs a handshake to its end. Dropping the future ends it.
    ///
    /// # Errors
    /// The handshake's own, or that it had to make room for a later one.
    pub async fn run<T: Send + 'static>(
        &self,
        origin: ClientOrigin,
        is_known: bool,
        handshake: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let (place, _) = self.under_way.enter(origin, is_known);
        let (mut sender, outcome) = oneshot::channel();
        let job = Box::pin(async move {
            let outcome = tokio::select! {
                outcome = handshake => outcome,
                // Nobody waits for it any more.
                () = sender.closed() => return,
            };
            let _ = sender.send(outcome);
        });
        let here = self.give(is_known, job);
        let outcome = async {
            if let Some(job) = here {
                job.await;
            }
            outcome.await.unwrap_or_else(|_| Err(io::Error::other("the node is stopping")))
        };
        tokio::select! {
            outcome = outcome => outcome,
            () = place.lost() => Err(io::Error::other("too many TLS handshakes at a time")),
        }
    }

    /// Gives a job to the worker, or back if there is none.
    fn give(&self, is_known: bool, job: Job) -> Option<Job> {
        let mut queue = self.queue.lock();
        if !queue.is_served {
            return Some(job);
        }
        let jobs = if is_known { &mut queue.known } else { &mut queue.strangers };
        jobs.push(job);
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
        None
    }
}

impl HandshakeWorker {
    /// Computes handshakes for ever.
    pub async fn run(mut self) -> std::convert::Infallible {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<std::convert::Infallible> {
        self.take_new(cx.waker());
        let mut is_idle = true;
        for jobs in [&mut self.known, &mut self.strangers] {
            self.slice.begin();
            loop {
                match jobs.poll_next_unpin(cx) {
                    // One that has ended.
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

    fn take_new(&mut self, waker: &Waker) {
        let mut queue = self.handshakes.queue.lock();
        queue.waker = Some(waker.clone());
        let (known, strangers) =
            (std::mem::take(&mut queue.known), std::mem::take(&mut queue.strangers));
        drop(queue);
        let sliced = |job| Sliced { job, slice: Arc::clone(&self.slice) };
        self.known.extend(known.into_iter().map(sliced));
        self.strangers.extend(strangers.into_iter().map(sliced));
    }
}

/// Whoever waits for a job hears that it was dropped; who comes later computes for itself.
impl Drop for HandshakeWorker {
    fn drop(&mut self) {
        let mut queue = self.handshakes.queue.lock();
        queue.is_served = false;
        let dropped = (std::mem::take(&mut queue.known), std::mem::take(&mut queue.strangers));
        drop(queue);
        drop(dropped);
    }
}

impl Slice {
    fn begin(&self) {
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

impl std::fmt::Debug for Handshakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handshakes")
    }
}

impl std::fmt::Debug for HandshakeWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HandshakeWorker")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn handshakes(total: usize) -> Arc<Handshakes> {
        Handshakes::new(PlaceLimits { total, per_origin: total, kept_for_known: 0 })
    }

    fn origin(n: u8) -> ClientOrigin {
        std::net::IpAddr::from([10, 0, 0, n]).into()
    }

    /// A runtime on a thread of its own, as `node` has it; what `test` makes runs on another.
    fn beside(worker: HandshakeWorker, test: impl Future<Output = ()>) {
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
            tokio::time::timeout(Duration::from_secs(10), test).await.expect("it hangs");
        });
        drop(stop);
        thread.join().unwrap();
    }

    #[test]
    fn they_are_computed_on_the_workers_thread_or_in_place() {
        let handshakes = handshakes(10);
        let here = std::thread::current().id();
        let thread = || async { Ok(std::thread::current().id()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let run = || handshakes.run(origin(1), false, thread());
        assert_eq!(runtime.block_on(run()).unwrap(), here, "there is no worker yet");
        beside(handshakes.worker(), async {
            assert_ne!(run().await.unwrap(), here);
            assert_ne!(handshakes.run(origin(1), true, thread()).await.unwrap(), here);
        });
        assert_eq!(runtime.block_on(run()).unwrap(), here, "there is no worker any more");
    }

    #[test]
    fn who_stops_waiting_ends_the_handshake() {
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
        beside(handshakes.worker(), async {
            let mut one = Box::pin(handshakes.run(origin(1), false, endless(&held)));
            let mut two = Box::pin(handshakes.run(origin(1), false, endless(&held)));
            let mut three = Box::pin(handshakes.run(origin(2), false, endless(&held)));
            let short = Duration::from_millis(1);
            assert!(tokio::time::timeout(short, &mut one).await.is_err());
            assert!(tokio::time::timeout(short, &mut two).await.is_err());
            // A third one pushes out the oldest of the address that has most.
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
    fn known_addresses_come_first_and_strangers_come_too() {
        /// Computes for a while at each of several polls, as handshakes do.
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
        // All wait before the worker begins.
        let worker = handshakes.worker();
        let run = |is_known| {
            let handshake = busy(Arc::clone(&log), is_known);
            Box::pin(handshakes.run(origin(1), is_known, handshake))
        };
        let mut all: FuturesUnordered<_> = (0..20).map(|n| run(n >= 18)).collect();
        let waker = futures_util::task::noop_waker();
        assert!(all.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        beside(worker, async { while all.next().await.is_some() {} });
        let log = log.lock();
        assert_eq!(log.len(), 20);
        let last_known = log.iter().rposition(|is_known| *is_known).unwrap();
        assert!(last_known < 10, "two of twenty had to wait for strangers: {log:?}");
    }
}

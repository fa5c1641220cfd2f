//! Simulated machines, and the sockets of tasks that may run on one.

use std::cell::RefCell;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

/// A connection of a simulated network.
pub trait MachineStream: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {
    /// Waits for bytes, and copies them without taking them. 0: the peer has closed its side.
    fn poll_peek(&self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>>;
}

/// A listening socket of a simulated network.
pub trait MachineListener: Debug + Send + Sync {
    /// The next connection, and where it comes from.
    fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Box<dyn MachineStream>, SocketAddr)>>;
}

/// A future of a simulated machine.
pub type MachineFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a simulated store does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskAnswer {
    /// It does as requested.
    Works,
    /// It fails, and nothing has changed.
    Fails,
    /// It says that it failed, although the change is durable.
    FailsAfterwards,
}

/// A machine of a simulated world.
pub trait Machine: Debug + Send + Sync {
    /// The time of day.
    fn time_of_day(&self) -> SystemTime;
    /// Nanoseconds since the machine started, suspensions included.
    fn since_boot(&self) -> u64;
    /// A generator with a new seed of the machine's.
    fn generator(&self) -> StdRng;
    /// # Errors
    /// The world has no such name.
    fn resolve(&self, host: &str) -> io::Result<IpAddr>;
    /// A connection to another machine.
    fn connect(&self, to: SocketAddr) -> MachineFuture<io::Result<Box<dyn MachineStream>>>;
    /// A listener, and its address.
    ///
    /// # Errors
    /// The port is in use.
    fn listen(&self, at: SocketAddr) -> io::Result<(Box<dyn MachineListener>, SocketAddr)>;
    /// Before the store does something.
    fn begin_disk_work(&self) -> MachineFuture<DiskAnswer>;
    /// After the store has done it, and before the node knows.
    fn end_disk_work(&self) -> MachineFuture<()>;
    /// Whether the tasks of this machine run now. While it is suspended or off, the waker is kept until they run again.
    fn poll_running(&self, cx: &mut Context<'_>) -> Poll<()>;
    /// A task of the machine, which ends with it.
    fn keep_task(&self, task: AbortHandle);
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<dyn Machine>>> = const { RefCell::new(None) };
}

/// The machine of the task that runs now.
pub fn current() -> Option<Arc<dyn Machine>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Whether the task that runs now is on a simulated machine.
pub fn is_simulated() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// The future of a task that runs where its creator does.
pub fn here<F: Future>(future: F) -> OnMachine<F> {
    OnMachine { machine: current(), future: Some(Box::pin(future)) }
}

/// A future that runs on a machine.
pub fn on_machine<F: Future>(machine: Arc<dyn Machine>, future: F) -> OnMachine<F> {
    OnMachine { machine: Some(machine), future: Some(Box::pin(future)) }
}

/// Runs something, such as a look at a node, with the clocks of a machine.
pub fn run_on<T>(machine: Option<Arc<dyn Machine>>, work: impl FnOnce() -> T) -> T {
    let _before = Before(CURRENT.replace(machine));
    work()
}

/// The machine to go back to, also after a panic.
struct Before(Option<Arc<dyn Machine>>);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Does something with files while the disk is at work, so that a crash finds it half done.
pub async fn with_disk<F: Future>(work: F) -> F::Output {
    let Some(machine) = current() else { return work.await };
    // Requests to an open store fail; this one does not.
    let _ = machine.begin_disk_work().await;
    let done = work.await;
    machine.end_disk_work().await;
    done
}

/// Lets the machine end a task.
pub fn keep_task(task: AbortHandle) {
    if let Some(machine) = current() {
        machine.keep_task(task);
    }
}

/// A future that runs on a machine, while that one runs.
#[derive(Debug)]
pub struct OnMachine<F> {
    machine: Option<Arc<dyn Machine>>,
    /// `None` only while it is dropped.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for OnMachine<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let Some(machine) = &self.machine {
            ready!(machine.poll_running(cx));
        }
        let machine = self.machine.clone();
        let Some(future) = &mut self.future else { return Poll::Pending };
        run_on(machine, || future.as_mut().poll(cx))
    }
}

/// What a future owns ends on its machine, too.
impl<F> Drop for OnMachine<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        run_on(self.machine.clone(), || drop(future));
    }
}

/// A TCP connection of the system, or of a simulated network.
#[derive(Debug)]
#[expect(missing_docs)]
pub enum TcpStream {
    System(tokio::net::TcpStream),
    Simulated(Box<dyn MachineStream>),
}

impl From<tokio::net::TcpStream> for TcpStream {
    fn from(stream: tokio::net::TcpStream) -> Self {
        Self::System(stream)
    }
}

impl TcpStream {
    /// As of `tokio`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_nodelay(&self, is_on: bool) -> io::Result<()> {
        match self {
            Self::System(stream) => stream.set_nodelay(is_on),
            Self::Simulated(_) => Ok(()),
        }
    }

    /// As of `tokio`.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::System(stream) => stream.peek(bytes).await,
            Self::Simulated(stream) => poll_fn(|cx| stream.poll_peek(cx, bytes)).await,
        }
    }
}

super::forward_stream!(TcpStream: System, Simulated);

/// A listening socket of the system, or of a simulated network.
#[derive(Debug)]
#[expect(missing_docs)]
pub enum TcpListener {
    System(tokio::net::TcpListener),
    Simulated(Box<dyn MachineListener>),
}

impl From<tokio::net::TcpListener> for TcpListener {
    fn from(listener: tokio::net::TcpListener) -> Self {
        Self::System(listener)
    }
}

impl TcpListener {
    /// The next connection, and where it comes from.
    ///
    /// # Errors
    /// As of `tokio`.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Self::System(listener) => {
                let (stream, remote) = listener.accept().await?;
                Ok((stream.into(), remote))
            }
            Self::Simulated(listener) => {
                let accepted = poll_fn(|cx| listener.poll_accept(cx)).await;
                accepted.map(|(stream, remote)| (TcpStream::Simulated(stream), remote))
            }
        }
    }
}

#[cfg(test)]
impl std::os::fd::AsFd for TcpListener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::System(listener) => listener.as_fd(),
            Self::Simulated(_) => unreachable!("no test of a room simulates a network"),
        }
    }
}

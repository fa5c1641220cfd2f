//! A listening socket. Errors of the system are logged, and accepting goes on after a pause.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::clock::Clock;
use super::descriptors::{Descriptor, Descriptors};
use super::throttle::LogThrottle;
use crate::machine::{self, TcpListener, TcpStream};

/// The pause of accepting after a failure for lack of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    throttle: LogThrottle,
}

/// Why a port cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot resolve the host {host} to listen on")]
    Resolve { host: String, source: io::Error },
    #[error("port {port} on {host} is already in use; choose another one ({set_by})")]
    InUse {
        host: String,
        port: u16,
        /// The settings of the port.
        set_by: &'static str,
    },
    #[error("cannot listen on {host} port {port}")]
    Listen { host: String, port: u16, source: io::Error },
}

/// A socket was closed, because no open file is left for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDescriptor {
    /// Its other end.
    pub remote: SocketAddr,
}

impl Listener {
    /// Listens on `host` (a name or an address) and `port`; 0 picks a free one, see [`Self::local_addr`]. `set_by`: key
    /// and variable of the port, for an error message.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(host: &str, port: u16, set_by: &'static str) -> Result<Self, BindError> {
        let resolve = |source| BindError::Resolve { host: host.to_owned(), source };
        let addresses = machine::resolve(host, port).await.map_err(resolve)?;
        let address = *addresses.first().ok_or_else(|| resolve(io::ErrorKind::NotFound.into()))?;
        let (listener, address) =
            machine::listen(address).map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => {
                    BindError::InUse { host: host.to_owned(), port, set_by }
                }
                _ => BindError::Listen { host: host.to_owned(), port, source },
            })?;
        Ok(Self { listener, address, throttle: LogThrottle::default() })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next socket. Never ends: an error of the system is logged and waited out. Dropping the future loses nothing.
    pub async fn accept(&self, clock: &Clock) -> (TcpStream, SocketAddr) {
        loop {
            match self.try_accept().await {
                Ok(accepted) => return accepted,
                Err(error) => self.accept_failed(&error, clock).await,
            }
        }
    }

    /// The next socket, and an open file of those that all accepted connections share. At their limit, `make_room`
    /// closes another connection. Dropping the future loses nothing.
    ///
    /// # Errors
    /// There was no connection to close, so the socket is closed.
    pub async fn accept_within(
        &self,
        descriptors: &Descriptors,
        clock: &Clock,
        make_room: impl Fn() -> bool,
    ) -> Result<(TcpStream, SocketAddr, Descriptor), NoDescriptor> {
        descriptors.until_within_limit().await;
        let (stream, remote) = self.accept(clock).await;
        match descriptors.are_exhausted() && !make_room() {
            true => Err(NoDescriptor { remote }),
            false => Ok((stream, remote, descriptors.take())),
        }
    }

    /// The next socket. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The system refused, usually because the process has no open file left.
    pub async fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, remote) = self.listener.accept().await?;
        // The sessions gather what they write themselves. Failing costs only latency.
        let _ = stream.set_nodelay(true);
        Ok((stream, remote))
    }

    /// Moves the socket to the runtime of the caller.
    ///
    /// # Errors
    /// The runtime cannot watch it.
    pub fn move_to_this_runtime(self) -> io::Result<Self> {
        Ok(Self { listener: machine::move_to_this_runtime(self.listener)?, ..self })
    }

    /// Makes every later attempt to accept fail.
    #[cfg(test)]
    pub fn shut_down(&self) {
        let socket = std::os::fd::AsFd::as_fd(&self.listener).try_clone_to_owned().unwrap();
        std::net::TcpStream::from(socket).shutdown(std::net::Shutdown::Both).unwrap();
    }

    async fn accept_failed(&self, error: &io::Error, clock: &Clock) {
        // These concern one socket that is gone already; all others concern the process or the system.
        if matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused
        ) {
            return;
        }
        if let Some(suppressed) = self.throttle.admit(clock.mono()) {
            tracing::error!(%error, suppressed, "cannot accept connections (raise the limit on open files?)");
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

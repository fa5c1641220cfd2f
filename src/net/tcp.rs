//! From the name of a host to a connected socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::url::Host;

/// Why a host cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectTcpError {
    /// The host's name means nothing (yet).
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// As in the URL.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody listens there, or nothing leads there.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The last address that was tried.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Resolving and connecting took too long.
    #[error("no connection within {0:?}")]
    Timeout(Duration),
}

/// Resolves the host and connects to the first of its addresses that answers, in `time` at most.
///
/// # Errors
/// [`ConnectTcpError`].
pub async fn connect_tcp(
    host: Host<&str>,
    port: u16,
    time: Duration,
) -> Result<(TcpStream, SocketAddr), ConnectTcpError> {
    let reached = timeout(time, first_that_answers(host, port, time)).await;
    let (stream, remote) = reached.map_err(|_| ConnectTcpError::Timeout(time))??;
    // What is written is gathered by us, not by the kernel. Failing costs only latency.
    let _ = stream.set_nodelay(true);
    Ok((stream, remote))
}

/// The addresses share the time, so that one that swallows packets does not use it up for all.
async fn first_that_answers(
    host: Host<&str>,
    port: u16,
    time: Duration,
) -> Result<(TcpStream, SocketAddr), ConnectTcpError> {
    let unresolved = |source| ConnectTcpError::Resolve { host: host.to_string(), source };
    let addresses: Vec<SocketAddr> = match host {
        Host::Ipv4(address) => vec![(address, port).into()],
        Host::Ipv6(address) => vec![(address, port).into()],
        Host::Domain(name) => lookup_host((name, port)).await.map_err(unresolved)?.collect(),
    };
    let share = time / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut failed = unresolved(io::ErrorKind::NotFound.into());
    for address in addresses {
        let source = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(source)) => source,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        failed = ConnectTcpError::Connect { address, source };
    }
    Err(failed)
}

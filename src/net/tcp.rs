//! Connects to a host by its name.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::url::Host;
use crate::machine::{self, TcpStream};

/// Why a host cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectTcpError {
    #[error("cannot resolve {host}: {error}")]
    Resolve { host: String, error: io::Error },
    /// The last address could not be connected to.
    #[error("cannot connect to {address}: {error}")]
    Connect { address: SocketAddr, error: io::Error },
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
    let reached = timeout(time, connect_to_first(host, port, time)).await;
    let (stream, remote) = reached.map_err(|_| ConnectTcpError::Timeout(time))??;
    // We collect what is written, so the kernel need not. A failure costs only latency.
    let _ = stream.set_nodelay(true);
    Ok((stream, remote))
}

/// Connects to one address after the other. They share the time, so that one that does not answer leaves time for
/// others.
async fn connect_to_first(
    host: Host<&str>,
    port: u16,
    time: Duration,
) -> Result<(TcpStream, SocketAddr), ConnectTcpError> {
    let unresolved = |error| ConnectTcpError::Resolve { host: host.to_string(), error };
    let addresses: Vec<SocketAddr> = match host {
        Host::Ipv4(address) => vec![(address, port).into()],
        Host::Ipv6(address) => vec![(address, port).into()],
        Host::Domain(name) => machine::resolve(name, port).await.map_err(unresolved)?,
    };
    let share = time / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut failed = unresolved(io::ErrorKind::NotFound.into());
    for address in addresses {
        let error = match timeout(share, machine::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        failed = ConnectTcpError::Connect { address, error };
    }
    Err(failed)
}

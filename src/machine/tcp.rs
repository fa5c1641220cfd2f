//! TCP sockets and names of hosts.

// Where machines can be simulated, our types are not those of tokio.
#![allow(clippy::useless_conversion)]

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpSocket;

#[cfg(feature = "simulation")]
pub use super::simulated::{TcpListener, TcpStream};
#[cfg(not(feature = "simulation"))]
pub use tokio::net::{TcpListener, TcpStream};

/// Connections that the kernel holds until we accept them.
const BACKLOG: u32 = 4096;

/// The addresses of a host, which is a name or an address.
///
/// # Errors
/// The name cannot be resolved.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    #[cfg(feature = "simulation")]
    if let Some(machine) = super::simulated::current() {
        return Ok(vec![SocketAddr::new(machine.resolve(host)?, port)]);
    }
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// Connects to an address.
///
/// # Errors
/// There is no connection.
pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    #[cfg(feature = "simulation")]
    if let Some(machine) = super::simulated::current() {
        return machine.connect(address).await.map(TcpStream::Simulated);
    }
    let stream = tokio::net::TcpStream::connect(address).await?;
    Ok(stream.into())
}

/// Listens on an address, and returns it with the port that the system chose for 0.
///
/// # Errors
/// The address cannot be listened on.
pub fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    #[cfg(feature = "simulation")]
    if let Some(machine) = super::simulated::current() {
        let (listener, address) = machine.listen(address)?;
        return Ok((TcpListener::Simulated(listener), address));
    }
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted node must not wait for the former one's sockets to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener.into(), address))
}

/// Moves a listening socket to the runtime of the caller.
///
/// # Errors
/// The runtime cannot watch it.
pub fn move_to_this_runtime(listener: TcpListener) -> io::Result<TcpListener> {
    #[cfg(feature = "simulation")]
    let TcpListener::System(listener) = listener else { return Ok(listener) };
    let listener = tokio::net::TcpListener::from_std(listener.into_std()?)?;
    Ok(listener.into())
}

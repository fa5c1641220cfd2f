//! The address that a connection or a request comes from: of the socket, or as a named proxy gives it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::client_address::ClientAddress;

/// An IP address, with the port if it is known: proxies often send the address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RemoteAddress {
    ip: IpAddr,
    port: Option<u16>,
}

impl RemoteAddress {
    /// `port`: `None` if it is not known.
    #[must_use]
    pub fn new(ip: IpAddr, port: Option<u16>) -> Self {
        // A dual-stack socket maps IPv4 clients to IPv6.
        Self { ip: ip.to_canonical(), port }
    }

    /// The address without the port.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.ip
    }
}

impl From<SocketAddr> for RemoteAddress {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.ip(), Some(address.port()))
    }
}

impl From<RemoteAddress> for ClientAddress {
    fn from(address: RemoteAddress) -> Self {
        address.ip.into()
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_shown_if_it_is_known() {
        let shown = |ip: &str, port| RemoteAddress::new(ip.parse().unwrap(), port).to_string();
        assert_eq!(shown("192.0.2.1", Some(5)), "192.0.2.1:5");
        assert_eq!(shown("::ffff:192.0.2.1", None), "192.0.2.1");
        assert_eq!(shown("2001:db8::1", Some(5)), "[2001:db8::1]:5");
        assert_eq!(shown("2001:db8::1", None), "2001:db8::1");
    }
}

//! The reverse proxies that the operator has named, and what each says about its clients. No other address is
//! believed. Pure, but for one log line.

use std::net::IpAddr;

use super::forwarded::{ForwardedNode, nodes_of_forwarded, nodes_of_x_forwarded_for};
use super::ip_network::IpNetwork;
use super::remote_address::RemoteAddress;
use super::throttle::LogThrottle;
use crate::time::MonoTime;

/// Proxies one after the other, at most. Further elements of a header are not read.
const CHAIN_MAX: usize = 16;

/// How a proxy says where its client connected from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxySends {
    /// A header of the PROXY protocol, version 1 or 2, before everything else on the connection.
    ProxyProtocol,
    /// The header `Forwarded` (RFC 7239) in each request.
    Forwarded,
    /// The header `X-Forwarded-For` in each request.
    XForwardedFor,
}

/// A listener that a proxy may stand in front of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxiedListener {
    /// BTP.
    Btp,
    /// ILP over HTTP and SPSP.
    Http,
    /// Health, metrics, and the API with its page.
    Api,
}

/// One or more proxies of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedProxy {
    /// Where they connect from.
    pub network: IpNetwork,
    /// How they name their clients.
    pub sends: ProxySends,
    /// The listener that they connect to. `None`: all; but the PROXY protocol is not sent to the API, where health
    /// checks of the same machine come from the same address.
    pub listener: Option<ProxiedListener>,
}

/// The named proxies of a node. The first that fits a connection counts.
#[derive(Debug, Default)]
pub struct Proxies(Vec<NamedProxy>);

/// The origin of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOrigin {
    /// The connection's own address: it is no named proxy that sends headers.
    Connection,
    /// The address that the proxies name.
    Named(RemoteAddress),
    /// A named proxy sent the request and named no client: its own request, or it does not set the header.
    Unnamed,
}

impl NamedProxy {
    fn is_at(&self, listener: ProxiedListener) -> bool {
        match self.listener {
            Some(only) => only == listener,
            None => self.sends != ProxySends::ProxyProtocol || listener != ProxiedListener::Api,
        }
    }
}

impl Proxies {
    #[must_use]
    pub fn new(proxies: Vec<NamedProxy>) -> Self {
        Self(proxies)
    }

    /// What connections from this address to this listener begin with, or carry. `None`: no proxy is there.
    #[must_use]
    pub fn find(&self, listener: ProxiedListener, address: IpAddr) -> Option<ProxySends> {
        let is_found =
            |proxy: &&NamedProxy| proxy.is_at(listener) && proxy.network.contains(address);
        self.0.iter().find(is_found).map(|proxy| proxy.sends)
    }

    /// Whether a connection must begin with a header of the PROXY protocol.
    #[must_use]
    pub fn needs_header(&self, listener: ProxiedListener, address: IpAddr) -> bool {
        self.find(listener, address) == Some(ProxySends::ProxyProtocol)
    }

    /// Whether a connection carries requests of many clients.
    #[must_use]
    pub fn forwards_requests(&self, listener: ProxiedListener, address: IpAddr) -> bool {
        self.find(listener, address).is_some_and(|sends| sends != ProxySends::ProxyProtocol)
    }

    /// The origin of a request that came on a connection from `connection`. `lines`: the values of a header of this
    /// name (in small letters), in the order of the request.
    ///
    /// RFC 7239 section 4: each proxy appends an element, so the last ones are those of our proxies, and anyone can
    /// have written the others. The last element that does not name one of the proxies is the client.
    pub fn origin_of<'h, L>(
        &self,
        listener: ProxiedListener,
        connection: RemoteAddress,
        lines: impl FnOnce(&'static str) -> L,
    ) -> RequestOrigin
    where
        L: DoubleEndedIterator<Item = &'h [u8]>,
    {
        let sends = self.find(listener, connection.ip());
        let is_proxy = |ip: IpAddr| self.find(listener, ip) == sends;
        match sends {
            None | Some(ProxySends::ProxyProtocol) => RequestOrigin::Connection,
            Some(ProxySends::Forwarded) => {
                last_client(nodes_of_forwarded(lines("forwarded")), is_proxy)
            }
            Some(ProxySends::XForwardedFor) => {
                last_client(nodes_of_x_forwarded_for(lines("x-forwarded-for")), is_proxy)
            }
        }
    }
}

/// Logs that a named proxy did not say for which client it sends a packet or a login: all its clients count as one, and
/// are limited together.
pub fn report_unnamed(proxy: RemoteAddress, throttle: &LogThrottle, now: MonoTime) {
    if let Some(suppressed) = throttle.admit(now) {
        tracing::warn!(
            %proxy,
            suppressed,
            "a proxy does not name its client"
        );
    }
}

/// `nodes`: the last one first.
fn last_client(
    nodes: impl Iterator<Item = ForwardedNode>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> RequestOrigin {
    let mut origin = RequestOrigin::Unnamed;
    for node in nodes.take(CHAIN_MAX) {
        // A proxy that hides its client stands for it.
        let ForwardedNode::Address(address) = node else { return origin };
        origin = RequestOrigin::Named(address);
        if !is_proxy(address.ip()) {
            return origin;
        }
    }
    origin
}

#[cfg(test)]
mod tests {
    use super::ProxiedListener::{Api, Btp, Http};
    use super::*;

    fn proxies(list: &[(&str, ProxySends, Option<ProxiedListener>)]) -> Proxies {
        let proxy = |(network, sends, listener): &(&str, _, _)| NamedProxy {
            network: network.parse().unwrap(),
            sends: *sends,
            listener: *listener,
        };
        Proxies::new(list.iter().map(proxy).collect())
    }

    fn origin(proxies: &Proxies, from: &str, header: &str, lines: &[&str]) -> String {
        let connection = RemoteAddress::new(from.parse().unwrap(), Some(4000));
        let lines = |name: &'static str| {
            let found: Vec<_> = lines.iter().filter(|_| name == header).collect();
            found.into_iter().map(|line| line.as_bytes())
        };
        match proxies.origin_of(Http, connection, lines) {
            RequestOrigin::Connection => "connection".to_owned(),
            RequestOrigin::Named(address) => address.to_string(),
            RequestOrigin::Unnamed => "unnamed".to_owned(),
        }
    }

    #[test]
    fn the_first_proxy_that_fits_address_and_listener_counts() {
        let proxies = proxies(&[
            ("127.0.0.1", ProxySends::ProxyProtocol, Some(Btp)),
            ("127.0.0.0/8", ProxySends::XForwardedFor, None),
            ("10.0.0.0/8", ProxySends::ProxyProtocol, None),
        ]);
        let find = |listener, address: &str| proxies.find(listener, address.parse().unwrap());
        assert_eq!(find(Btp, "127.0.0.1"), Some(ProxySends::ProxyProtocol));
        assert_eq!(find(Http, "127.0.0.1"), Some(ProxySends::XForwardedFor));
        assert_eq!(find(Btp, "127.0.0.2"), Some(ProxySends::XForwardedFor));
        assert_eq!(find(Http, "10.1.1.1"), Some(ProxySends::ProxyProtocol));
        assert_eq!(find(Api, "10.1.1.1"), None, "health checks have no header");
        assert_eq!(find(Api, "127.9.9.9"), Some(ProxySends::XForwardedFor));
        assert_eq!(find(Btp, "192.0.2.1"), None);
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        let own = proxies(&[("10.0.0.0/8", ProxySends::XForwardedFor, None)]);
        let check = |from: &str, lines: &[&str], expected: &str| {
            assert_eq!(origin(&own, from, "x-forwarded-for", lines), expected, "{from} {lines:?}");
        };
        check("10.0.0.1", &["192.0.2.1"], "192.0.2.1");
        check("10.0.0.1", &["203.0.113.9, 192.0.2.1"], "192.0.2.1");
        check("10.0.0.1", &["203.0.113.9", "192.0.2.1"], "192.0.2.1");
        check("10.0.0.1", &["192.0.2.1, 10.0.0.2"], "192.0.2.1");
        check("10.0.0.1", &["203.0.113.9, 192.0.2.1", "10.0.0.2, 10.0.0.3"], "192.0.2.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &[], "unnamed");
        check("10.0.0.1", &["", " , "], "unnamed");
        check("10.0.0.1", &["192.0.2.1, unknown"], "unnamed");
        check("10.0.0.1", &["192.0.2.1, garbage, 10.0.0.2"], "10.0.0.2");
        let long = "192.0.2.1".to_owned() + &", 10.0.0.2".repeat(CHAIN_MAX);
        check("10.0.0.1", &[&long], "10.0.0.2");
        // Anyone else may write what they like.
        check("192.0.2.5", &["203.0.113.9"], "connection");
        // The other header is not what this proxy sets, so clients may have written it.
        assert_eq!(origin(&own, "10.0.0.1", "forwarded", &["for=203.0.113.9"]), "unnamed");
    }

    #[test]
    fn forwarded_is_read_where_it_is_sent() {
        let own = proxies(&[
            ("10.0.0.1", ProxySends::Forwarded, None),
            ("10.0.0.2", ProxySends::ProxyProtocol, None),
        ]);
        let check = |from: &str, lines: &[&str], expected: &str| {
            assert_eq!(origin(&own, from, "forwarded", lines), expected, "{from} {lines:?}");
        };
        check("10.0.0.1", &["for=192.0.2.1;proto=https"], "192.0.2.1");
        check("10.0.0.1", &["for=\"203.0.113.9, for=192.0.2.1"], "192.0.2.1");
        check("10.0.0.1", &["for=192.0.2.1, for=10.0.0.1"], "192.0.2.1");
        // It sends no headers, so it cannot have forwarded a request.
        check("10.0.0.1", &["for=192.0.2.1, for=10.0.0.2"], "10.0.0.2");
        check("10.0.0.2", &["for=192.0.2.1"], "connection");
    }
}

//! Which requests `/peers`, `/routes` and `/api/v1` answer without a token: not those of other sites' pages in the
//! operator's browser.
//!
//! Such a page can resolve its name to this machine (DNS rebinding), so that the browser takes our answer for the
//! page's own. But `Host` then still holds the page's name. An IP address cannot be rebound, nor can a name without a
//! dot, which no one else can own. `Origin` and `Sec-Fetch-Site`, where a browser sends them, are checked as well. No
//! IO.

use std::net::{IpAddr, Ipv6Addr};

use arc_swap::ArcSwap;
use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, Request, Version};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HostRefusal {
    #[error("this page needs exactly one Host header")]
    NotOneHost,
    #[error(
        "without an apiToken this page answers only under an IP address, localhost, a name without a dot, or a name in apiHosts; add the name there, or set an apiToken"
    )]
    Unknown,
    #[error(
        "without an apiToken this page is not for pages of other sites in a browser; open it by itself, or set an apiToken"
    )]
    OtherSite,
}

/// The configured names under which these pages answer, beside those that are always known.
#[derive(Debug, Default)]
pub(super) struct Hosts(ArcSwap<Vec<String>>);

impl Hosts {
    pub(super) fn set_names(&self, names: &[String]) {
        let names = names.iter().map(|name| without_final_dot(name).to_ascii_lowercase());
        self.0.store(names.collect::<Vec<_>>().into());
    }

    pub(super) fn check_request<B>(&self, request: &Request<B>) -> Result<(), HostRefusal> {
        let headers = request.headers();
        let mut hosts = headers.get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => self.check_host(host.to_str().ok())?,
            // No browser: they speak HTTP/1.1, which requires the header.
            (None, None) if request.version() == Version::HTTP_10 => {}
            _ => return Err(HostRefusal::NotOneHost),
        }
        // RFC 9112 3.2.2: in absolute form the target replaces `Host`.
        if let Some(authority) = request.uri().authority() {
            self.check_host(Some(authority.as_str()))?;
        }
        self.check_site(headers)
    }

    /// Checks what a browser says about the page that requests ours.
    fn check_site(&self, headers: &HeaderMap) -> Result<(), HostRefusal> {
        for origin in headers.get_all(ORIGIN) {
            let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            self.check_host(authority.map(|(_, authority)| authority))
                .map_err(|_| HostRefusal::OtherSite)?;
        }
        let is_one_of = |name: HeaderName, words: &[&str]| {
            headers.get(name).is_some_and(|value| words.iter().any(|word| value == *word))
        };
        let other_site = is_one_of(SEC_FETCH_SITE, &["cross-site", "same-site"]);
        // If the operator follows a link, only the operator sees the page.
        let followed =
            is_one_of(SEC_FETCH_MODE, &["navigate"]) && is_one_of(SEC_FETCH_DEST, &["document"]);
        if other_site && !followed { Err(HostRefusal::OtherSite) } else { Ok(()) }
    }

    fn check_host(&self, authority: Option<&str>) -> Result<(), HostRefusal> {
        let host = authority.and_then(host_of).ok_or(HostRefusal::Unknown)?;
        let known = match host {
            Host::Ip => true,
            Host::Name(name) => {
                let name = without_final_dot(name);
                !name.is_empty()
                    && (!name.contains('.')
                        || self.0.load().iter().any(|known| known.eq_ignore_ascii_case(name)))
            }
        };
        if known { Ok(()) } else { Err(HostRefusal::Unknown) }
    }
}

enum Host<'a> {
    Ip,
    Name(&'a str),
}

/// The host of `host`, `host:port`, `[::1]` or `[::1]:port`. `None`: it is none of these.
fn host_of(authority: &str) -> Option<Host<'_>> {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':').or(port.is_empty().then_some(""))?;
        return (address.parse::<Ipv6Addr>().is_ok() && is_port(port)).then_some(Host::Ip);
    }
    let host = match authority.split_once(':') {
        None => authority,
        Some((host, port)) if is_port(port) => host,
        // An IPv6 address without brackets, or a mistake.
        Some(_) => return authority.parse::<Ipv6Addr>().is_ok().then_some(Host::Ip),
    };
    if host.parse::<IpAddr>().is_ok() {
        return Some(Host::Ip);
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    host.bytes().all(is_name).then_some(Host::Name(host))
}

/// The dot at the end only says that a name is complete.
fn without_final_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::HostRefusal::{NotOneHost, OtherSite, Unknown};
    use super::*;

    fn check(uri: &str, version: Version, headers: &[(&str, &str)], refused: Option<HostRefusal>) {
        let hosts = Hosts::default();
        hosts.set_names(&["Node.Example".to_owned(), "dots.example.".to_owned()]);
        let mut request = Request::builder().uri(uri).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let found = hosts.check_request(&request.body(()).unwrap()).err();
        assert_eq!(found, refused, "{uri} {version:?} {headers:?}");
    }

    fn check_host(host: &str, refused: Option<HostRefusal>) {
        check("/peers", Version::HTTP_11, &[("host", host)], refused);
    }

    #[test]
    fn names_that_no_other_site_can_own() {
        for known in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "192.168.1.7",
            "[::1]",
            "[::1]:8080",
            "[2001:db8::7]:1",
            "::1",
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "b",
            "ilp-connector_b_1:8080",
            "node.example",
            "NODE.example.:8080",
            "dots.example",
        ] {
            check_host(known, None);
        }
        for unknown in [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notnode.example",
            "x.node.example",
            "evil.localhost",
            "127.1",
            "0x7f.0.0.1",
            "",
            ".",
            ":8080",
            "user@localhost",
            "localhost:80:80",
            "[::1",
            "[::1]x",
            "[evil.example]",
            "[127.0.0.1]",
            "[::1%25eth0]",
            "evil.example#localhost",
            "local host",
            "node..example",
        ] {
            check_host(unknown, Some(Unknown));
        }
    }

    #[test]
    fn exactly_one_host_and_the_target_too() {
        let (h10, h11) = (Version::HTTP_10, Version::HTTP_11);
        check("/peers", h11, &[], Some(NotOneHost));
        check("/peers", h10, &[], None);
        check("/peers", h10, &[("host", "evil.example")], Some(Unknown));
        check("/peers", h11, &[("host", "a"), ("host", "a")], Some(NotOneHost));
        check("/peers", h11, &[("host", "a"), ("host", "evil.example")], Some(NotOneHost));
        check("http://evil.example/peers", h11, &[("host", "localhost")], Some(Unknown));
        check("http://localhost/peers", h11, &[("host", "evil.example")], Some(Unknown));
        check("http://localhost:8080/peers", h11, &[("host", "localhost:8080")], None);
        check("http://user@localhost/peers", h11, &[("host", "localhost")], Some(Unknown));
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let here = ("host", "127.0.0.1:8080");
        let check = |headers: &[(&str, &str)], refused| {
            let headers: Vec<_> = [here].iter().chain(headers).copied().collect();
            check("/peers", Version::HTTP_11, &headers, refused);
        };
        check(&[("origin", "http://evil.example")], Some(OtherSite));
        check(&[("origin", "null")], Some(OtherSite));
        check(&[("origin", "http://127.0.0.1:8080")], None);
        check(&[("origin", "https://node.example")], None);
        check(&[("sec-fetch-site", "same-origin")], None);
        check(&[("sec-fetch-site", "none")], None);
        check(&[("sec-fetch-site", "cross-site")], Some(OtherSite));
        check(&[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")], Some(OtherSite));
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        check(&[link[0], link[1], ("sec-fetch-dest", "document")], None);
        check(&[link[0], link[1], ("sec-fetch-dest", "iframe")], Some(OtherSite));
    }
}

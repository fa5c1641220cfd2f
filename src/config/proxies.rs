//! `proxies`: the reverse proxies in front of the listeners.

use super::diagnostics::DiagnosticSink;
use super::key_types::KeySet;
use super::mapping::Mapping;
use super::node_keys::{NODE, PROXY, ProxySettings};
use crate::net::{NamedProxy, ProxiedListener};

/// Proxies of one node, at most: each connection and each request is compared with all of them.
const PROXIES_MAX: usize = 64;

/// Reads the list. Proxies with mistakes are left out, and the mistakes reported.
pub fn read(mapping: Mapping<'_>, report: &mut DiagnosticSink) -> Vec<NamedProxy> {
    let list = mapping.list(&NODE.proxies, report);
    if list.len() > PROXIES_MAX {
        let what = format!("holds {} proxies", list.len());
        let help = format!("a node has at most {PROXIES_MAX}; one item can hold a whole network");
        mapping.problem(&NODE.proxies, what, help, report);
        return Vec::new();
    }
    let path = mapping.path_of(&NODE.proxies);
    let mut proxies: Vec<NamedProxy> = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let Some(item) = Mapping::of_item(value, &path, ProxySettings::KEYS.iter(), report) else {
            continue;
        };
        let draft = ProxySettings::read(item, report);
        let Some(proxy) = ProxySettings::finish(draft) else { continue };
        let proxy =
            NamedProxy { network: proxy.address, sends: proxy.sends, listener: proxy.listener };
        if proxy.network.is_everything() {
            let what = "every client is taken for a proxy, and may give any address as its own";
            let help = "name the proxies only, or let nobody else reach the ports";
            item.warn(&PROXY.address, what, help, report);
        }
        let is_before = |other: &NamedProxy| {
            other.network == proxy.network
                && (other.listener.is_none() || other.listener == proxy.listener)
        };
        if proxies.iter().any(is_before) {
            let what = "an item before has this address, and the first one counts";
            item.warn(&PROXY.address, what, "remove one, or give each a listener", report);
        }
        if proxy.listener == Some(ProxiedListener::Http) && !mapping.has(&NODE.http_server_port) {
            let what = "there is no HTTP server, as httpServerPort is not set";
            item.warn(&PROXY.listener, what, "set httpServerPort too", report);
        }
        proxies.push(proxy);
    }
    proxies
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{loaded, mistakes_in};
    use crate::net::{ProxiedListener, ProxySends};

    const BASE: &str = "nodeId: a\nhealthCheckHost: 127.0.0.1\nhttpServerPort: 0\n";

    #[test]
    fn a_proxy_has_an_address_and_says_how_it_names_clients() {
        let text = format!(
            "{BASE}proxies:\n  - {{address: 10.0.0.0/8, sends: xForwardedFor}}\n  \
             - {{address: \"::1\", sends: proxyProtocol, listener: btp}}\n"
        );
        let proxies = loaded(&text, &[]).config.proxies;
        assert_eq!(proxies.len(), 2);
        assert_eq!(proxies[0].network, "10.0.0.0/8".parse().unwrap());
        assert_eq!((proxies[0].sends, proxies[0].listener), (ProxySends::XForwardedFor, None));
        let second = (proxies[1].sends, proxies[1].listener);
        assert_eq!(second, (ProxySends::ProxyProtocol, Some(ProxiedListener::Btp)));
        assert_eq!(mistakes_in(&text), Default::default());
        assert!(loaded(BASE, &[]).config.proxies.is_empty());
    }

    #[test]
    fn mistakes_say_what_to_do() {
        let check = |item: &str, expected: &str| {
            let (problems, warnings) = mistakes_in(&format!("{BASE}proxies: [{item}]\n"));
            let found = format!("{problems}{warnings}");
            assert!(found.contains(expected), "{item}: {found}");
            assert_eq!(found.lines().count(), 1, "{item}: {found}");
        };
        check("{sends: forwarded}", "proxies[0].address");
        check("{address: 10.0.0.1}", "proxies[0].sends");
        check("{address: nginx, sends: forwarded}", "is no IP address and no network");
        check("{address: 10.0.0.1/8, sends: forwarded}", "did you mean 10.0.0.0/8?");
        check("{address: 10.0.0.1, sends: x-forwarded-for}", "did you mean xForwardedFor?");
        check("{address: 10.0.0.1, sends: forwarded, listener: health}", "btp, http, api");
        check("{address: \"::/0\", sends: forwarded}", "may give any address as its own");
        let twice = "{address: 10.0.0.1, sends: forwarded}";
        check(&format!("{twice}, {twice}"), "the first one counts");
        let without_http = "nodeId: a\nhealthCheckHost: 127.0.0.1\n\
                            proxies: [{address: 10.0.0.1, sends: forwarded, listener: http}]\n";
        assert!(mistakes_in(without_http).1.contains("there is no HTTP server"));
    }
}

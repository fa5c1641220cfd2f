//! The headers `Forwarded` (RFC 7239) and `X-Forwarded-For`: the nodes that they name, the last one first. Pure.
//!
//! Clients write the beginning of such a list, so it is read from its end: whatever stands before an element, such as a
//! quote that is never closed, cannot change how the element itself is read.

use std::net::{IpAddr, Ipv6Addr};

use super::remote_address::RemoteAddress;

/// One element of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForwardedNode {
    /// The client's address, perhaps with its port.
    Address(RemoteAddress),
    /// The proxy does not say it (`unknown`, a name that begins with `_`, no `for` at all), or it cannot be read.
    Hidden,
}

/// The nodes in the header lines of `Forwarded`.
pub(super) fn nodes_of_forwarded<'h>(
    lines: impl DoubleEndedIterator<Item = &'h [u8]>,
) -> impl Iterator<Item = ForwardedNode> {
    elements(lines).map(|element| read_element(element).unwrap_or(ForwardedNode::Hidden))
}

/// The nodes in the header lines of `X-Forwarded-For`, which no standard describes: addresses as proxies send them.
pub(super) fn nodes_of_x_forwarded_for<'h>(
    lines: impl DoubleEndedIterator<Item = &'h [u8]>,
) -> impl Iterator<Item = ForwardedNode> {
    elements(lines).map(|element| {
        let text = std::str::from_utf8(element).unwrap_or_default();
        let bare = text.parse().ok().map(|ip: IpAddr| RemoteAddress::new(ip, None));
        bare.or_else(|| read_node(text)).map_or(ForwardedNode::Hidden, ForwardedNode::Address)
    })
}

/// The elements of a list, the last one first. RFC 9110 5.6.1: empty elements do not count. A comma always separates:
/// no address contains one, so that an element with one in quotes is not an address either.
fn elements<'h>(
    lines: impl DoubleEndedIterator<Item = &'h [u8]>,
) -> impl Iterator<Item = &'h [u8]> {
    lines
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// RFC 7239 section 4: pairs of a name and a value with semicolons between them. `None`: it has no `for` with an
/// address, or is malformed.
fn read_element(element: &[u8]) -> Option<ForwardedNode> {
    let element = std::str::from_utf8(element).ok()?;
    let mut node = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim_ascii().split_once('=')?;
        if !name.eq_ignore_ascii_case("for") {
            continue;
        }
        // RFC 7239 section 4: each name occurs once.
        if node.is_some() {
            return None;
        }
        node = Some(unquoted(value)?);
    }
    read_node(node?).map(ForwardedNode::Address)
}

/// The text of a token or of a string in quotes. A backslash never stands in an address.
fn unquoted(value: &str) -> Option<&str> {
    let text = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    (!text.contains(['"', '\\'])).then_some(text)
}

/// RFC 7239 section 6: an IPv4 address, or an IPv6 address in brackets, either with a port. A port that begins with
/// `_` hides the number. `None`: `unknown`, an obfuscated name, or neither.
fn read_node(node: &str) -> Option<RemoteAddress> {
    let (ip, rest): (IpAddr, &str) = match node.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.into(), rest)
        }
        None => {
            let at = node.find(':').unwrap_or(node.len());
            let (address, rest) = node.split_at(at);
            (address.parse::<std::net::Ipv4Addr>().ok()?.into(), rest)
        }
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return None,
        Some(hidden) if hidden.starts_with('_') => None,
        Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().ok()?)
        }
        Some(_) => return None,
    };
    Some(RemoteAddress::new(ip, port))
}

#[cfg(test)]
mod tests;

//! Lists of well-behaved proxies, and of clients that try to hide.

use proptest::prelude::*;

use super::*;

fn shown(nodes: impl Iterator<Item = ForwardedNode>) -> Vec<String> {
    let shown = |node| match node {
        ForwardedNode::Address(address) => address.to_string(),
        ForwardedNode::Hidden => "-".to_owned(),
    };
    nodes.map(shown).collect()
}

fn lines<'t>(lines: &[&'t str]) -> impl DoubleEndedIterator<Item = &'t [u8]> {
    lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>().into_iter()
}

#[test]
fn forwarded_as_in_rfc_7239() {
    let check = |text: &[&str], expected: &[&str]| {
        assert_eq!(shown(nodes_of_forwarded(lines(text))), expected, "{text:?}");
    };
    check(&["for=192.0.2.60;proto=http;by=203.0.113.43"], &["192.0.2.60"]);
    check(&["For=\"[2001:db8:cafe::17]:4711\""], &["[2001:db8:cafe::17]:4711"]);
    check(&["for=\"[2001:db8:cafe::17]\""], &["2001:db8:cafe::17"]);
    check(&["for=192.0.2.43, for=198.51.100.17"], &["198.51.100.17", "192.0.2.43"]);
    check(&["for=192.0.2.43", "FOR=\"198.51.100.17:80\""], &["198.51.100.17:80", "192.0.2.43"]);
    check(&["proto=https ; for=192.0.2.43 ;host=node.example"], &["192.0.2.43"]);
    check(&["for=\"192.0.2.43:_p\""], &["192.0.2.43"]);
    check(&["", ",", "for=192.0.2.43,,"], &["192.0.2.43"]);
    for hidden in [
        "for=unknown",
        "for=_hidden",
        "for=\"_gazonk\"",
        "proto=https",
        "for=",
        "for",
        "for=192.0.2.43;for=192.0.2.44",
        "for=192.0.2.43;",
        "for=2001:db8::1",
        "for=[2001:db8::1",
        "for=\"[2001:db8::1]x\"",
        "for=\"192.0.2.43",
        "for=192.0.2.43\"",
        "for=\"192.0.2.4\\3\"",
        "for=192.0.2.43:65536",
        "for=192.0.2.43:+80",
        "for=192.0.2.43:",
        "for=192.0.2.999",
        "192.0.2.43",
    ] {
        check(&[hidden], &["-"]);
        check(&[hidden, "for=198.51.100.17"], &["198.51.100.17", "-"]);
    }
    // What a client wrote does not change the element of the proxy.
    check(&["for=\"1.2.3.4, for=192.0.2.43"], &["192.0.2.43", "-"]);
    check(&["for=\"a\\", "for=192.0.2.43"], &["192.0.2.43", "-"]);
}

#[test]
fn x_forwarded_for_as_proxies_send_it() {
    let check = |text: &[&str], expected: &[&str]| {
        assert_eq!(shown(nodes_of_x_forwarded_for(lines(text))), expected, "{text:?}");
    };
    check(&["203.0.113.9, 192.0.2.1"], &["192.0.2.1", "203.0.113.9"]);
    check(&["2001:db8::1"], &["2001:db8::1"]);
    check(&["[2001:db8::1]"], &["2001:db8::1"]);
    check(&["[2001:db8::1]:5000 ,192.0.2.1:5000"], &["192.0.2.1:5000", "[2001:db8::1]:5000"]);
    check(&["::ffff:192.0.2.1"], &["192.0.2.1"]);
    for hidden in ["unknown", "for=192.0.2.1", "\"192.0.2.1\"", "192.0.2", "localhost", "é"] {
        check(&[hidden, "192.0.2.1"], &["192.0.2.1", "-"]);
    }
}

proptest! {
    /// Whatever clients write before it, the last element is read as it is.
    #[test]
    fn nothing_before_it_changes_the_last_element(
        before in prop::collection::vec(any::<u8>(), 0..60),
        address in any::<IpAddr>(),
        port in any::<Option<u16>>(),
        same_line in any::<bool>(),
    ) {
        let expected = ForwardedNode::Address(RemoteAddress::new(address, port));
        let host = match address { IpAddr::V4(v4) => v4.to_string(), IpAddr::V6(v6) => format!("[{v6}]") };
        let node = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let check = |element: String| {
            let joined = [&before[..], b",", element.as_bytes()].concat();
            let lines = if same_line { vec![&joined[..]] } else { vec![&before[..], element.as_bytes()] };
            lines.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        let of_forwarded = check(format!("for=\"{node}\""));
        prop_assert_eq!(nodes_of_forwarded(of_forwarded.iter().map(Vec::as_slice)).next(), Some(expected));
        let of_x = check(node);
        prop_assert_eq!(nodes_of_x_forwarded_for(of_x.iter().map(Vec::as_slice)).next(), Some(expected));
        // All of it is read without a panic.
        nodes_of_forwarded(of_forwarded.iter().map(Vec::as_slice)).for_each(drop);
        nodes_of_x_forwarded_for(of_x.iter().map(Vec::as_slice)).for_each(drop);
    }
}

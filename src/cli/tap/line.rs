//! One line for each record of a packet.

use std::time::Duration;

use crate::console::{Colour, format_millis, group_digits, padded, sanitize};
use crate::observe::{PacketBody, PacketPhase};

/// `12:00:01.104  b     rejected   a -> c  test.c.x  1,000  T01 next hop c is not connected`
pub(super) fn packet_line(packet: &PacketBody) -> String {
    let time = sanitize(packet.at.get(11..23).unwrap_or(&packet.at));
    format!("{time}  {}  {}", padded(&sanitize(&packet.node), 8), describe_packet(packet))
}

/// The same without time and node.
pub(super) fn describe_packet(packet: &PacketBody) -> String {
    let (word, colour) = match packet.phase {
        PacketPhase::Forwarded => ("forwarded", None),
        PacketPhase::Received => ("received", None),
        PacketPhase::Fulfilled => ("fulfilled", Some(Colour::Green)),
        PacketPhase::Rejected => ("rejected", Some(Colour::Red)),
    };
    let word = padded(word, 9);
    let name = |account: &Option<String>| account.as_deref().map_or("-".to_owned(), sanitize);
    let way = format!("{} -> {}", name(&packet.from), name(&packet.to));
    let mut parts =
        vec![colour.map_or(word.clone(), |colour| colour.paint(&word)), padded(&way, 12)];
    parts.extend(packet.destination.as_deref().map(sanitize));
    parts.extend(amount(packet));
    parts.extend(
        packet.latency_us.map(|us| format!("{} ms", format_millis(Duration::from_micros(us)))),
    );
    parts.extend(why(packet));
    parts.join("  ").trim_end().to_owned()
}

/// `1,000`, or `1,000 for 998` if the next hop gets another amount.
fn amount(packet: &PacketBody) -> Option<String> {
    let amount = packet.amount.as_deref()?;
    let shown = |amount: &str| group_digits(sanitize(amount));
    Some(match packet.outgoing_amount.as_deref().filter(|outgoing| *outgoing != amount) {
        Some(outgoing) => format!("{} for {}", shown(amount), shown(outgoing)),
        None => shown(amount),
    })
}

/// The code, whose decision it was, and what to change.
fn why(packet: &PacketBody) -> Option<String> {
    let code = packet.code.as_deref().map(sanitize)?;
    let Some(reason) = &packet.reason else {
        let by = packet.triggered_by.as_deref().map(|by| format!(" from {}", sanitize(by)));
        let text = packet.message.as_deref().filter(|text| !text.is_empty());
        let text = text.map(|text| format!(": {}", sanitize(text))).unwrap_or_default();
        return Some(format!("{code}{}{text}", by.unwrap_or_default()));
    };
    let figures = reason.figures.as_deref().map(|figures| format!(" ({})", sanitize(figures)));
    let key = reason.key.as_deref().map(|key| format!("; see {}", sanitize(key)));
    Some(format!(
        "{code} here: {}{}{}",
        sanitize(&reason.text),
        figures.unwrap_or_default(),
        key.unwrap_or_default()
    ))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::console::apply_colours;
    use crate::observe::PacketLane;

    pub(in crate::cli::tap) fn packet(node: &str, phase: PacketPhase) -> PacketBody {
        PacketBody {
            id: "00000000-1".to_owned(),
            at: "2026-03-01T12:00:01.104Z".to_owned(),
            node: node.to_owned(),
            phase,
            lane: PacketLane::Sample,
            condition: "00".repeat(32),
            sample_key: None,
            from: Some("a".to_owned()),
            request_id: Some(1),
            to: Some("c".to_owned()),
            outgoing_request_id: Some(2),
            destination: None,
            prefix: None,
            amount: None,
            outgoing_amount: None,
            expires_at: None,
            balance_after: None,
            latency_us: None,
            code: None,
            decided_here: false,
            reason: None,
            triggered_by: None,
            message: None,
        }
    }

    fn check(packet: &PacketBody, expected: &str) {
        assert_eq!(apply_colours(&packet_line(packet), false), expected);
    }

    #[test]
    fn lines_of_packets() {
        let mut forwarded = packet("b", PacketPhase::Forwarded);
        forwarded.destination = Some("test.c.x".to_owned());
        forwarded.amount = Some("1000".to_owned());
        forwarded.outgoing_amount = Some("998".to_owned());
        check(
            &forwarded,
            "12:00:01.104  b         forwarded  a -> c        test.c.x  1,000 for 998",
        );

        let mut fulfilled = packet("b", PacketPhase::Fulfilled);
        fulfilled.latency_us = Some(412);
        check(&fulfilled, "12:00:01.104  b         fulfilled  a -> c        0.412 ms");

        let mut rejected = packet("b", PacketPhase::Rejected);
        (rejected.to, rejected.code) = (None, Some("T01".to_owned()));
        let reason = serde_json::json!({
            "kind": "peerUnreachable", "text": "next hop c is not connected", "figures": null,
            "peer": "c", "key": "peers.c.url", "advice": null,
        });
        rejected.reason = serde_json::from_value(reason).unwrap();
        check(
            &rejected,
            "12:00:01.104  b         rejected   a -> -        T01 here: next hop c is not connected; see peers.c.url",
        );
        rejected.reason = None;
        rejected.triggered_by = Some("test.c".to_owned());
        rejected.message = Some("\u{1b}[2J".to_owned());
        let line = packet_line(&rejected);
        assert!(line.ends_with("T01 from test.c: \\u{1b}[2J"), "{line:?}");
    }

    #[test]
    fn no_text_of_a_node_reaches_the_terminal_as_it_is() {
        let text = || "\u{1b}[2J\u{9b}31m".to_owned();
        let reason = serde_json::json!({
            "kind": "noRoute", "text": text(), "figures": text(), "peer": text(), "key": text(), "advice": text(),
        });
        let reason = serde_json::from_value(reason).unwrap();
        for reason in [None, Some(reason)] {
            let hostile = PacketBody {
                at: text(),
                from: Some(text()),
                to: Some(text()),
                destination: Some(text()),
                amount: Some(text()),
                outgoing_amount: Some(text() + "1"),
                code: Some(text()),
                triggered_by: Some(text()),
                message: Some(text()),
                reason,
                ..packet(&text(), PacketPhase::Rejected)
            };
            let line = apply_colours(&packet_line(&hostile), false);
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}

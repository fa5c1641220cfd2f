//! Node files side by side.

use super::super::{check_link_ends, load};
use super::{messages_of_check, source_of_file};
use crate::config::Source;

/// What is said of files, one text each, that are given together.
fn check_messages(files: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let loaded: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(number, text)| {
            let file = folder.path().join(format!("{number}.yaml"));
            std::fs::write(&file, text).unwrap();
            let source = Source { file: Some(file), ..Source::default() };
            load(&source).unwrap_or_else(|problems| panic!("{problems}"))
        })
        .collect();
    let found = check_link_ends(&loaded.iter().collect::<Vec<_>>());
    let mistakes = found.mistakes.iter().map(ToString::to_string);
    let warnings = found.warnings.iter().map(|warning| format!("warning: {warning}"));
    let start = format!("{}/", folder.path().display());
    mistakes.chain(warnings).map(|line| line.replace(&start, "")).collect()
}

const ALICE: &str = "nodeId: alice\npeers:\n  - {id: bob, url: 'ws://bob:3000', authToken: s}\n";
const BOB: &str = "nodeId: bob\npeers:\n  - {id: alice, authToken: s}\n";

/// What is said of alice and bob after some changes of bob's file, in both orders.
fn check(changes: &[(&str, &str)], expected: &[&str]) {
    let mut bob = BOB.to_owned();
    for (from, to) in changes {
        assert!(bob.contains(from), "{from}");
        bob = bob.replace(from, to);
    }
    let found = check_messages(&[ALICE, &bob]);
    assert_eq!(found.len(), expected.len(), "{bob}\n{found:#?}");
    for (line, expected) in found.iter().zip(expected) {
        assert!(line.contains(expected), "{bob}\n{line}\ndoes not say {expected}");
    }
    assert_eq!(check_messages(&[&bob, ALICE]).len(), expected.len(), "{bob}");
}

#[test]
fn both_ends_of_a_link_are_compared() {
    check(&[], &[]);
    check(
        &[("authToken: s", "authToken: t")],
        &["0.yaml:3: peers[0].authToken: the secrets of alice and bob for each other do not match"],
    );
    check(&[("authToken: s", "authTokens: [t, s]")], &[]);
    check(
        &[("id: alice,", "id: alice, relation: child,")],
        &["0.yaml:3: peers[0]: bob is peer to alice, but alice is child to bob"],
    );
    check(
        &[("nodeId: bob", "nodeId: bob\nassetCode: EUR\nassetScale: 2")],
        &["0.yaml:3: peers[0]: alice counts in USD/9 what bob counts in EUR/2"],
    );
    check(
        &[("id: alice,", "id: alice, assetScale: 6,")],
        &["alice counts in USD/9 what bob counts in USD/6"],
    );
    check(
        &[("nodeId: bob", "nodeId: bob\nbtpServerPort: 4000")],
        &["warning: 0.yaml:3: peers[0].url: leads to port 3000, but bob listens on 4000"],
    );
    check(
        &[("nodeId: bob", "nodeId: bob\nilpAddress: test.alice")],
        &["alice and bob have one address, test.alice"],
    );
    check(&[("nodeId: bob", "nodeId: bob\nilpAddress: private.bob")], &["on the network"]);
    // Found by the secret alone.
    check(&[("nodeId: bob", "nodeId: b2"), ("id: alice", "id: a2, assetScale: 3")], &["counts in"]);
    // Several mistakes of one link.
    check(
        &[("authToken: s", "authToken: t, assetCode: EUR, relation: parent")],
        &["bob is peer to alice, but alice is parent to bob", "counts in", "do not match"],
    );
    let both = [("id: alice,", "id: alice, url: 'ws://alice:3000',")];
    check(&both, &[]);
    check(
        &[both[0], ("authToken: s", "authToken: t")],
        &["0.yaml:3: peers[0].authToken: the secrets", "1.yaml:3: peers[0].authToken: the secrets"],
    );
}

#[test]
fn children_adopt_the_units_of_their_parent() {
    let parent = "nodeId: p\nassetCode: EUR\nassetScale: 2\npeers:\n  - {id: c, relation: child, authToken: s}\n";
    let child = |more: &str| {
        format!(
            "nodeId: c\n{more}peers:\n  - {{id: p, relation: parent, url: 'ws://p:3000', authToken: s}}\n"
        )
    };
    assert_eq!(check_messages(&[parent, &child("")]), [""; 0]);
    assert_eq!(check_messages(&[parent, &child("assetScale: 9\n")]).len(), 1);
    assert_eq!(check_messages(&[parent, &child("ilpAddress: test.p.c\n")]), [""; 0]);
    assert!(check_messages(&[parent, &child("ilpAddress: test.x\n")])[0].starts_with("warning: "));
}

#[test]
fn nodes_that_have_nothing_to_do_with_each_other_are_left_alone() {
    let other = |id: &str, more: &str| {
        format!("nodeId: {id}\nassetCode: EUR\npeers:\n  - {{id: x, authToken: u{more}}}\n")
    };
    assert_eq!(check_messages(&[ALICE, &other("carol", "")]), [""; 0]);
    // Another bob, who knows no alice.
    assert_eq!(check_messages(&[ALICE, &other("bob", "")]), [""; 0]);
    // Two files of one node.
    let version = BOB.replace("authToken: s", "authToken: t");
    assert_eq!(check_messages(&[BOB, &version]), [""; 0]);
    // With two nodes called bob, the secrets say which one alice means.
    let found =
        check_messages(&[ALICE, &BOB.replace("id: alice", "id: alice, assetScale: 1"), &version]);
    assert_eq!(found.len(), 1, "{found:?}");
    // Three customers of one node that it gave one token.
    let customer = |id: &str| {
        format!(
            "nodeId: {id}\npeers:\n  - {{id: hub, url: 'ws://{id}:one@hub:3000', assetCode: {id}}}\n"
        )
    };
    assert_eq!(check_messages(&[&customer("AA"), &customer("BB"), &customer("CC")]), [""; 0]);
    let neither = ALICE.replace("url: 'ws://bob:3000', ", "");
    assert_eq!(check_messages(&[&neither, BOB]).len(), 1, "neither dials");
}

/// Three nodes in a ring, each with a default route to the next one.
fn ring(more: &str) -> [String; 3] {
    let node = |id: &str, next: &str, last: &str| {
        format!(
            "nodeId: {id}\npeers:\n  - {{id: {next}, url: 'ws://{next}:3000', authToken: {id}-{next}}}\n  \
             - {{id: {last}, authToken: {last}-{id}}}\n{more}routes:\n  - {{prefix: '', nextHop: {next}}}\n"
        )
    };
    [node("a", "b", "c"), node("b", "c", "a"), node("c", "a", "b")]
}

#[test]
fn routing_loops_through_several_files_are_found() {
    let [a, b, c] = ring("");
    assert_eq!(
        check_messages(&[&a, &b, &c]),
        ["0.yaml:6: routes: packets to addresses without a route, such as test.unknown, loop: \
          a -> b -> c -> a; change the route of one of these nodes"]
    );
    assert_eq!(check_messages(&[&a, &b]), [""; 0]);
    let way_out = c.replace("prefix: ''", "prefix: test.a");
    assert_eq!(check_messages(&[&a, &b, &way_out]), [""; 0]);
}

#[test]
fn routes_that_never_settle_are_reported() {
    // Each node of the ring prefers what the next one advertises to its own link to d, which none of them can use at
    // the same time as its neighbours.
    let ring = |id: &str, child: &str, peer: &str| {
        format!(
            "nodeId: {id}\nilpAddress: test.{id}\nrouting: dynamic\npeers:\n  \
               - {{id: {child}, relation: child, receiveRoutes: true, sendRoutes: true, url: 'ws://{child}:3000', authToken: {id}{child}}}\n  \
               - {{id: {peer}, authToken: {peer}{id}}}\n  - {{id: d, url: 'ws://d:3000', authToken: {id}d}}\n"
        )
    };
    let hub = "nodeId: d\nilpAddress: test.d\nrouting: dynamic\npeers:\n  - {id: a, authToken: ad}\n  \
        - {id: b, authToken: bd}\n  - {id: c, authToken: cd}\n";
    let files = [ring("a", "b", "c"), ring("b", "c", "a"), ring("c", "a", "b")];
    let found = check_messages(&[&files[0], &files[1], &files[2], hub]);
    let expected = "warning: 0.yaml: unreachable nodes and routing loops were not looked for: the simulated routes never \
        stop changing; compare";
    assert!(found.iter().any(|line| line.starts_with(expected)), "{found:#?}");
}

#[test]
fn networks_that_are_too_large_to_simulate_are_reported() {
    let file = |number: usize| match number {
        0 => "nodeId: n0\npeers:\n  - {id: n1, url: 'ws://n1:3000', authToken: s}\n".to_owned(),
        1 => "nodeId: n1\npeers:\n  - {id: n0, authToken: s}\n".to_owned(),
        _ => format!("nodeId: n{number}\n"),
    };
    let files: Vec<String> = (0..201).map(file).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(check_messages(&files[..200]), [""; 0]);
    let expected = "warning: 0.yaml: unreachable nodes and routing loops were not looked for: the network is too large to \
        simulate; check a part of it, or ping between the running nodes";
    assert_eq!(check_messages(&files), [expected]);

    let mut text = "routing: dynamic\nnodes:\n".to_owned();
    (0..201).for_each(|number| text += &format!("  - id: n{number}\n"));
    text += "links:\n";
    (1..201).for_each(|number| {
        text += &format!("  - {{from: n{number}, to: n0, secret: s{number}}}\n")
    });
    let folder = tempfile::tempdir().unwrap();
    let warnings = messages_of_check(&source_of_file(folder.path(), &text), folder.path());
    assert!(warnings.iter().any(|line| line.contains("too large to simulate")), "{warnings:#?}");
}

//! `ledger resolve` and `ledger adjust` while the node runs: it makes the change, once, and the answer is a promise.

use super::*;
use crate::peer::ask;

const TOKEN: &str = "apiToken: an-operators-token\n";

/// A change of the running node, with these variables beside the port of its pages.
fn change_with(node: &TestNode, arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(PROGRAM);
    command.arg("ledger").args(arguments).args(["--reason", "a fee"]);
    command.args(["--config", path_text(&node.file)]);
    command.env("HEALTH_CHECK_PORT", node.health_port.to_string());
    command.envs(variables.iter().copied());
    let output = run(&mut command);
    (output.status.success(), combined_output(&output))
}

fn change(node: &TestNode, arguments: &[&str]) -> (bool, String) {
    change_with(node, arguments, &[])
}

fn check_refused(node: &TestNode, arguments: &[&str], expected: &str) {
    let (ok, text) = change(node, arguments);
    assert!(!ok && text.contains(expected), "{arguments:?}: {text}");
}

/// Kills a strict node while bob has a packet of 100 that he has not answered.
fn kill_with_packet_at_bob(config: &str) {
    let node = TestNode::start(config);
    let (mut alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    alice.send_prepare(1, &prepare_to("test.bob.x").amount(100));
    // Strict: if bob has the packet, the store has its amount.
    let deadline = Instant::now() + TIMEOUT;
    let mut reader = bob.reader;
    assert!(matches!(reader.next_event(deadline), Some(SocketEvent::Binary(_))));
    node.stop("KILL");
}

/// The sum of all changes of an account that the store has.
fn adjusted(store: &Path, account: &str) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["ledger", "balances", "--json", "--store", path_text(store)]);
    let books: Value = serde_json::from_str(&run_successfully(&mut command)).unwrap();
    let accounts = books["accounts"].as_array().unwrap();
    let found = accounts.iter().find(|one| one["account"] == account);
    found.map_or("none", |one| one["adjusted"].as_str().unwrap()).to_owned()
}

#[test]
fn a_change_that_the_running_node_has_made_survives_kill_9() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    for (round, durability) in [(1, "strict"), (2, "batched")] {
        let config = format!("{TOKEN}{}", config_with_store(&store, durability));
        let node = TestNode::start(&config);
        let (alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
        let before = saved(&store, "bob").balance;
        let (claims, payments) = (claim_all(bob), pay_until_closed(alice, round * 1_000_000));
        eventually("money has moved", TIMEOUT, || match saved(&store, "bob").balance {
            balance if balance < before => Ok(()),
            balance => Err(balance.to_string()),
        });
        let ids = [format!("fee-{round}a"), format!("fee-{round}b")];
        let adjust = |id| ["adjust", "bob", "-5", "--id", id];
        let (ok, first) = change(&node, &adjust(&ids[0]));
        let expected = "bob (USD/9): the balance changes by -5; the balance was -";
        assert!(ok && first.starts_with(expected), "{first}");
        assert_eq!(change(&node, &adjust(&ids[0])), (true, first.clone()), "the same change");
        let other = ["adjust", "bob", "-6", "--id", &*ids[0]];
        check_refused(&node, &other, "belongs to another change: bob (USD/9)");
        let (ok, second) = change(&node, &adjust(&ids[1]));
        node.stop("KILL");
        assert!(ok, "{second}");
        payments.join().unwrap();
        claims.join().unwrap();
        assert_eq!(adjusted(&store, "bob"), (-10 * i64::from(round)).to_string());
        for (id, text) in ids.iter().zip([first, second]) {
            let arguments = adjust(id);
            let more = ["--reason", "again", "--store", path_text(&store)];
            let (ok, printed) = ledger(&[&arguments[..], &more].concat());
            // The first one may also warn of what was in flight.
            assert_eq!((ok, printed.lines().next()), (true, text.lines().next()), "from the file");
        }
    }
}

#[test]
fn the_running_node_resolves_what_is_uncertain() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let config = format!("{TOKEN}{}", config_with_store(&store, "strict"));
    kill_with_packet_at_bob(&config);
    let node = TestNode::start(&config);
    let log = "the node ended without a clean stop while packets to this peer were in flight; the peer may have fulfilled them";
    assert_eq!(node.process.wait_for_log(log, "peer"), "bob");
    assert_eq!(node.process.wait_for_log(log, "amount"), "100");
    let url = format!("http://127.0.0.1:{}", node.health_port);
    let mut status = Command::new(PROGRAM);
    status.args(["status", &url]).env("API_TOKEN", TOKEN.trim().trim_start_matches("apiToken: "));
    let status = combined_output(&run(&mut status));
    assert!(status.contains(": 100 USD/9 to bob at "), "{status}");
    let token = TOKEN.trim().trim_start_matches("apiToken: ");
    eventually("an event that stays", TIMEOUT, || {
        let path = "GET /api/v1/nodes/n/saved-events?kind=account.uncertain";
        let (_, found) = ask(node.health_port, path, Some(token), "");
        let event = &found["events"][0];
        match (event["peer"].as_str(), event["fields"]["amount"].as_str()) {
            (Some("bob"), Some("100")) => Ok(()),
            _ => Err(found.to_string()),
        }
    });
    let concede = |units| ["resolve", "bob", "--concede", units, "--id", "r"];
    check_refused(&node, &concede("101"), "100 is uncertain; between 0 and 100");
    let (ok, text) = change(&node, &concede("70"));
    node.stop("KILL");
    let line = "bob (USD/9): 70 of the uncertain amount is owed; the balance was 0 and is -70";
    assert_eq!((ok, text.trim_end()), (true, line));
    assert_eq!(saved(&store, "bob"), Saved { balance: -70, uncertain: 0 });
    // An account without a peer keeps its books, and can be changed.
    let without_bob = format!("{TOKEN}store: {}\n", store.display());
    let node = TestNode::start(&config_of(&["alice"], &without_bob));
    let log = "the store has a balance or an uncertain amount of an account that is not configured";
    assert_eq!(node.process.wait_for_log(log, "balance"), "-70");
    let (ok, text) = change(&node, &["adjust", "bob", "50"]);
    assert!(ok && text.contains("the balance was -70 and is -20"), "{text}");
    node.stop("KILL");
    assert_eq!(saved(&store, "bob"), Saved { balance: -20, uncertain: 0 });
    let (ok, text) = change(&TestNode::start(&config), &["adjust", "bob", "1"]);
    assert!(ok && text.contains("the balance was -20 and is -19"), "configured again: {text}");
}

/// The next start finds a clean stop, and has nothing to say about the crash.
#[test]
fn a_change_in_the_file_names_what_the_crash_made_uncertain() {
    let warning =
        "warning: bob (USD/9): 100 is uncertain now: it was in flight when the node ended";
    let folder = temp_folder();
    for (name, command, succeeds) in
        [("a.db", ["adjust", "bob", "-5"], true), ("b.db", ["adjust", "carol", "-5"], false)]
    {
        let store = folder.path().join(name);
        let config = config_with_store(&store, "strict");
        kill_with_packet_at_bob(&config);
        let more = ["--reason", "a fee", "--store", path_text(&store)];
        let (ok, text) = ledger(&[&command[..], &more].concat());
        assert_eq!((ok, text.matches(warning).count()), (succeeds, 1), "{text}");
        let (ok, text) = ledger(&[&command[..], &more].concat());
        assert_eq!((ok, text.contains("warning")), (succeeds, false), "{text}");
        let before = saved(&store, "bob");
        assert_eq!(before.uncertain, 100);
        let node = TestNode::start(&config);
        assert_eq!(node.account("bob")["uncertain"], "100");
        node.stop("TERM");
        let (ok, text) = ledger(&[&["resolve", "bob", "--release"][..], &more].concat());
        assert!(ok && text.contains("0 of the uncertain amount is owed"), "{text}");
        assert_eq!(saved(&store, "bob"), Saved { uncertain: 0, ..before });
        let (_, log) = TestNode::start(&config).stop("TERM");
        assert!(!log.contains("without a clean stop"), "{log}");
    }
}

/// The same command settles what it has just made uncertain.
#[test]
fn what_a_change_in_the_file_resolves_is_not_called_uncertain() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    kill_with_packet_at_bob(&config_with_store(&store, "strict"));
    let more = ["--release", "--reason", "none of it", "--store", path_text(&store)];
    let (ok, text) = ledger(&[&["resolve", "bob"][..], &more].concat());
    assert!(ok && !text.contains("warning"), "{text}");
    assert_eq!(saved(&store, "bob"), Saved { balance: 0, uncertain: 0 });
}

#[test]
fn changes_need_the_token_and_a_known_account() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = TestNode::start(&config_with_store(&store, "batched"));
    let adjust = ["adjust", "alice", "1"];
    check_refused(&node, &adjust, "set an apiToken in its configuration");
    let token = [("API_TOKEN", "an-operators-token")];
    let (ok, text) = change_with(&node, &adjust, &token);
    assert!(!ok && text.contains("without an apiToken nothing can be changed here"), "{text}");
    node.rewrite_config(&format!("{TOKEN}{}", config_with_store(&store, "batched")));
    node.process.signal("HUP");
    node.process.wait_for_log("configuration reloaded", "settings");
    let (ok, text) = change_with(&node, &adjust, &[("API_TOKEN", "a-wrong-one")]);
    assert!(!ok && text.contains("it refuses the token"), "{text}");
    check_refused(&node, &["adjust", "carol", "1"], "there is no account carol");
    let (ok, text) = change(&node, &adjust);
    assert!(ok && text.contains("the balance was 0 and is 1"), "{text}");
    assert_eq!(adjusted(&store, "alice"), "1");
}

#[test]
fn uncertain_amounts_are_released_after_their_time() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let config = config_with_store(&store, "strict");
    let node = TestNode::start(&config);
    let (mut alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    alice.send_prepare(1, &prepare_to("test.bob.x").amount(100));
    let (mut reader, deadline) = (bob.reader, Instant::now() + TIMEOUT);
    assert!(matches!(reader.next_event(deadline), Some(SocketEvent::Binary(_))));
    node.stop("KILL");
    let node = TestNode::start(&config);
    assert_eq!(node.account("bob")["uncertain"], "100");
    let with_hold = config.replace("id: bob,", "id: bob, uncertainHoldMs: 1000,");
    assert_ne!(with_hold, config);
    node.rewrite_config(&with_hold);
    node.process.signal("HUP");
    node.wait_for_account("released", "bob", |bob| bob["uncertain"] == "0");
    node.process.wait_for_log(
        "released what was uncertain since a crash, because uncertainHoldMs has passed",
        "peer",
    );
    node.stop("TERM");
    assert_eq!(saved(&store, "bob"), Saved { balance: 0, uncertain: 0 });
    let (ok, text) = ledger(&["export", "--format", "csv", "--store", path_text(&store)]);
    assert!(ok && text.contains("released after uncertainHoldMs"), "{text}");
}

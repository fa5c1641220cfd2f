//! `ledger resolve` and `ledger adjust` while the node runs: it makes the change, once, and the answer is a promise.

use super::*;

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
            assert_eq!(ledger(&[&arguments[..], &more].concat()), (true, text), "from the file");
        }
    }
}

#[test]
fn the_running_node_resolves_what_is_uncertain() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let config = format!("{TOKEN}{}", config_with_store(&store, "strict"));
    let node = TestNode::start(&config);
    let (mut alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    alice.send_prepare(1, &prepare_to("test.bob.x").amount(100));
    // Strict: if bob has the packet, the store has its amount.
    let deadline = Instant::now() + TIMEOUT;
    let mut reader = bob.reader;
    assert!(matches!(reader.next_event(deadline), Some(SocketEvent::Binary(_))));
    node.stop("KILL");
    let node = TestNode::start(&config);
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
    let (ok, text) = change(&node, &["adjust", "bob", "70"]);
    assert!(ok && text.contains("the balance was -70 and is 0"), "{text}");
    node.stop("KILL");
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
    assert!(!ok && text.contains("HTTP 401"), "{text}");
    check_refused(&node, &["adjust", "carol", "1"], "there is no account carol");
    let (ok, text) = change(&node, &adjust);
    assert!(ok && text.contains("the balance was 0 and is 1"), "{text}");
    assert_eq!(adjusted(&store, "alice"), "1");
}

//! Settlements that are recorded in the store of a stopped node, between those that an engine reports.

use super::*;

/// Reports a credit to node `a`.
fn credit(link: &Link, key: &str, amount: &str) {
    let quantity = json!({ "amount": amount, "scale": 12 });
    let headers = format!("Authorization: Bearer {TOKEN}\r\nIdempotency-Key: {key}\r\n");
    let answer = request("POST", link.listeners[0], "/accounts/b/settlements", &headers, &quantity);
    assert_eq!(answer, (201, quantity));
}

#[test]
fn what_an_engine_left_over_survives_a_record_in_the_store_row_135() {
    let link = Link::new("USD", "");
    let start = || {
        let node = link.start(0);
        node.wait_for_log("listening to settlement engines", "port");
        node
    };
    let node = start();
    // One unit, and half of one.
    credit(&link, "one", "1500");
    link.wait_balance_of("a", "b", -1);
    node.signal("TERM");
    node.wait_exit();

    let file = link.folder.path().join("a.yaml");
    let mut record = Command::new(PROGRAM);
    record.args(["settlement", "record", "b", "--received", "10", "--reference", "cash"]);
    record.args(["--config", path_text(&file), "--json"]);
    let recorded: Value = serde_json::from_str(&run_successfully(&mut record)).unwrap();
    assert_eq!((&recorded["units"], &recorded["leftover"]), (&"10".into(), &"0.5".into()));
    assert_eq!(recorded["alreadyRecorded"], false);

    let node = start();
    credit(&link, "two", "500");
    link.wait_balance_of("a", "b", -12);
    drop(node);
}

#[test]
fn a_store_that_cannot_be_read_is_named_beside_the_node_that_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let [config, store] = ["a.yaml", "a.db"].map(|name| folder.path().join(name));
    let text = "nodeId: a\nhealthCheckPort: 1\napiToken: the-token-of-operators\nstore: a.db\npeers: [{ id: b, authToken: b }]\n";
    std::fs::write(&config, text).unwrap();
    std::fs::write(&store, "this is no database").unwrap();
    let mut record = Command::new(PROGRAM);
    record.args(["settlement", "record", "b", "--sent", "10", "--reference", "cash"]);
    let output = run(record.args(["--config", path_text(&config)]));
    let said = combined_output(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for expected in ["nor can it be recorded", path_text(&store), "is damaged"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(std::fs::read(&store).unwrap(), b"this is no database");
}

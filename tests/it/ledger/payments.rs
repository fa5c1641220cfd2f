//! Which payments have reached the receivers of a node: STREAM payments of the program itself.

use super::*;
use crate::peer::ask;

const RECEIVERS: &str =
    "receivers: [{ id: wallet }, { id: shop }]\nhttpServerHost: 127.0.0.1\nhttpServerPort: 0\n";

/// Pays a receiver. Returns the id of the connection.
fn pay(node: &TestNode, receiver: &str, amount: &str) -> String {
    let http = node.process.wait_for_log("HTTP server listening", "port");
    let url = format!("http://127.0.0.1:{http}/{receiver}");
    let via = format!("btp+ws://alice:alice-token@127.0.0.1:{}", node.port);
    let paid = ["pay", &url, amount, "--packets", "4", "--via", &via];
    let said = run_successfully(Command::new(PROGRAM).args(paid));
    let address = said.split_once("says: ").unwrap().1.split_whitespace().next().unwrap();
    address.strip_prefix(&format!("test.n.{receiver}.")).unwrap().to_owned()
}

/// What the books say: connection, packets and amount.
fn payments(store: &Path, receiver: &str) -> Vec<(String, u64, String)> {
    let mut command = Command::new(PROGRAM);
    command.args(["ledger", "payments", receiver, "--json", "--store", path_text(store)]);
    let books: Value = serde_json::from_str(&run_successfully(&mut command)).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let payments = books["payments"].as_array().unwrap().iter();
    let payments = payments.map(|payment| {
        assert_eq!(payment["receiver"], receiver);
        assert!(text(&payment["lastAt"]).ends_with('Z'), "{payment}");
        (
            text(&payment["connection"]),
            payment["packets"].as_u64().unwrap(),
            text(&payment["amount"]),
        )
    });
    payments.collect()
}

#[test]
fn payments_of_receivers_survive_kill_9() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let config = config_with_store(&store, "strict") + RECEIVERS;
    let node = TestNode::start(&config);
    let (ok, text) = ledger(&["payments", "--store", path_text(&store)]);
    assert!(ok && text.contains("no payment has reached a receiver yet"), "{text}");
    let first = pay(&node, "wallet", "1000");
    let second = pay(&node, "wallet", "500");
    let other = pay(&node, "shop", "7");
    let row = |id: &String, packets, amount: &str| (id.clone(), packets, amount.to_owned());
    let expected = [row(&first, 4, "1000"), row(&second, 4, "500")];
    // Strict: what the sender has a proof of is saved.
    assert_eq!(payments(&store, "wallet"), expected, "while the node runs");
    let page = |query: &str| {
        let answer = get_json(node.health_port, &format!("/api/v1/nodes/n/payments?{query}"));
        let rows = answer["payments"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rows = rows.map(|row| {
            (text(&row["connection"]), row["packets"].as_u64().unwrap(), text(&row["amount"]))
        });
        (rows.collect::<Vec<_>>(), answer)
    };
    let (mut of_wallet, _) = page("receiver=wallet");
    of_wallet.sort_by_key(|(id, ..)| *id != first);
    assert_eq!(of_wallet, expected, "the page has what the books have");
    // Page by page: the receivers in their order, and each connection once.
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let (found, answer) = page(&format!("limit=1{after}"));
        assert_eq!(found.len(), 1);
        rows.extend(found);
        let Some(next) = answer["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!((rows.len(), &rows[0].0), (3, &other), "{rows:?}");
    let (status, body) = ask(node.health_port, "GET /api/v1/nodes/n/payments?after=x", None, "");
    assert_eq!(
        (status, body["detail"].as_str()),
        (400, Some("after \"x\" is not the `next` of a page"))
    );
    node.stop("KILL");
    assert_eq!(payments(&store, "wallet"), expected, "after a crash");
    assert_eq!(saved(&store, "wallet").balance, -1500);

    let node = TestNode::start(&config);
    let third = pay(&node, "wallet", "20");
    let file = path_text(&node.file).to_owned();
    let (ok, text) = ledger(&["payments", "--config", &file]);
    assert!(ok && text.contains("0.000001 (1000)") && text.contains(&other), "{text}");
    assert!(node.stop("TERM").0.success());
    assert_eq!(payments(&store, "wallet"), [&expected[..], &[row(&third, 4, "20")]].concat());
    assert_eq!(payments(&store, "shop"), [row(&other, 4, "7")]);
    let (ok, text) = ledger(&["payments", "nobody", "--store", path_text(&store)]);
    assert!(
        ok && text
            .contains("no payment has reached nobody yet; others have payments: shop, wallet"),
        "{text}"
    );
}

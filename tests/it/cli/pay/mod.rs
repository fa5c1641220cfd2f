//! `pay` over real nodes, to their receivers: exact balances at every hop whatever happens on the way, and SPSP
//! endpoints.

mod endpoint;
mod entry;
mod net;
mod pointer;
mod spsp;
mod waiting;

use serde_json::Value;

use self::net::{Net, parse_json};
use super::{check_ended, command, ended};
use crate::process::{Process, TIMEOUT};
use crate::support::eventually;

#[test]
fn through_three_nodes_of_different_scales_and_limits() {
    let net = Net::start("assetScale: 6", ", maxPacketAmount: 7");
    let expected = [
        "PAY 35,000,000 units (0.035 USD) to test.c.wallet.tok through",
        "sent            35,000,000 units (0.035 USD)",
        "delivered       35,000 units (0.035 USD)",
        "rate            0.001 (at least 0.00099)",
        "packets         5,000 fulfilled",
        "1 F08 Amount Too Large, 1 F99 Application Error",
        "largest packet  7,000 units",
    ];
    let said = check_ended(net.pay("tok", &["35000000"]), 0, &expected);
    assert!(said.ends_with("\npaid\n"), "{said}");
    assert_eq!(net.balance("a", "cli"), 35_000_000);
    assert_eq!(net.balance("c", "wallet"), -35_000);
    net.check_balances();
    // Less than one unit of the receiver is not sent.
    let paid = net.pay("tok", &["7500", "--max-packet-amount", "7000"]);
    check_ended(paid, 0, &["paid except 500 units"]);
    let too_small = "the amount is less than one unit of the receiver";
    check_ended(net.pay("tok", &["999"]), 1, &[too_small]);
    net.check_balances();
}

#[test]
fn a_hundred_thousand_packets_and_exact_balances() {
    let net = Net::start("assetScale: 6", ", maxPacketAmount: 1");
    let (code, said) = net.pay("tok", &["100000000", "--json"]);
    let value = parse_json(&said);
    assert_eq!((code, &value["packets"]["fulfilled"]), (Some(0), &100_000.into()), "{value}");
    assert_eq!((&value["sent"], &value["delivered"]), (&"100000000".into(), &"100000".into()));
    assert_eq!(net.balance("a", "cli"), 100_000_000);
    assert_eq!(net.balance("c", "wallet"), -100_000);
    net.check_balances();
}

#[test]
fn failures_say_what_to_do() {
    let net = Net::start("", "");
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        check_ended(net.pay("tok", arguments), code, expected);
    };
    let too_low = ["of 100 units 100 arrive, not 101", "--min-rate"];
    check(&["100", "--min-rate", "1.01"], 1, &too_low);
    check(&["100", "--min-rate", "1"], 0, &["rate            1 (at least 1)"]);
    check(&["1000", "--packets", "10"], 0, &["packets         10 fulfilled"]);
    for (address, expected) in [
        ("test.c.wallet.other", ["F06", "does the secret belong to this address?"]),
        ("test.nobody.x", ["F02 Unreachable", "is there a route to it?"]),
    ] {
        check_ended(net.pay_to(address, &net.secret("tok"), &["100"]), 1, &expected);
    }
    let value = parse_json(&net.pay("tok", &["100", "--json"]).1);
    assert_eq!((&value["complete"], &value["delivered"]), (&true.into(), &"100".into()), "{value}");
    assert_eq!(value["destinationAsset"], serde_json::json!({ "code": "USD", "scale": 9 }));
    net.check_balances();
}

#[test]
fn a_receiver_of_the_configuration_is_asked_at_its_node() {
    let net = Net::start("", "");
    for payee in ["test.c.wallet", "test.c", "test.a.wallet"] {
        let pay = ["pay", payee, "1000", "--config", net.file(), "--node", "a"];
        let said = check_ended(ended(&command(&pay)), 0, &[]);
        assert!(
            said.contains("wallet says: test.") || said.contains("/.well-known/pay says: "),
            "{said}"
        );
    }
    for (payee, code, expected) in [
        (
            "test.c.nobody",
            1,
            "no such receiver (Invalid receiver ID); in the configuration node c has: wallet",
        ),
        ("test.nobody.wallet", 64, "belongs to no node of the configuration"),
    ] {
        let pay = ["pay", payee, "1000", "--config", net.file(), "--node", "a"];
        check_ended(ended(&command(&pay)), code, &[expected]);
    }
    // As in a container: the environment names the node, and the others run on their own hosts.
    let environment = [("NODE_ID", "a"), ("CONFIG_FILE", net.file())];
    let (status, lines) =
        Process::start(&["pay", "test.c.wallet", "1000"], environment).wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert_eq!((net.balance("c", "wallet"), net.balance("a", "wallet")), (-3000, -1000));
    net.check_balances();
}

#[test]
fn an_interrupted_payment_prints_its_result() {
    let net = Net::start("", ", packetsPerSecond: 50");
    let pay = net.start_pay("tok", &["1000000", "--max-packet-amount", "1"]);
    eventually("some of it has arrived", TIMEOUT, || {
        let arrived = -net.balance("c", "wallet");
        if arrived > 20 { Ok(()) } else { Err(arrived.to_string()) }
    });
    pay.signal("INT");
    let (status, lines) = pay.wait_exit();
    assert_eq!(status.code(), Some(1), "{lines:#?}");
    assert!(
        lines.last().is_some_and(|line| line.contains("units are left: interrupted")),
        "{lines:#?}"
    );
    let sent = lines.iter().find_map(|line| line.strip_prefix("sent ")).map(str::trim);
    let sent = sent.and_then(|sent| sent.split(' ').next()).map(|sent| sent.replace(',', ""));
    assert_eq!(
        sent.and_then(|sent| sent.parse().ok()),
        Some(net.balance("a", "cli")),
        "{lines:#?}"
    );
    net.check_balances();
}

#[test]
fn a_node_that_dies_halfway_loses_no_money() {
    let mut net = Net::start("", "");
    let pay =
        net.start_pay("tok", &["10000", "--max-packet-amount", "1", "--expiry", "4", "--json"]);
    eventually("some of it has arrived", TIMEOUT, || {
        let arrived = -net.balance("c", "wallet");
        if arrived > 1_000 { Ok(()) } else { Err(arrived.to_string()) }
    });
    net.restart("b");
    let (status, lines) = pay.wait_exit();
    let value = parse_json(&lines.join("\n"));
    assert_eq!(status.code(), Some(0), "{value}");
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<i128>().ok()).unwrap();
    assert_eq!((number(&value["sent"]), number(&value["delivered"])), (10_000, 10_000), "{value}");
    // The payer owes exactly what was sent. The receiver may also have packets whose answers b lost.
    assert_eq!(net.balance("a", "cli"), 10_000);
    let late = i128::from(value["packets"]["late"].as_u64().unwrap());
    let received = -net.balance("c", "wallet");
    assert!((10_000..=10_000 + late).contains(&received), "{received} {value}");
    for node in ["a", "b", "c"] {
        net.sums_to_zero(node);
    }
}

//! Nodes that are killed with `kill -9` while they settle through real engines. The first kills come between a debit
//! and its credit; `CRASH_SEED` chooses which nodes are killed later, and when.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::support::print_line;

/// The nodes that are killed between a debit and its credit: the one that pays, the one that is paid, and both.
const KILLS_BETWEEN: [&[usize]; 3] = [&[0], &[1], &[0, 1]];
/// Kills at any moment.
const KILLS: usize = 12;
/// The threshold, which each round reaches, and what is owed in a round: a whole number of units of the ledger.
const OWED: i128 = 1_000_000;
/// The longest time from a debt at the threshold to a kill: the engine of the other end looks for payments every 50 ms.
const LIFE_MAX: Duration = Duration::from_millis(150);

/// Each round makes a debt that is due at once, and kills the node that pays, the one that is paid, or both. In the
/// first rounds the engine of the one that is paid sleeps until the debit is in the books and the nodes are dead. At
/// the end, what a has debited is what the ledger has moved and what b has credited.
#[test]
fn nodes_that_are_killed_while_they_settle_pay_and_credit_everything_once() {
    let scripts = match settlement_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the settlement engines", &why),
    };
    let seed = std::env::var("CRASH_SEED").ok().map_or(1, |seed| seed.parse().unwrap());
    print_line(&format!("nodes that are killed while they settle: CRASH_SEED={seed}"));
    let mut random = StdRng::seed_from_u64(seed);

    let mut link = Link::new("USD", "settleThreshold: -1000000, ");
    // A debt that has been acknowledged is in the books.
    link.durability = "strict";
    let (_ledger, ready) = script(&scripts, "ledger.js", &[]);
    let ledger_port = port_of(&ready);
    let ledger = format!("http://127.0.0.1:{ledger_port}");
    let engines = [0, 1].map(|index| link.core_engine(&scripts, index, &ledger));
    let mut nodes = [0, 1].map(|index| Some(link.start(index)));
    Link::wait_ready(&nodes.each_ref().map(|node| node.as_ref().unwrap()));

    let login = format!("btp+ws://cli:a-secret-of-tools@127.0.0.1:{}", link.btp_port);
    let mut rounds = 0;
    let mut owe = || {
        let mut ping = Command::new(PROGRAM);
        let amount = OWED.to_string();
        ping.args(["ping", "test.b", "--via", &login, "--amount", &amount, "-c", "1"]);
        run_successfully(&mut ping);
        rounds += 1;
        OWED * rounds
    };
    let kill = |nodes: &mut [Option<Process>; 2], victims: &[usize]| {
        victims.iter().for_each(|victim| drop(nodes[*victim].take()));
    };
    let restart = |nodes: &mut [Option<Process>; 2], victims: &[usize]| {
        for &victim in victims {
            nodes[victim] = Some(link.start(victim));
        }
        for &victim in victims {
            nodes[victim].as_ref().unwrap().wait_for_log("connected", "peer");
        }
    };
    let settled = |node: &str, peer: &str, way: &str| {
        link.books(node, peer)[way].as_str().map_or(0, |sum| sum.parse::<i128>().unwrap())
    };
    let wait_settled = |node: &str, peer: &str, way: &str, total: i128| {
        eventually(&format!("{way} of {node}"), TIMEOUT, || match settled(node, peer, way) {
            sum if sum == total => Ok(()),
            sum => Err(format!("{sum}, and {total} was owed")),
        });
    };
    for victims in KILLS_BETWEEN {
        // It looks for payments, and has b credit them.
        engines[1].signal("STOP");
        let total = owe();
        wait_settled("a", "b", "settledOut", total);
        kill(&mut nodes, victims);
        assert_eq!(settled("b", "a", "settledIn"), total - OWED, "a debit without its credit");
        engines[1].signal("CONT");
        restart(&mut nodes, victims);
        wait_settled("b", "a", "settledIn", total);
    }
    let (mut kills, mut total) = (0, 0);
    while kills < KILLS {
        total = owe();
        std::thread::park_timeout(LIFE_MAX.mul_f64(random.random_range(0.0..1.0)));
        let victims = [&[0][..], &[1], &[0, 1]][random.random_range(0..3)];
        kill(&mut nodes, victims);
        kills += victims.len();
        restart(&mut nodes, victims);
    }
    let total = total.to_string();
    let wait_for_books = |node: &str, peer: &str, way: &str| {
        eventually(&format!("the books of {node} at the end"), TIMEOUT, || {
            let books = link.books(node, peer);
            match (books["balance"].as_str(), books[way].as_str()) {
                (Some("0"), Some(settled)) if settled == total => Ok(()),
                _ => Err(format!("{books}, and {total} was owed")),
            }
        });
    };
    wait_for_books("a", "b", "settledOut");
    wait_for_books("b", "a", "settledIn");
    let balances = request("GET", ledger_port, "/balances", "", &Value::Null).1;
    // The ledger counts in millionths of a dollar, and the books in billionths.
    let moved: f64 = balances["ledger-b"].as_str().unwrap().parse().unwrap();
    assert_eq!((moved * 1e9).round().to_string(), total, "{balances}");
}

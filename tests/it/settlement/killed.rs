//! Nodes that are killed with `kill -9` while they settle through real engines. `CRASH_SEED` chooses which node is
//! killed, and when.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::support::print_line;

const KILLS: usize = 16;
/// The threshold, which each round reaches, and what is owed in a round: a whole number of units of the ledger.
const OWED: i128 = 1_000_000;
/// The longest time from a debt at the threshold to a kill: the engine of the other end looks for payments every 50 ms.
const LIFE_MAX: Duration = Duration::from_millis(150);

/// Each round makes a debt that is due at once, and kills the node that pays, the one that is paid, or both, between
/// the debit and the credit or later. At the end, what a has debited is what the ledger has moved and what b has
/// credited.
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
    let _engines = [0, 1].map(|index| link.core_engine(&scripts, index, &ledger));
    let mut nodes = [0, 1].map(|index| Some(link.start(index)));
    Link::wait_ready(&nodes.each_ref().map(|node| node.as_ref().unwrap()));

    let login = format!("btp+ws://cli:a-secret-of-tools@127.0.0.1:{}", link.btp_port);
    let mut kills = 0;
    let (mut rounds, mut between) = (0, 0);
    while kills < KILLS || (between == 0 && kills < 4 * KILLS) {
        let mut ping = Command::new(PROGRAM);
        let amount = OWED.to_string();
        ping.args(["ping", "test.b", "--via", &login, "--amount", &amount, "-c", "1"]);
        run_successfully(&mut ping);
        rounds += 1;
        std::thread::park_timeout(LIFE_MAX.mul_f64(random.random_range(0.0..1.0)));
        let victims = [&[0][..], &[1], &[0, 1]][random.random_range(0..3)];
        for &victim in victims {
            drop(nodes[victim].take());
        }
        kills += victims.len();
        let paid = link.books("a", "b")["settledOut"].clone();
        between += usize::from(paid != link.books("b", "a")["settledIn"]);
        for &victim in victims {
            nodes[victim] = Some(link.start(victim));
        }
        for &victim in victims {
            nodes[victim].as_ref().unwrap().wait_for_log("connected", "peer");
        }
    }
    assert!(between > 0, "no kill came between a debit and its credit");
    print_line(&format!("{between} of {rounds} rounds ended between the debit and the credit"));
    let total = (OWED * rounds).to_string();
    let wait_for_books = |node: &str, peer: &str, way: &str| {
        eventually(&format!("the books of {node} after {rounds} rounds"), TIMEOUT, || {
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

//! The profile `settlement` of docker-compose.yml: debts grow, and a and b settle them through their engines.
//!
//! Where the image of Node.js cannot be pulled, a stand-in is built from tests/docker/node, whose first lines say what
//! that proves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::network::{NODES, Network, RECOVERY_MAX, STOP_MAX, container};
use super::{build, engine, inspect, pull, repository};
use crate::support::{eventually, print_line, run_successfully};

const BASE: &str = "node:22-bookworm-slim";
const IMAGE: &str = "ilp-connector-settlement";
const SERVICES: [&str; 3] = ["ledger", "engine-a", "engine-b"];
/// The payer needs ten seconds for each debt of 1 USD, and Docker waits longer between two starts of a payer that
/// found no node.
const SETTLED_MAX: Duration = Duration::from_secs(120);

/// Pulls the base image, or builds its stand-in, and builds the image of the engines.
fn provide_image() {
    if !pull(BASE) {
        let context = tempfile::tempdir().expect("a folder");
        let copy = |from: &Path, name: &str| {
            let to = context.path().join(name);
            run_successfully(Command::new("cp").args(["-rL"]).arg(from).arg(to));
        };
        copy(&repository().join("tests/docker/node/Dockerfile"), "Dockerfile");
        copy(&printed_path(&["node", "--print", "process.execPath"]), "node");
        copy(&printed_path(&["npm", "root", "--global"]).join("npm"), "npm");
        build(BASE, context.path());
    }
    build(IMAGE, &repository().join("examples/settlement"));
}

fn printed_path(command: &[&str]) -> PathBuf {
    PathBuf::from(run_successfully(Command::new(command[0]).args(&command[1..])).trim())
}

/// What `ilp-connector` prints in the container of a node, as JSON.
fn ask(network: &Network, node: &str, arguments: &[&str]) -> Value {
    let inside = [&["exec", "-T", node, "ilp-connector"], arguments, &["--json"]].concat();
    let printed = network.compose(&inside);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

/// The balance of a peer in the books of a node, in units.
fn balance(network: &Network, node: &str, peer: &str) -> i64 {
    let books = ask(network, node, &["ledger", "balances"]);
    let accounts = books["accounts"].as_array().expect("accounts");
    let account = accounts.iter().find(|account| account["account"] == peer);
    account.map_or(0, |account| account["balance"].as_str().unwrap().parse().unwrap())
}

/// What the settlements that a node lists add up to, in units.
fn settled(network: &Network, node: &str) -> i64 {
    let listed = ask(network, node, &["settlement", "list", "--limit", "1000"]);
    let all = listed["settlements"].as_array().unwrap_or_else(|| panic!("{listed}"));
    all.iter().map(|one| one["units"].as_str().unwrap().parse::<i64>().unwrap()).sum()
}

/// What an account has at the ledger, in units of 9 decimal places.
fn at_the_ledger(network: &Network, account: &str) -> i64 {
    let script = format!(
        "fetch('http://127.0.0.1:3000/balances').then(reply => reply.json())\
         .then(sums => console.log(Math.round(1e9 * (sums.{account} ?? 0))))"
    );
    network.compose(&["exec", "-T", "ledger", "node", "-e", &script]).trim().parse().expect("units")
}

/// Waits until neither end owes anything, which the interval of the network file brings about, and compares all books.
fn wait_even(network: &Network) {
    eventually("both ends are even", RECOVERY_MAX, || {
        match (balance(network, "a", "b"), balance(network, "b", "a")) {
            (0, 0) => Ok(()),
            both => Err(format!("{both:?}")),
        }
    });
    let paid = settled(network, "a");
    assert_eq!(settled(network, "b"), paid);
    assert_eq!((at_the_ledger(network, "a"), at_the_ledger(network, "b")), (-paid, paid));
    let reconcile = ["exec", "-T", "b", "ilp-connector", "reconcile", "a"];
    eventually("the books agree", RECOVERY_MAX, || match network.compose(&reconcile) {
        printed if printed.trim() == "a: the books agree" => Ok(()),
        printed => Err(printed),
    });
}

/// The steps of docs/SETTLEMENT.md.
#[test]
fn a_network_settles_by_itself_and_catches_up_after_the_loss_of_an_engine() {
    let Some(engine) = engine() else { return };
    provide_image();
    let network = Network::new(engine);
    let environment = "COMPOSE_PROFILES=settlement\nNETWORK=settling\nENGINE_TOKEN=a-token\n\
                       API_TOKEN=an-operators-token\n";
    std::fs::write(network.folder.path().join(".env"), environment).expect("a file");
    let all = [&NODES[..], &SERVICES].concat();
    let start = Instant::now();
    network.up(&[]);
    network.healthy(&all);
    print_line(&format!("all healthy {:.1?} after a start with engines", start.elapsed()));

    let settles = |more_than: i64| {
        let wanted = more_than + 2_000_000_000;
        eventually("debts are paid as they grow", SETTLED_MAX, || match settled(&network, "b") {
            sum if sum >= wanted => Ok(()),
            sum => Err(format!("{sum} of {wanted}")),
        });
    };
    settles(0);
    network.compose(&["stop", "payer"]);
    wait_even(&network);
    let before = settled(&network, "b");

    // Without its engine, b does not learn of what a pays, until the engine is back.
    network.compose(&["kill", "engine-b"]);
    network.compose(&["start", "payer"]);
    eventually("a pays", SETTLED_MAX, || match at_the_ledger(&network, "a") {
        sum if sum <= -before - 1_000_000_000 => Ok(()),
        sum => Err(format!("{sum}")),
    });
    assert_eq!(settled(&network, "b"), before);
    network.compose(&["start", "engine-b"]);
    settles(before);
    network.compose(&["stop", "payer"]);
    wait_even(&network);

    for service in all {
        let start = Instant::now();
        network.compose(&["stop", service]);
        let took = start.elapsed();
        assert_eq!(inspect(&container(service), "{{.State.ExitCode}}"), "0", "of {service}");
        assert!(took < STOP_MAX, "{service} took {took:?} to stop");
    }
}

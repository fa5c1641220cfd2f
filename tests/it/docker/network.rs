//! The network of docker-compose.yml: started, used from outside, disturbed, and changed by editing one file.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use super::{
    Engine, IMAGE, copy_of_network, docker, engine, health, health_is, inspect, json_log,
    repository,
};
use crate::support::{
    PROGRAM, combined_output, eventually, print_line, run, run_successfully, text,
};

/// The required time from nothing to all nodes healthy.
const COLD_START_MAX: Duration = Duration::from_secs(30);
/// The time to recover, longer than the quick attempts to reconnect, which take half a minute.
pub(super) const RECOVERY_MAX: Duration = Duration::from_secs(60);
/// The time to apply a changed file, which is read every second and applied when two reads agree.
const RELOAD_MAX: Duration = Duration::from_secs(20);
pub(super) const STOP_MAX: Duration = Duration::from_secs(10);

pub(super) const NODES: [&str; 3] = ["a", "b", "c"];

/// A running copy of the network, which is removed with its test.
pub(super) struct Network {
    engine: MutexGuard<'static, Engine>,
    pub(super) folder: tempfile::TempDir,
}

impl Network {
    pub(super) fn new(engine: MutexGuard<'static, Engine>) -> Self {
        let network = Self { engine, folder: copy_of_network() };
        network.remove();
        network
    }

    /// Runs a Compose command in the copy, which must succeed; returns what it prints.
    pub(super) fn compose(&self, arguments: &[&str]) -> String {
        let output = run(self.command().args(arguments));
        assert!(
            output.status.success(),
            "compose {arguments:?} failed:\n{}",
            combined_output(&output)
        );
        text(&output.stdout)
    }

    pub(super) fn command(&self) -> Command {
        let mut words = self.engine.compose.iter();
        let mut command = Command::new(words.next().expect("a program"));
        command
            .args(words)
            .args(["--project-name", "ilp-connector-test"])
            .current_dir(self.folder.path());
        command
    }

    pub(super) fn up(&self, services: &[&str]) {
        self.compose(&[&["up", "--detach", "--no-build"], services].concat());
    }

    /// Waits until Docker reports these nodes as healthy; returns how long that took.
    pub(super) fn healthy(&self, nodes: &[&str]) -> Duration {
        let start = Instant::now();
        for node in nodes {
            eventually(&format!("{node} is healthy"), RECOVERY_MAX, || {
                match inspect(&container(node), "{{.State.Health.Status}}").as_str() {
                    "healthy" => Ok(()),
                    other => Err(format!("{node} is {other}")),
                }
            });
        }
        start.elapsed()
    }

    pub(super) fn remove(&self) {
        let _ = self
            .command()
            .args(["down", "--volumes", "--remove-orphans", "--timeout", "1"])
            .output();
    }

    /// Edits a file of the copy as many editors do: a new file replaces the old one.
    fn edit(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.folder.path().join(file);
        let before = std::fs::read_to_string(&path).expect("a file");
        let after = change(before.clone());
        assert_ne!(before, after, "the edit of {file} changed nothing");
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, after).expect("a new file");
        std::fs::rename(fresh, path).expect("a replaced file");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() {
            print_line(&combined_output(&run(self.command().args(["logs", "--no-color"]))));
        }
        self.remove();
    }
}

/// A copy of the network, with all nodes healthy; `None` after the reason was printed.
fn running_network() -> Option<Network> {
    let network = Network::new(engine()?);
    network.up(&[]);
    network.healthy(&NODES);
    Some(network)
}

pub(super) fn container(node: &str) -> String {
    format!("ilp-connector-{node}")
}

/// The published BTP and health ports of a node.
pub(super) fn ports(node: &str) -> (u16, u16) {
    let index = node.bytes().next().map_or(0, |letter| u16::from(letter - b'a'));
    (3000 + index, 8080 + index)
}

/// The URL of a login at a node from this machine.
fn via(node: &str) -> String {
    format!("btp+ws://cli:demo-cli-token@127.0.0.1:{}", ports(node).0)
}

/// `ilp-connector ping` from this machine, through a published port.
fn ping(from: &str, to: &str) -> Result<(), String> {
    let address = format!("test.{to}");
    let output = run(Command::new(PROGRAM).args([
        "ping",
        &address,
        "--count",
        "1",
        "--timeout",
        "5",
        "--via",
        &via(from),
    ]));
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{from} to {to}: {}", combined_output(&output)))
    }
}

pub(super) fn wait_all_reachable(nodes: &[&str]) {
    for from in nodes {
        for to in nodes.iter().filter(|to| *to != from) {
            eventually(&format!("{from} reaches {to}"), RECOVERY_MAX, || ping(from, to));
        }
    }
}

#[test]
fn compose_file_is_valid_without_a_warning() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    let output = run(network.command().args(["config", "--quiet"]));
    assert!(output.status.success());
    assert_eq!(combined_output(&output), "");
}

#[test]
fn the_network_starts_forwards_packets_and_stops_in_time() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    let start = Instant::now();
    network.up(&[]);
    network.healthy(&NODES);
    let took = start.elapsed();
    print_line(&format!("Compose network: all healthy {took:.1?} after a cold start"));
    assert!(took < COLD_START_MAX, "the network took {took:?} to be healthy");

    for node in NODES {
        let (code, body) = health(ports(node).1).expect("/health is published");
        assert_eq!((code, body["nodeId"].as_str()), (200, Some(node)), "{body}");
    }
    wait_all_reachable(&NODES);
    // `send` ends with 0 only if every packet was fulfilled.
    let thousand = ["send", "test.c", "--count", "1000", "--window", "64", "--via", &via("a")];
    run_successfully(Command::new(PROGRAM).args(thousand));
    // The same inside a container, with the account of the node's own configuration.
    network.compose(&["exec", "-T", "a", "ilp-connector", "ping", "test.c", "--count", "1"]);
    // The page is a container too.
    network.healthy(&["watch"]);
    assert_eq!(network.compose(&["ps"]).matches("healthy").count(), NODES.len() + 1);

    for node in NODES {
        let start = Instant::now();
        network.compose(&["stop", node]);
        let took = start.elapsed();
        assert_eq!(inspect(&container(node), "{{.State.ExitCode}}"), "0", "exit code of {node}");
        assert!(took < STOP_MAX, "{node} took {took:?} to stop");
        assert!(!json_log(&container(node)).is_empty());
    }
}

#[test]
fn nodes_may_start_in_any_order() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    for order in [["c", "b", "a"], ["a", "c", "b"]] {
        for node in order {
            network.up(&[node]);
            eventually("it runs", RECOVERY_MAX, || health(ports(node).1));
        }
        network.healthy(&NODES);
        wait_all_reachable(&NODES);
        network.remove();
    }
}

#[test]
fn the_network_recovers_from_a_restart_and_the_loss_of_a_node() {
    let Some(network) = running_network() else { return };

    network.compose(&["restart", "b"]);
    wait_all_reachable(&NODES);
    network.healthy(&NODES);

    // Each node reports the peers that it dials: a reports b, and b reports c.
    for (lost, neighbour) in [("b", "a"), ("c", "b")] {
        network.compose(&["kill", lost]);
        eventually(&format!("{neighbour} reports the loss of {lost}"), RECOVERY_MAX, || {
            health_is(ports(neighbour).1, 503)
        });
        assert!(ping("a", "c").is_err(), "a reaches c without {lost}");
        network.compose(&["start", lost]);
        eventually(&format!("{neighbour} is connected to {lost} again"), RECOVERY_MAX, || {
            health_is(ports(neighbour).1, 200)
        });
        wait_all_reachable(&NODES);
    }
    network.healthy(&NODES);
}

/// What the books of a node say, read inside its container: the balance and the uncertain amount of each account.
pub(super) fn books(network: &Network, node: &str) -> Vec<[String; 3]> {
    let command = ["exec", "-T", node, "ilp-connector", "ledger", "balances", "--json"];
    accounts(&network.compose(&command))
}

fn accounts(balances: &str) -> Vec<[String; 3]> {
    let books: serde_json::Value = serde_json::from_str(balances).expect("JSON");
    let accounts = books["accounts"].as_array().expect("accounts");
    let value = |account: &serde_json::Value, key: &str| account[key].as_str().unwrap().to_owned();
    let of = |account| ["account", "balance", "uncertain"].map(|key| value(account, key));
    accounts.iter().map(of).collect()
}

/// Waits until b has forwarded `paid` units; returns the books of all nodes.
pub(super) fn books_after(network: &Network, paid: &str) -> Vec<Vec<[String; 3]>> {
    let expected = [["a", paid, "0"], ["c", &format!("-{paid}"), "0"]];
    eventually("the payment is in the books of b", RECOVERY_MAX, || match books(network, "b") {
        seen if seen == expected => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    NODES.iter().map(|node| books(network, node)).collect()
}

pub(super) fn pay(network: &Network, amount: &str) {
    wait_all_reachable(&NODES);
    network.compose(&["exec", "-T", "a", "ilp-connector", "pay", "test.c.wallet", amount]);
}

#[test]
fn balances_survive_restarts_kills_and_new_containers() {
    let Some(network) = running_network() else { return };
    pay(&network, "1000");
    let before = books_after(&network, "1000");
    let check = |what: &str| {
        network.healthy(&NODES);
        let after: Vec<_> = NODES.iter().map(|node| books(&network, node)).collect();
        assert_eq!(after, before, "after {what}");
    };
    network.compose(&["restart"]);
    check("a restart");
    network.compose(&["kill", "-s", "KILL"]);
    network.compose(&["start"]);
    check("a kill");
    network.compose(&["up", "--detach", "--no-build", "--force-recreate"]);
    check("new containers");
    network.compose(&["down"]);
    network.up(&[]);
    check("another network");
    // Nothing can be written beside the file, and its node is stopped.
    network.compose(&["stop", "b"]);
    let volume = "ilp-connector-test_books-b:/var/lib/ilp-connector:ro";
    let read = ["ledger", "balances", "--json", "--store", "/var/lib/ilp-connector/b.db"];
    let read = run_successfully(
        docker(&["run", "--rm", "--read-only", "--cap-drop", "ALL", "--volume", volume, IMAGE])
            .args(read),
    );
    assert_eq!(accounts(&read), before[1]);
}

/// The recipe of docs/OPERATIONS.md for Compose.
#[test]
fn a_backup_of_a_container_is_restored() {
    let Some(network) = running_network() else { return };
    pay(&network, "1000");
    let before = books_after(&network, "1000");
    let backup = network.folder.path().join("backup");
    std::fs::create_dir(&backup).expect("a folder");
    let user = text(&run(Command::new("id").arg("-u")).stdout).trim().to_owned();
    let volume = format!("{}:/backup", backup.display());
    let run_b = |options: &[&str], arguments: &[&str]| {
        let run = ["run", "--rm", "--no-deps", "--volume", &volume];
        network.compose(&[&run, options, &["b", "ledger"], arguments].concat())
    };
    run_b(&["--user", &user], &["backup", "/backup/b.db"]);
    pay(&network, "500");
    books_after(&network, "1500");
    network.compose(&["kill", "-s", "KILL", "b"]);
    let set_mode = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(backup.join("b.db"), permissions).unwrap();
    };
    set_mode(0o644);
    let printed = run_b(&[], &["restore", "/backup/b.db"]);
    set_mode(0o600);
    assert!(printed.contains("restored cut"), "{printed}");
    network.compose(&["start", "b"]);
    network.healthy(&NODES);
    assert_eq!(before[1], [["a", "1000", "0"], ["c", "-1000", "0"]]);
    // The nodes compare their books: a admits what the backup lacks, and what c claims is for the operator of b.
    let expected = [["a", "1500", "0"], ["c", "-1000", "0"]];
    eventually("a admits its debt", RECOVERY_MAX, || match books(&network, "b") {
        seen if seen == expected => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
}

/// A running node needs a token to change a balance; the Compose file passes it on.
#[test]
fn a_balance_is_changed_inside_a_container() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    std::fs::write(network.folder.path().join(".env"), "API_TOKEN=an-operators-token\n").unwrap();
    network.up(&[]);
    network.healthy(&NODES);
    pay(&network, "1000");
    books_after(&network, "1000");
    let adjust = ["exec", "-T", "b", "ilp-connector", "ledger", "adjust", "c", "-5", "--reason"];
    let printed = network.compose(&[&adjust[..], &["a fee"]].concat());
    assert!(printed.contains("the balance was -1000 and is -1005"), "{printed}");
}

/// Its socket stays open and silent, so only the keep-alive can detect it.
#[test]
fn a_frozen_node_is_detected() {
    let Some(network) = running_network() else { return };
    network.compose(&["pause", "c"]);
    eventually("b reports the loss of c", RECOVERY_MAX, || health_is(ports("b").1, 503));
    network.compose(&["unpause", "c"]);
    eventually("b is connected to c again", RECOVERY_MAX, || health_is(ports("b").1, 200));
    wait_all_reachable(&NODES);
}

#[test]
fn a_broken_file_changes_nothing() {
    let Some(network) = running_network() else { return };
    let config = "docker/config/config.yaml";
    network.edit(config, |text| text.replace("to: c", "too: c"));
    eventually("a logs the mistake", RELOAD_MAX, || {
        let log = json_log(&container("a"));
        log.iter()
            .any(|line| line.to_string().contains("did you mean to?"))
            .then_some(())
            .ok_or("nothing".to_owned())
    });
    wait_all_reachable(&NODES);
}

/// The recipes of docs/TOPOLOGIES.md, as its readers follow them.
mod recipes {
    use super::*;

    impl Network {
        /// Makes the edits that the page marks with `<!-- recipe NAME: FILE, under LINE -->` (the block
        /// that follows goes below that line) or `<!-- recipe NAME: FILE, without -->` (its lines are deleted).
        fn follow(&self, name: &str) {
            let page =
                std::fs::read_to_string(repository().join("docs/TOPOLOGIES.md")).expect("the page");
            let announcement = format!("<!-- recipe {name}: ");
            let mut edits = 0;
            for part in page.split(&announcement).skip(1) {
                let (order, rest) = part.split_once(" -->").expect("the end of the comment");
                let (file, what) = order.split_once(", ").expect("a file and what to do");
                let block = rest
                    .split("```")
                    .nth(1)
                    .expect("a block")
                    .trim_start_matches("yaml")
                    .trim_matches('\n');
                self.edit(file, |text| match what.strip_prefix("under ") {
                    Some(line) => {
                        text.replacen(&format!("\n{line}\n"), &format!("\n{line}\n{block}\n"), 1)
                    }
                    None => block
                        .lines()
                        .fold(text, |text, line| text.replacen(&format!("\n{line}\n"), "\n", 1)),
                });
                edits += 1;
            }
            assert!(edits > 0, "docs/TOPOLOGIES.md has no recipe {name}");
        }
    }

    #[test]
    fn the_mesh_recipe_connects_a_and_c_without_b() {
        let Some(network) = running_network() else { return };
        network.follow("mesh");
        // Without b, a and c still reach each other, because they are linked now.
        network.compose(&["stop", "b"]);
        eventually("a reaches c without b", RELOAD_MAX, || ping("a", "c"));
        eventually("c reaches a without b", RELOAD_MAX, || ping("c", "a"));
    }

    #[test]
    fn the_remove_b_recipe_keeps_a_and_c_connected() {
        let Some(network) = running_network() else { return };
        network.follow("remove b");
        eventually("b is unhealthy", RELOAD_MAX, || health_is(ports("b").1, 503));
        wait_all_reachable(&["a", "c"]);
        network.healthy(&["a", "c"]);
    }

    #[test]
    fn the_add_d_recipe_restarts_no_node() {
        let Some(network) = running_network() else { return };
        network.follow("add d");
        let started = inspect(&container("a"), "{{.State.StartedAt}}");
        network.up(&[]);
        network.healthy(&["d"]);
        wait_all_reachable(&["a", "b", "c", "d"]);
        assert_eq!(inspect(&container("a"), "{{.State.StartedAt}}"), started, "a was restarted");
    }
}

//! The network of docker-compose.yml: started, used from outside, hurt, and changed by editing one file.

use std::process::Command;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use super::{Engine, copy_of_network, engine, health, health_is, inspect, json_log, repository};
use crate::support::{PROGRAM, both, eventually, run, run_well, say, text};

/// From nothing to all healthy: the requirement.
const COLD_START_MAX: Duration = Duration::from_secs(30);
/// For what heals by itself: beyond the quick attempts to reconnect, which take half a minute.
const HEALS_WITHIN: Duration = Duration::from_secs(60);
/// For a change of the file: it is looked at every second, and applied when two looks agree.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(20);
const STOP_WITHIN: Duration = Duration::from_secs(10);

const NODES: [&str; 3] = ["a", "b", "c"];

/// A running copy of the network. It goes with its test.
struct Network<'engine> {
    engine: MutexGuard<'engine, Engine>,
    folder: tempfile::TempDir,
}

impl<'engine> Network<'engine> {
    fn new(engine: MutexGuard<'engine, Engine>) -> Self {
        let network = Self { engine, folder: copy_of_network() };
        network.remove();
        network
    }

    /// A Compose command in the copy, which must succeed; what it prints.
    fn compose(&self, arguments: &[&str]) -> String {
        let output = run(self.command().args(arguments));
        assert!(output.status.success(), "compose {arguments:?} failed:\n{}", both(&output));
        text(&output.stdout)
    }

    fn command(&self) -> Command {
        let mut words = self.engine.compose.iter();
        let mut command = Command::new(words.next().expect("a program"));
        command
            .args(words)
            .args(["--project-name", "ilp-connector-test"])
            .current_dir(self.folder.path());
        command
    }

    fn up(&self, services: &[&str]) {
        self.compose(&[&["up", "--detach", "--no-build"], services].concat());
    }

    /// Waits until Docker calls these nodes healthy; how long the last one took.
    fn healthy(&self, nodes: &[&str]) -> Duration {
        let start = Instant::now();
        for node in nodes {
            eventually(&format!("{node} is healthy"), HEALS_WITHIN, || {
                match inspect(&container(node), "{{.State.Health.Status}}").as_str() {
                    "healthy" => Ok(()),
                    other => Err(format!("{node} is {other}")),
                }
            });
        }
        start.elapsed()
    }

    fn remove(&self) {
        let _ = self
            .command()
            .args(["down", "--volumes", "--remove-orphans", "--timeout", "1"])
            .output();
    }

    /// Rewrites a file of the copy. Like many editors: a new file takes the place of the old one.
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

impl Drop for Network<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&both(&run(self.command().args(["logs", "--no-color"]))));
        }
        self.remove();
    }
}

fn container(node: &str) -> String {
    format!("ilp-connector-{node}")
}

/// Where the Compose file publishes a node's BTP port, and its health port.
fn ports(node: &str) -> (u16, u16) {
    let index = node.bytes().next().map_or(0, |letter| u16::from(letter - b'a'));
    (3000 + index, 8080 + index)
}

/// How to log in at a node from this machine.
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
    if output.status.success() { Ok(()) } else { Err(format!("{from} to {to}: {}", both(&output))) }
}

fn everybody_reaches_everybody(nodes: &[&str]) {
    for from in nodes {
        for to in nodes.iter().filter(|to| *to != from) {
            eventually(&format!("{from} reaches {to}"), HEALS_WITHIN, || ping(from, to));
        }
    }
}

#[test]
fn compose_file_is_valid_without_a_warning() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    let output = run(network.command().args(["config", "--quiet"]));
    assert!(output.status.success());
    assert_eq!(both(&output), "");
}

#[test]
fn cold_start_packets_and_stop() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    let start = Instant::now();
    network.up(&[]);
    network.healthy(&NODES);
    let took = start.elapsed();
    say(&format!("Compose network: all healthy {took:.1?} after a cold start"));
    assert!(took < COLD_START_MAX, "the network took {took:?} to be healthy");

    for node in NODES {
        let (code, body) = health(ports(node).1).expect("/health is published");
        assert_eq!((code, body["nodeId"].as_str()), (200, Some(node)), "{body}");
    }
    everybody_reaches_everybody(&NODES);
    // Ends with 0 only if every packet was fulfilled.
    let thousand = ["send", "test.c", "--count", "1000", "--window", "64", "--via", &via("a")];
    run_well(Command::new(PROGRAM).args(thousand));
    // The same from within, with the account of the node's own configuration.
    network.compose(&["exec", "-T", "a", "ilp-connector", "ping", "test.c", "--count", "1"]);
    assert_eq!(network.compose(&["ps"]).matches("healthy").count(), NODES.len());

    for node in NODES {
        let start = Instant::now();
        network.compose(&["stop", node]);
        let took = start.elapsed();
        assert_eq!(inspect(&container(node), "{{.State.ExitCode}}"), "0", "exit code of {node}");
        assert!(took < STOP_WITHIN, "{node} took {took:?} to stop");
        assert!(!json_log(&container(node)).is_empty());
    }
}

#[test]
fn starts_in_any_order() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    for order in [["c", "b", "a"], ["a", "c", "b"]] {
        for node in order {
            network.up(&[node]);
            eventually("it runs", HEALS_WITHIN, || health(ports(node).1));
        }
        network.healthy(&NODES);
        everybody_reaches_everybody(&NODES);
        network.remove();
    }
}

#[test]
fn survives_a_restart_and_the_loss_of_a_node() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    network.up(&[]);
    network.healthy(&NODES);

    network.compose(&["restart", "b"]);
    everybody_reaches_everybody(&NODES);
    network.healthy(&NODES);

    // Each node answers for the peers that it dials: a for b, b for c.
    for (lost, neighbour) in [("b", "a"), ("c", "b")] {
        network.compose(&["kill", lost]);
        eventually(&format!("{neighbour} misses {lost}"), HEALS_WITHIN, || {
            health_is(ports(neighbour).1, 503)
        });
        assert!(ping("a", "c").is_err(), "a reaches c without {lost}");
        network.compose(&["start", lost]);
        eventually(&format!("{neighbour} has {lost} again"), HEALS_WITHIN, || {
            health_is(ports(neighbour).1, 200)
        });
        everybody_reaches_everybody(&NODES);
    }
    network.healthy(&NODES);
}

/// Its socket stays open and says nothing: only the keep-alive can tell.
#[test]
fn notices_a_frozen_node() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    network.up(&[]);
    network.healthy(&NODES);
    network.compose(&["pause", "c"]);
    eventually("b misses c", HEALS_WITHIN, || health_is(ports("b").1, 503));
    network.compose(&["unpause", "c"]);
    eventually("b has c again", HEALS_WITHIN, || health_is(ports("b").1, 200));
    everybody_reaches_everybody(&NODES);
}

#[test]
fn a_broken_file_changes_nothing() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    network.up(&[]);
    network.healthy(&NODES);
    let config = "docker/config/config.yaml";
    network.edit(config, |text| text.replace("to: c", "too: c"));
    eventually("a says what is wrong", FOLLOWS_WITHIN, || {
        let log = json_log(&container("a"));
        log.iter()
            .any(|line| line.to_string().contains("did you mean to?"))
            .then_some(())
            .ok_or("nothing".to_owned())
    });
    everybody_reaches_everybody(&NODES);
}

/// What docs/TOPOLOGIES.md tells its readers to do, done to the letter.
mod recipes {
    use super::*;

    impl Network<'_> {
        /// Carries out the edits that the page announces by `<!-- recipe NAME: FILE, under LINE -->` (the block
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
    fn mesh() {
        let Some(engine) = engine() else { return };
        let network = Network::new(engine);
        network.up(&[]);
        network.healthy(&NODES);
        network.follow("mesh");
        // Without b, a and c still reach each other: they are linked now.
        network.compose(&["stop", "b"]);
        eventually("a reaches c without b", FOLLOWS_WITHIN, || ping("a", "c"));
        eventually("c reaches a without b", FOLLOWS_WITHIN, || ping("c", "a"));
    }

    #[test]
    fn remove_b() {
        let Some(engine) = engine() else { return };
        let network = Network::new(engine);
        network.up(&[]);
        network.healthy(&NODES);
        network.follow("remove b");
        eventually("b has nothing to do", FOLLOWS_WITHIN, || health_is(ports("b").1, 503));
        everybody_reaches_everybody(&["a", "c"]);
        network.healthy(&["a", "c"]);
    }

    #[test]
    fn add_d() {
        let Some(engine) = engine() else { return };
        let network = Network::new(engine);
        network.up(&[]);
        network.healthy(&NODES);
        network.follow("add d");
        let started = inspect(&container("a"), "{{.State.StartedAt}}");
        network.up(&[]);
        network.healthy(&["d"]);
        everybody_reaches_everybody(&["a", "b", "c", "d"]);
        assert_eq!(inspect(&container("a"), "{{.State.StartedAt}}"), started, "a was started anew");
    }
}

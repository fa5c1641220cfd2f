//! The profile `postgres` of docker-compose.yml: all nodes keep their balances in one database.
//!
//! Where the image of the database cannot be pulled, a stand-in is built from tests/docker/postgres, whose first lines
//! say what that proves.

use std::fs::File;
use std::process::Command;
use std::time::Instant;

use super::network::{
    NODES, Network, RECOVERY_MAX, STOP_MAX, books, books_after, container, pay, ports,
};
use super::{build, engine, health, inspect, pull, repository};
use crate::support::{eventually, print_line, run_successfully};

const IMAGE: &str = "postgres:15-bookworm";
const DATABASE: &str = "postgres";

/// The recipe of docs/OPERATIONS.md.
#[test]
fn balances_in_a_database_survive_kills_of_it_and_of_a_node() {
    let Some(engine) = engine() else { return };
    if !pull(IMAGE) {
        build(IMAGE, &repository().join("tests/docker/postgres"));
    }
    let network = Network::new(engine);
    let environment = "COMPOSE_PROFILES=postgres\nPOSTGRES_PASSWORD=a-password\n\
                       STORE_URL=postgres://ilp:a-password@postgres/ilp\n";
    std::fs::write(network.folder.path().join(".env"), environment).expect("a file");
    let start = Instant::now();
    let all = [&NODES[..], &[DATABASE]].concat();
    network.up(&[]);
    network.healthy(&all);
    print_line(&format!("all healthy {:.1?} after a start with a database", start.elapsed()));

    pay(&network, "1000");
    let before = books_after(&network, "1000");
    let check = |what: &str| {
        network.healthy(&all);
        let after: Vec<_> = NODES.iter().map(|node| books(&network, node)).collect();
        assert_eq!(after, before, "after {what}");
    };
    let backup = network.folder.path().join("books.dump");
    let dump = ["pg_dump", "--username", "ilp", "--schema", "ilp_connector", "--format", "custom"];
    run_successfully(
        network.in_database(&dump).arg("ilp").stdout(File::create(&backup).expect("a file")),
    );

    network.compose(&["kill", "-s", "KILL", "b", DATABASE]);
    eventually("a reports the loss of its store", RECOVERY_MAX, || match health(ports("a").1)? {
        (503, body) if body.to_string().contains("store") => Ok(()),
        (code, body) => Err(format!("{code} {body}")),
    });
    network.compose(&["start", "b", DATABASE]);
    check("a kill");

    pay(&network, "500");
    books_after(&network, "1500");
    network.compose(&["stop", "a", "b", "c"]);
    let restore = ["pg_restore", "--username", "ilp", "--clean", "--if-exists", "--dbname", "ilp"];
    run_successfully(network.in_database(&restore).stdin(File::open(&backup).expect("a backup")));
    network.compose(&["start", "a", "b", "c"]);
    check("a restore");

    for service in all {
        let start = Instant::now();
        network.compose(&["stop", service]);
        let took = start.elapsed();
        assert_eq!(inspect(&container(service), "{{.State.ExitCode}}"), "0", "of {service}");
        assert!(took < STOP_MAX, "{service} took {took:?} to stop");
    }
}

impl Network {
    /// A program inside the container of the database.
    fn in_database(&self, program: &[&str]) -> Command {
        let mut command = self.command();
        command.args(["exec", "-T", DATABASE]).args(program);
        command
    }
}

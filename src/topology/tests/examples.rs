//! The shipped files have no mistakes and do what they are for.

use std::path::{Path, PathBuf};

use super::super::{Topology, check};
use super::on_loopback;
use crate::account::Relation;
use crate::config::{Routing, Source};

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["examples", "docker/config"];
    let entries = folders.iter().flat_map(|name| std::fs::read_dir(root.join(name)).unwrap());
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    files
}

fn source(file: &Path) -> Source {
    Source { file: Some(file.to_owned()), ..Source::default() }
}

#[test]
fn every_file_passes_check() {
    for file in files() {
        let checked = check(&source(&file)).unwrap_or_else(|problems| panic!("{problems}"));
        for warning in checked.warnings {
            assert!(warning.place.text.ends_with("apiToken"), "{warning}");
        }
    }
}

#[test]
fn every_node_has_the_account_of_the_tools() {
    for file in files() {
        let checked = check(&source(&file)).unwrap();
        let nodes: Vec<_> = match &checked.topology {
            None => vec![checked.node.unwrap().config],
            Some(topology) => topology.node_ids().map(|id| on_loopback(topology, id)).collect(),
        };
        for node in nodes {
            let cli = node.peer("cli").unwrap_or_else(|| panic!("{}: no cli", file.display()));
            assert_eq!(cli.account.relation, Relation::Child);
            assert!(cli.auth_token.is_some() && !cli.required);
            // A child has neither the address nor the asset of its parent before it is connected.
            assert_eq!(
                node.address.is_none(),
                node.settings.node_id.as_str() == "child",
                "{}",
                file.display()
            );
        }
    }
}

#[test]
fn every_network_runs_on_one_machine() {
    for file in files() {
        let Ok(topology) = Topology::load(&source(&file)) else { continue };
        let content = source(&file).read().unwrap().unwrap();
        let loaded = Topology::load_all_on_loopback(&source(&file), &content, |_| {}).unwrap();
        let warnings: Vec<_> = loaded.iter().flat_map(|one| &one.warnings).collect();
        assert!(
            warnings.iter().all(|warning| warning.place.text.ends_with("apiToken")),
            "{warnings:?}"
        );
        for (number, id) in topology.node_ids().enumerate() {
            let node = on_loopback(&topology, id);
            assert_eq!(usize::from(node.settings.btp_server_port), 3000 + number);
            assert_eq!(usize::from(node.settings.health_check_port), 8080 + number);
            assert_eq!(
                (node.settings.btp_server_host.as_str(), node.settings.health_check_host.as_str()),
                ("127.0.0.1", "127.0.0.1")
            );
            let others = topology.node_ids().filter(|other| *other != id);
            for other in others {
                let address = on_loopback(&topology, other).address.unwrap();
                let covered = node.routes.iter().any(|route| route.prefix.matches(address.view()));
                // Routes that nodes exchange are not in the file.
                let found = node.settings.routing == Routing::Dynamic;
                assert_eq!(covered, !found, "{}: no route from {id} to {address}", file.display());
            }
        }
    }
}

//! Settlement engines of a network in containers. They are programs of their own, which the output does not start: it
//! says where each must answer, and a warning names what no container can reach.

use std::collections::BTreeSet;
use std::io::Write;

use crate::config::NodeConfig;
use crate::console::Failure;
use crate::net::is_loopback;

/// What the container of a node says about its settlement engines: for each one a line, in which `id` is the node.
/// Warnings go to `err`.
pub(super) fn describe_engines(
    id: &str,
    node: &NodeConfig,
    err: &mut dyn Write,
) -> Result<Vec<String>, Failure> {
    let engines = node.peers.iter().filter_map(|peer| peer.engine());
    let engines: BTreeSet<(String, String)> = engines
        .map(|keys| {
            (
                keys.engine.host().to_string(),
                keys.engine.to_string().trim_end_matches('/').to_owned(),
            )
        })
        .collect();
    if engines.is_empty() {
        return Ok(Vec::new());
    }
    let settings = &node.settings;
    for (host, url) in &engines {
        if is_loopback(host) {
            writeln!(
                err,
                "warning: node {id} asks its settlement engine at {url}, which in its container is the container itself; \
                 give the engine a service, and its name in `engine`"
            )?;
        }
    }
    if settings.settlement_port.is_some() && is_loopback(&settings.settlement_host) {
        writeln!(
            err,
            "warning: node {id} listens to settlement engines at {}, where no other container reaches it; set \
             settlementHost to 0.0.0.0, and a settlementToken",
            settings.settlement_host
        )?;
    }
    let reached = match settings.settlement_port {
        Some(port) => format!("; it reaches this node at http://{id}:{port}"),
        None => String::new(),
    };
    Ok(engines
        .into_iter()
        .map(|(_, url)| format!("Not in this file: its settlement engine at {url}{reached}."))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::compose;

    fn print(engine: &str, node: &str) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("net.yaml");
        let peer = format!("{{ id: b, settlement: {{ engine: \"{engine}\" }} }}");
        let text = format!(
            "nodes:\n  - {{ id: a, {node}, peers: [{peer}] }}\n  - {{ id: b }}\n\
             links: [{{ from: a, to: b, secret: s }}]\ndefaults: {{ store: books/ }}\n"
        );
        std::fs::write(&file, text).unwrap();
        compose(&file)
    }

    #[test]
    fn engines_are_named_where_they_are_missing() {
        let node = "settlementHost: 0.0.0.0, settlementPort: 7100, settlementToken: t";
        let (printed, warnings) = print("http://engine-a:3000", node);
        let comment = "    # Not in this file: its settlement engine at http://engine-a:3000; it reaches this node at http://a:7100.\n";
        assert_eq!(printed.matches(comment).count(), 1, "{printed}");
        assert!(!printed.contains(":7100\""), "it is published for nobody: {printed}");
        assert_eq!(warnings, "");
    }

    #[test]
    fn what_no_container_reaches_is_warned_of() {
        let (_, warnings) = print("http://127.0.0.1:3000", "settlementPort: 7100");
        let lines: Vec<&str> = warnings.lines().collect();
        assert!(
            lines[0].contains("at http://127.0.0.1:3000, which in its container"),
            "{warnings}"
        );
        assert!(lines[1].contains("listens to settlement engines at 127.0.0.1"), "{warnings}");
        assert_eq!(lines.len(), 2, "{warnings}");
    }

    #[test]
    #[should_panic(expected = "port 0, which changes at every start")]
    fn a_port_that_changes_is_refused() {
        print("http://engine-a:3000", "settlementPort: 0");
    }
}

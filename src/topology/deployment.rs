//! How the nodes of a network run, and which keys of theirs the environment may set then.

/// How the nodes of a network run (D15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// Each on a host of its own, as in Compose: links go to `host`, by default the node's id.
    Spread,
    /// All on this machine, as `up` runs them: links go to 127.0.0.1, every node has ports of its own.
    Loopback,
}

/// Whether a key of a node may be set by the environment when the nodes of a network share one process.
pub(super) fn not_from_environment(mode: Deployment) -> &'static [&'static str] {
    match mode {
        Deployment::Spread => &["nodeId"],
        Deployment::Loopback => &[
            "nodeId",
            "ilpAddress",
            "btpServerHost",
            "btpServerPort",
            "httpServerHost",
            "httpServerPort",
            "healthCheckHost",
            "healthCheckPort",
            "settlementHost",
            "settlementPort",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{KeySet, NodeSettings};

    #[test]
    fn every_excepted_key_exists() {
        for name in not_from_environment(Deployment::Loopback) {
            assert!(NodeSettings::KEYS.iter().any(|key| key.name == *name), "{name}");
        }
    }
}

//! The last place where a command looks for a node: the file of the Debian package.

use std::fs::File;
use std::path::Path;

use crate::config::{Environment, names_a_node, variable};

/// Where the package puts it.
pub(super) const FILE: &str = "/etc/ilp-connector/node.yaml";

/// The environment in which a command looks for a node: with the file of the package as `CONFIG_FILE`, if no variable
/// says anything else of a node, and if the user may read it. Whatever the command line names comes first. It is not
/// for display: the user has not set this variable.
pub(super) fn find(file: &Path, environment: &Environment) -> Environment {
    let mut found = environment.clone();
    let is_named = variable(environment, "CONFIG_FILE").is_some() || names_a_node(environment);
    if !is_named
        && File::open(file).is_ok()
        && let Some(file) = file.to_str()
    {
        found.insert("CONFIG_FILE".to_owned(), file.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_package_comes_last() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node.yaml");
        let check = |variables: &[(&str, &str)], expected: Option<&str>| {
            let variables =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let found = find(&file, &variables.collect());
            assert_eq!(variable(&found, "CONFIG_FILE"), expected);
        };
        check(&[], None);
        std::fs::write(&file, "nodeId: n\n").unwrap();
        let file = file.to_str().unwrap();
        check(&[], Some(file));
        check(&[("CONFIG_FILE", "")], Some(file));
        check(&[("API_TOKEN", "x"), ("LOG_LEVEL", "debug")], Some(file));
        check(&[("CONFIG_FILE", "b.yaml")], Some("b.yaml"));
        check(&[("NODE_ID", "b")], None);
        check(&[("HEALTH_CHECK_PORT", "8081")], None);
        check(&[("BTP_PEER_BOB_SECRET", "s")], None);
        check(&[("NODE_ID", "")], Some(file));
    }
}

//! The file of a node's store.

use std::path::PathBuf;

use super::node_keys::NodeSettings;

impl NodeSettings {
    /// The file that `store` names, or the node's file in the directory that it names. `None`: the node has no store.
    pub fn store_file(&self) -> Option<PathBuf> {
        let store = self.store.as_ref()?;
        Some(match store.as_os_str().as_encoded_bytes().ends_with(b"/") {
            true => store.join(format!("{}.db", self.node_id)),
            false => store.clone(),
        })
    }
}

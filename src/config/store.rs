//! Where a node keeps its books.

use super::node_keys::NodeSettings;
use crate::net::StorePlace;

impl NodeSettings {
    /// The file or database that `store` names, or the node's file in the directory that it names. `None`: the node has
    /// no store.
    pub fn store_place(&self) -> Option<StorePlace> {
        Some(match self.store.as_ref()? {
            StorePlace::File(path) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                StorePlace::File(path.join(format!("{}.db", self.node_id)))
            }
            place => place.clone(),
        })
    }
}

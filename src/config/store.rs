//! Where a node keeps its books and its audit log, and settings of that which are allowed but probably not meant.

use std::path::{Path, PathBuf};

use super::diagnostics::DiagnosticSink;
use super::mapping::Mapping;
use super::node_keys::{NODE, NodeDraft, NodeSettings};
use super::settings::Durability;
use crate::net::StorePlace;
use crate::wire::{Network, Scheme};

/// The file systems tmpfs and ramfs, as the kernel numbers them.
const MEMORY_FILE_SYSTEMS: [u64; 2] = [0x0102_1994, 0x8584_58f6];

impl NodeSettings {
    /// The file or database that `store` names, or the node's file in the directory that it names. `None`: the node has
    /// no store.
    pub fn store_place(&self) -> Option<StorePlace> {
        Some(match self.store.as_ref()? {
            StorePlace::File(path) => StorePlace::File(self.file_at(path, "db")),
            place => place.clone(),
        })
    }

    /// The file that `auditLog` names, or the node's file in the directory that it names. `None`: the node has no audit
    /// log.
    pub fn audit_log_place(&self) -> Option<PathBuf> {
        self.audit_log.as_ref().map(|path| self.file_at(path, "audit.jsonl"))
    }

    /// A file, or the node's own one in a directory.
    fn file_at(&self, path: &Path, extension: &str) -> PathBuf {
        match path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            true => path.join(format!("{}.{extension}", self.node_id)),
            false => path.to_owned(),
        }
    }
}

/// Warns of money that ends with the process, and of a promise that the disk cannot keep.
pub fn warn(scheme: Scheme, draft: &NodeDraft, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
    if let Some(place) = &draft.store {
        let is_strict = draft.durability == Some(Durability::Strict);
        if is_strict && matches!(place, StorePlace::File(file) if is_in_memory(file)) {
            let what =
                "with durability: strict, but in memory (tmpfs): it is empty after a power cut";
            mapping.warn(&NODE.store, what, "put it on a disk", report);
        }
        return;
    }
    if mapping.has(&NODE.store) {
        return;
    }
    for key in [&NODE.durability, &NODE.store_interval] {
        if mapping.has(key) {
            let what = "there is no store: balances end with the process";
            mapping.warn(key, what, "set store too, or remove it", report);
        }
    }
    if scheme.network() == Network::Live {
        let what = "not set on the live network: every balance ends with the process";
        mapping.warn(&NODE.store, what, "set it, see docs/LEDGER.md", report);
    }
}

/// Whether a file is in memory, or its nearest directory that exists. `false` if that is not known.
#[cfg(target_os = "linux")]
fn is_in_memory(file: &Path) -> bool {
    let there = file.ancestors().find(|path| path.exists());
    let kind = there.and_then(|path| rustix::fs::statfs(path).ok()).map(|system| system.f_type);
    kind.and_then(|kind| u64::try_from(kind).ok())
        .is_some_and(|kind| MEMORY_FILE_SYSTEMS.contains(&kind))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_file: &Path) -> bool {
    false
}

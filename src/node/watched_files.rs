//! Watches the files of secrets: after a change the configuration is read again.

use std::path::PathBuf;

use super::file_fingerprint::FileFingerprint;
use super::single_flight::SingleFlight;
use crate::config::{ContentHash, FileContent, FileWatch, Loaded, Look, WatchDecision};

type SecretFiles = Vec<(PathBuf, FileFingerprint)>;

/// The secret files of all nodes of this process.
#[derive(Default)]
pub(super) struct SecretFileWatch {
    files: SecretFiles,
    watch: Option<FileWatch>,
    checking: SingleFlight<(SecretFiles, Look)>,
}

impl SecretFileWatch {
    /// Watches the files of these nodes, from their present content on. It blocks while it reads them.
    pub(super) fn new(loaded: &[Loaded]) -> Self {
        let mut paths: Vec<PathBuf> =
            loaded.iter().flat_map(|node| node.secret_files.clone()).collect();
        paths.sort();
        paths.dedup();
        let hashes =
            paths.iter().map(|path| FileContent::read(path).ok().map(|content| content.hash()));
        let watch = ContentHash::of_all(hashes).map(FileWatch::new);
        let files = paths.into_iter().map(|path| (path, FileFingerprint::default())).collect();
        Self { files, watch, checking: SingleFlight::default() }
    }

    /// Whether there is no file to watch.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.checking.is_under_way()
    }

    /// Checks all files, beside everything else.
    pub(super) fn start_check(&mut self) {
        if self.files.is_empty() || self.checking.is_under_way() {
            return;
        }
        let mut files = std::mem::take(&mut self.files);
        self.checking.start(move || {
            let hashes: Vec<Look> =
                files.iter_mut().map(|(path, fingerprint)| fingerprint.hash(path)).collect();
            (files, ContentHash::of_all(hashes))
        });
    }

    /// Waits for the next check, and decides what follows from it. Cancel safe.
    pub(super) async fn next_decision(&mut self) -> WatchDecision {
        let (files, hash) = self.checking.done().await;
        self.files = files;
        match &mut self.watch {
            Some(watch) => watch.look(hash),
            // A file was unreadable when they were loaded, so they were changing.
            None => {
                self.watch = hash.map(FileWatch::new);
                if self.watch.is_some() { WatchDecision::Apply } else { WatchDecision::Wait }
            }
        }
    }
}

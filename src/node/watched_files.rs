//! Watches files whose content is part of the configuration: after a change the configuration is read again.

use std::path::PathBuf;

use super::file_fingerprint::FileFingerprint;
use super::single_flight::SingleFlight;
use crate::config::{ContentHash, FileContent, FileWatch, Loaded, WatchDecision};

type Files = Vec<(PathBuf, FileFingerprint)>;

/// Files that are checked together.
#[derive(Default)]
pub(super) struct WatchedFiles {
    files: Files,
    watch: Option<FileWatch>,
    checking: SingleFlight<(Files, Option<ContentHash>)>,
}

impl WatchedFiles {
    /// Watches one file, from this content on.
    pub(super) fn one(content: &FileContent) -> Self {
        Self::new([content.path.clone()], [Some(content.hash())])
    }

    /// Watches the secret files of these nodes, from their present content on. It blocks while it reads them.
    pub(super) fn secrets_of(loaded: &[Loaded]) -> Self {
        let mut paths: Vec<PathBuf> =
            loaded.iter().flat_map(|node| node.secret_files.clone()).collect();
        paths.sort();
        paths.dedup();
        let hash = |path| FileContent::read(path).ok().map(|content| content.hash());
        let hashes: Vec<_> = paths.iter().map(|path| hash(path)).collect();
        Self::new(paths, hashes)
    }

    fn new(
        paths: impl IntoIterator<Item = PathBuf>,
        hashes: impl IntoIterator<Item = Option<ContentHash>>,
    ) -> Self {
        let files = paths.into_iter().map(|path| (path, FileFingerprint::default())).collect();
        let watch = ContentHash::of_all(hashes).map(FileWatch::new);
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
            let hashes: Vec<_> =
                files.iter_mut().map(|(path, fingerprint)| fingerprint.hash(path)).collect();
            (files, ContentHash::of_all(hashes))
        });
    }

    /// Whether the check under way has become slow; `true` only once.
    pub(super) fn became_slow(&mut self) -> bool {
        self.checking.became_slow()
    }

    /// Waits for the next check, and decides what follows from it. Cancel safe.
    pub(super) async fn next_decision(&mut self) -> WatchDecision {
        let (files, hash) = self.checking.done().await;
        self.files = files;
        match &mut self.watch {
            Some(watch) => watch.observe(hash),
            // A file was unreadable when they were loaded, so they were changing.
            None => {
                self.watch = hash.map(FileWatch::new);
                if self.watch.is_some() { WatchDecision::Apply } else { WatchDecision::Wait }
            }
        }
    }
}

//! Looks at the files that secrets stand in: a changed one is a reason to read the configuration again.

use std::path::PathBuf;

use super::file_fingerprint::FileFingerprint;
use super::single_flight::SingleFlight;
use crate::config::{ContentHash, FileContent, FileWatch, Loaded, Look, WatchDecision};

type Files = Vec<(PathBuf, FileFingerprint)>;

/// The secret files of all nodes of this process.
#[derive(Default)]
pub(super) struct SecretFingerprints {
    files: Files,
    watch: Option<FileWatch>,
    looking: SingleFlight<(Files, Look)>,
}

impl SecretFingerprints {
    /// The files that these were loaded from, as they are now. It may block for as long as the file system does.
    pub(super) fn new(loaded: &[Loaded]) -> Self {
        let mut paths: Vec<PathBuf> =
            loaded.iter().flat_map(|one| one.secret_files.clone()).collect();
        paths.sort();
        paths.dedup();
        let now = paths.iter().map(|path| FileContent::read(path).ok().map(|found| found.hash()));
        let watch = ContentHash::of_all(now).map(FileWatch::new);
        let files = paths.into_iter().map(|path| (path, FileFingerprint::default())).collect();
        Self { files, watch, looking: SingleFlight::default() }
    }

    /// Whether there is anything to look at.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.looking.is_under_way()
    }

    /// Looks at all of them, beside everything else.
    pub(super) fn begin(&mut self) {
        if self.files.is_empty() || self.looking.is_under_way() {
            return;
        }
        let mut files = std::mem::take(&mut self.files);
        self.looking.start(move || {
            let looks: Vec<Look> = files.iter_mut().map(|(path, look)| look.hash(path)).collect();
            let found = ContentHash::of_all(looks);
            (files, found)
        });
    }

    /// What to do after a look, once there was one. Cancel safe.
    pub(super) async fn done(&mut self) -> WatchDecision {
        let (files, found) = self.looking.done().await;
        self.files = files;
        match &mut self.watch {
            Some(watch) => watch.look(found),
            // One could not be read when they were loaded, so they were changing.
            None => {
                self.watch = found.map(FileWatch::new);
                if self.watch.is_some() { WatchDecision::Apply } else { WatchDecision::Wait }
            }
        }
    }
}

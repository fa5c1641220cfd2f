//! What must happen in some of the runs of CI, because a check of something that never happens checks nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What a crash leaves of the files of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// SQLite's log begins again, with a new head before its old pages.
    NewLog,
    /// Some of the pages at the end of the log.
    Pages,
    /// Some of the pages that are copied from the log.
    Copy,
}

impl Mark {
    const ALL: [Self; 3] = [Self::NewLog, Self::Pages, Self::Copy];

    /// It happens in a run.
    pub fn note(self) {
        COUNTS[self as usize].fetch_add(1, Ordering::Relaxed);
    }
}

static COUNTS: [AtomicUsize; Mark::ALL.len()] = [const { AtomicUsize::new(0) }; Mark::ALL.len()];

/// Prints how often each has happened. Returns how many never have.
pub fn check() -> usize {
    let counts = Mark::ALL.map(|mark| (mark, COUNTS[mark as usize].load(Ordering::Relaxed)));
    println!("what crashes left: {counts:?}");
    counts.iter().filter(|(_, count)| *count == 0).count()
}

//! The files of a machine, and what a crash makes of those that are being written.
//!
//! A store's request is under way from [`DiskWork::begin`] to [`DiskWork::end`], when the node knows that it is done.
//! What a crash finds under way may be there whole, in part, or not at all. What was done before stays, and that is
//! checked: what can be read after the crash is what could be read before the request, or after it.
//!
//! Only states are chosen that a disk can leave. SQLite (with `synchronous = FULL`) writes in stages, and waits after
//! each of them until the disk has it: the head of a log that begins again; the pages at the end of the log; and when it
//! copies the log, the pages of the database. So a later stage has begun only if the earlier ones are whole. Within a
//! stage, the disk writes sectors whole, and a loss of power leaves any of them, with any length of the file between the
//! old and the new one. A kill leaves the beginning of what was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::disk_view::all_rows;
use super::network::Ending;
use crate::marks::Mark;

/// A disk writes so many bytes or none of them.
const SECTOR_BYTES: usize = 512;
/// The head of SQLite's log, and where it has the size of a page.
const LOG_HEAD_BYTES: usize = 32;
const PAGE_BYTES_IN_HEAD: Range<usize> = 8..12;
/// Before each page in the log.
const FRAME_HEAD_BYTES: usize = 24;
/// How long a crash waits for a request to the disk.
const WAIT_MAX: Duration = Duration::from_millis(500);

const STORE: &str = "books.db";
const LOG: &str = "books.db-wal";
/// An index that the next process makes again.
const INDEX: &str = "books.db-shm";

/// The files of a folder at one moment, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    fn read(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let files = entries.map(|entry| {
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        });
        Self(files.filter(|(name, _)| name != INDEX).collect())
    }

    fn set(&mut self, name: String, bytes: Option<Vec<u8>>) {
        match bytes {
            Some(bytes) => drop(self.0.insert(name, bytes)),
            None => drop(self.0.remove(&name)),
        }
    }

    fn write(&self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (name, bytes) in &self.0 {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

/// What a store does on the disk of its machine.
#[derive(Debug)]
pub struct DiskWork {
    folder: PathBuf,
    state: Mutex<State>,
    is_written: Notify,
}

#[derive(Debug)]
struct State {
    rng: StdRng,
    /// Crashes that wait for a request.
    waiting: u32,
    /// The files before the request that is under way, if a crash waited for it.
    before: Option<Files>,
}

impl DiskWork {
    pub fn new(folder: &Path, seed: u64) -> Self {
        let state = State { rng: StdRng::seed_from_u64(!seed), waiting: 0, before: None };
        Self { folder: folder.to_owned(), state: Mutex::new(state), is_written: Notify::new() }
    }

    /// A request begins. Nothing writes before its answer.
    pub fn begin(&self) {
        let mut state = self.state.lock();
        if state.waiting > 0 {
            state.before = Some(Files::read(&self.folder));
        }
    }

    /// The request is done, and the node does not know yet.
    pub fn note_written(&self) {
        if self.state.lock().before.is_some() {
            self.is_written.notify_waiters();
        }
    }

    /// The node knows.
    pub fn end(&self) {
        self.state.lock().before = None;
    }

    /// Whether the next crash waits for a request: half of them do.
    pub fn draws_wait(&self) -> bool {
        self.state.lock().rng.random()
    }

    /// Waits until a request is done that the node does not know of, if one comes soon.
    pub async fn wait_until_written(&self) {
        self.state.lock().waiting += 1;
        // An error is a store that has nothing to do.
        let _ = timeout(WAIT_MAX, self.is_written.notified()).await;
        self.state.lock().waiting -= 1;
    }

    /// The files when a process ends, and those before the request that is under way.
    pub fn stop(&self) -> (Files, Option<Files>) {
        (Files::read(&self.folder), self.state.lock().before.take())
    }

    /// Leaves what a crash leaves. What a dying process does to its files is undone: SQLite copies its log when a
    /// connection is dropped. Returns a sentence about a request that was under way.
    pub fn leave(&self, (now, before): (Files, Option<Files>), ending: Ending) -> Option<String> {
        let Some(before) = before.filter(|before| *before != now) else {
            now.write(&self.folder);
            return None;
        };
        let (left, text) = tear(&before, &now, ending, &mut self.state.lock().rng);
        let [rows_before, rows_now, rows_left] =
            [&before, &now, &left].map(|files| self.rows_of(files));
        assert!(
            rows_left == rows_before || rows_left == rows_now,
            "a crash left a part of a cut: {}",
            differences(&rows_before, &rows_now, &rows_left)
        );
        left.write(&self.folder);
        Some(text)
    }

    fn rows_of(&self, files: &Files) -> BTreeSet<String> {
        files.write(&self.folder);
        all_rows(&self.folder.join(STORE))
    }
}

/// What is neither as before nor as it should be now.
fn differences(
    before: &BTreeSet<String>,
    now: &BTreeSet<String>,
    left: &BTreeSet<String>,
) -> String {
    let missing: Vec<&String> = now.difference(left).collect();
    let new: Vec<&String> = left.difference(before).collect();
    format!("it left {new:?}, and lost {missing:?}")
}

/// A change of one file that is on the disk before the next one begins.
struct Stage {
    number: usize,
    mark: Option<Mark>,
    name: String,
    becomes: Option<Vec<u8>>,
}

/// The stages that lead from some files to others.
fn stages(before: &Files, now: &Files) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut add = |mark: Option<Mark>, name: &str, becomes: Option<&Vec<u8>>| {
        let (number, name) = (stages.len(), name.to_owned());
        stages.push(Stage { number, mark, name, becomes: becomes.cloned() });
    };
    let [log_before, log] = [before, now].map(|files| files.0.get(LOG));
    if let (Some(old), Some(new)) = (log_before, log)
        && let (Some(old_head), Some(new_head)) =
            (old.get(..LOG_HEAD_BYTES), new.get(..LOG_HEAD_BYTES))
        && old_head != new_head
    {
        // All of it is in the database, and it begins again. Frames after a head that is not theirs would be lost.
        let mut with_head = old.clone();
        with_head[..LOG_HEAD_BYTES].copy_from_slice(new_head);
        add(Some(Mark::NewLog), LOG, Some(&with_head));
    }
    if log.is_some() {
        add(Some(Mark::Pages), LOG, log);
    }
    add(Some(Mark::Copy), STORE, now.0.get(STORE));
    assert!(log.is_some() || log_before.is_none(), "only a stop in order removes the log");
    let others: BTreeSet<&String> = before.0.keys().chain(now.0.keys()).collect();
    for name in others.into_iter().filter(|name| *name != STORE && *name != LOG) {
        add(None, name, now.0.get(name));
    }
    stages
}

/// What a crash leaves of the change from some files to others, and a sentence about it.
fn tear(before: &Files, now: &Files, ending: Ending, rng: &mut StdRng) -> (Files, String) {
    assert!(before.0.contains_key(STORE), "faults begin when each node has its store");
    let mut stages = stages(before, now);
    stages.retain(|stage| before.0.get(&stage.name) != stage.becomes.as_ref());
    let mut files = before.clone();
    let mut last = stages.remove(rng.random_range(0..stages.len()));
    for stage in stages.into_iter().take_while(|stage| stage.number < last.number) {
        files.set(stage.name, stage.becomes);
    }
    let old = files.0.get(&last.name).cloned();
    let text = match &mut last.becomes {
        Some(new) => {
            let old = old.as_deref().unwrap_or_default();
            let changed = changed_sectors(&last.name, old, new);
            tear_file(old, new, &changed, ending, rng)
        }
        None if rng.random() => {
            last.becomes.clone_from(&old);
            "keeps its name".to_owned()
        }
        None => "is gone".to_owned(),
    };
    let text = format!("its disk was at work, and {} {text}", last.name);
    let has_begun = last.becomes != old;
    files.set(last.name, last.becomes);
    if let Some(mark) = last.mark
        && has_begun
        && files != *now
    {
        mark.note();
    }
    (files, text)
}

fn sector(bytes: &[u8], number: usize) -> &[u8] {
    let from = (number * SECTOR_BYTES).min(bytes.len());
    &bytes[from..(from + SECTOR_BYTES).min(bytes.len())]
}

/// The sectors that were written. Those of the log follow from its frames: SQLite puts random numbers into the head of
/// each, so that by chance a sector with a few of their bytes may be as it was.
fn changed_sectors(name: &str, old: &[u8], new: &[u8]) -> Vec<usize> {
    let end = old.len().max(new.len());
    let differs = |at: &usize| old.get(*at) != new.get(*at);
    let (first, last) = ((0..end).find(differs), (0..end).rev().find(differs));
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    if name != LOG {
        let sectors = first / SECTOR_BYTES..=last / SECTOR_BYTES;
        return sectors.filter(|number| sector(old, *number) != sector(new, *number)).collect();
    }
    let log = if new.len() >= LOG_HEAD_BYTES { new } else { old };
    let page_bytes = log.get(PAGE_BYTES_IN_HEAD).map(|bytes| bytes.try_into().unwrap());
    let frame_bytes =
        FRAME_HEAD_BYTES + u32::from_be_bytes(page_bytes.unwrap_or_default()) as usize;
    let frame = |at: usize| at.checked_sub(LOG_HEAD_BYTES).map(|at| at / frame_bytes);
    let begin = frame(first).map_or(0, |frame| LOG_HEAD_BYTES + frame * frame_bytes);
    let after = frame(last).map_or(0, |frame| frame + 1) * frame_bytes + LOG_HEAD_BYTES;
    (begin / SECTOR_BYTES..after.min(end).div_ceil(SECTOR_BYTES)).collect()
}

/// Leaves some of the sectors of a file as they were. Returns what it has.
fn tear_file(
    old: &[u8],
    new: &mut Vec<u8>,
    changed: &[usize],
    ending: Ending,
    rng: &mut StdRng,
) -> String {
    // A loss of power keeps the first ones, all but one, or any.
    let written: BTreeSet<usize> = match rng.random_range(0..3) {
        0 if ending == Ending::PowerLoss => {
            let lost = rng.random_range(0..changed.len());
            changed.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, one)| *one).collect()
        }
        1 if ending == Ending::PowerLoss => {
            changed.iter().copied().filter(|_| rng.random()).collect()
        }
        _ => changed.iter().copied().take(rng.random_range(0..=changed.len())).collect(),
    };
    let end = written.last().map_or(0, |last| ((last + 1) * SECTOR_BYTES).min(new.len()));
    let shortest = old.len().max(end);
    let length = match ending {
        Ending::PowerLoss if shortest < new.len() => rng.random_range(shortest..=new.len()),
        _ => shortest,
    };
    // Where nothing was written yet, a file that has become longer has zeros.
    let mut torn = old.to_vec();
    torn.resize(length, 0);
    for number in &written {
        let bytes = sector(new, *number);
        let from = number * SECTOR_BYTES;
        torn[from..from + bytes.len()].copy_from_slice(bytes);
    }
    *new = torn;
    format!("has {} of {} changed sectors", written.len(), changed.len())
}

//! The thread of an audit log: writes one line after the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::file::{AuditFile, AuditFileError, AuditPlace, BeforeOpening};
use super::line::{AuditLineKind, AuditOutcome, AuditRecord, LineContent};
use super::log::{AuditFailure, AuditTicket};
use super::page::{AuditPage, read_lines};
use super::refused_access::{RefusedAccess, RefusedAccesses};
use crate::net::{Clock, error_chain};

/// Requests that may wait.
const REQUESTS_MAX: usize = 256;
/// The wait for a request while no line is due.
const IDLE_WAIT: Duration = Duration::from_secs(3600);
/// A file that would become larger is sealed, and another one continues it.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Debug)]
enum AuditRequest {
    /// The reply comes once the line is on the disk. The handle is that of the ticket.
    Record(Box<AuditRecord>, AuditHandle, oneshot::Sender<Result<AuditTicket, AuditFailure>>),
    /// How a recorded verb ended; no task waits for it.
    Note(Box<LineContent>),
    Refused(Box<RefusedAccess>),
    Read {
        after: Option<u64>,
        limit: usize,
        reply: oneshot::Sender<Result<AuditPage, AuditFailure>>,
    },
    Close(oneshot::Sender<()>),
}

/// Sends requests to the thread of an audit log. The thread ends when all handles are dropped.
#[derive(Clone, Debug)]
pub struct AuditHandle {
    requests: SyncSender<AuditRequest>,
    /// Refused requests that there was no room for.
    uncounted: Arc<AtomicU64>,
}

/// The work of the thread.
#[derive(Debug)]
pub struct AuditWorker {
    place: AuditPlace,
    clock: Clock,
    requests: Receiver<AuditRequest>,
    uncounted: Arc<AtomicU64>,
    refused: RefusedAccesses,
    file: Option<AuditFile>,
    before: BeforeOpening,
    /// The last failure is in the log of the node.
    has_failed: bool,
}

impl AuditWorker {
    /// A worker for the audit log of a node, and the handle to it. The file is opened when the worker runs.
    pub fn new(path: PathBuf, node: &str, clock: Clock) -> (Self, AuditHandle) {
        Self::with_file_bytes_max(path, node, clock, FILE_BYTES_MAX)
    }

    pub(super) fn with_file_bytes_max(
        path: PathBuf,
        node: &str,
        clock: Clock,
        file_bytes_max: u64,
    ) -> (Self, AuditHandle) {
        let (sender, requests) = sync_channel(REQUESTS_MAX);
        let uncounted = Arc::<AtomicU64>::default();
        let handle = AuditHandle { requests: sender, uncounted: Arc::clone(&uncounted) };
        let worker = Self {
            place: AuditPlace { path, node: node.to_owned(), file_bytes_max },
            clock,
            requests,
            uncounted,
            refused: RefusedAccesses::default(),
            file: None,
            before: BeforeOpening::default(),
            has_failed: false,
        };
        (worker, handle)
    }

    /// Writes lines until the log is closed, or all handles are dropped.
    pub fn run(mut self) {
        // So that a mistake is in the log of the node before the first verb. Each request tries again.
        let _ = self.open();
        let closed_by = loop {
            let wait = self.refused.due_in(self.clock.mono()).unwrap_or(IDLE_WAIT);
            match self.requests.recv_timeout(wait) {
                Ok(AuditRequest::Record(record, log, reply)) => self.record(*record, log, reply),
                Ok(AuditRequest::Note(content)) => drop(self.write(*content)),
                Ok(AuditRequest::Refused(access)) => self.note_refused(&access),
                Ok(AuditRequest::Read { after, limit, reply }) => {
                    // A client that has gone gets no answer, and delays no verb.
                    if !reply.is_closed() {
                        let _ = reply.send(self.read(after, limit));
                    }
                }
                Ok(AuditRequest::Close(reply)) => break Some(reply),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break None,
            }
            self.write_due_summary();
        };
        self.close();
        if let Some(reply) = closed_by {
            let _ = reply.send(());
        }
    }

    fn open(&mut self) -> Result<&mut AuditFile, AuditFileError> {
        if self.file.as_ref().is_some_and(|file| !file.is_in_place()) {
            let path = self.place.path.display();
            tracing::warn!(%path, "the audit log was moved or removed; a new file continues it");
            self.file = None;
        }
        if self.file.is_none() {
            let now = self.clock.now().wall;
            let (file, found) = AuditFile::open(self.place.clone(), self.before, now)?;
            self.before = BeforeOpening::default();
            let (path, end) = (self.place.path.display(), file.end());
            tracing::info!(%path, line = end.seq, hash = %end.hash, "opened the audit log");
            if found.torn_bytes > 0 {
                tracing::warn!(
                    %path, bytes = found.torn_bytes,
                    "the audit log ended in an unfinished line, which a crash or a full disk leaves behind; the next line says so"
                );
            }
            if let Some((from, to)) = found.missing {
                tracing::error!(
                    %path, from, to,
                    "lines at the end of the audit log are missing; the next line says so"
                );
            }
            self.file = Some(file);
        }
        Ok(self.file.as_mut().expect("it is open now"))
    }

    fn write(&mut self, content: LineContent) -> Result<u64, AuditFailure> {
        let at = self.clock.now().wall;
        let written = match self.open() {
            Ok(file) => {
                let seq = file.end().seq.saturating_add(1);
                let written = file.append(content, at);
                if written.is_err() {
                    self.before.failed_line.get_or_insert(seq);
                }
                written
            }
            Err(error) => Err(error),
        };
        match written {
            Ok(seq) => {
                self.has_failed = false;
                Ok(seq)
            }
            Err(error) => Err(self.fail(&error)),
        }
    }

    /// What the file has now is not known, so the next line begins with a look at it.
    fn fail(&mut self, error: &AuditFileError) -> AuditFailure {
        self.file = None;
        let error = error_chain(error);
        if !std::mem::replace(&mut self.has_failed, true) {
            tracing::error!(%error, "the audit log cannot be written; nothing can be changed through the API until it can");
        }
        AuditFailure::Unwritable(error)
    }

    fn record(
        &mut self,
        record: AuditRecord,
        log: AuditHandle,
        reply: oneshot::Sender<Result<AuditTicket, AuditFailure>>,
    ) {
        if reply.is_closed() {
            return;
        }
        let written = self.write(LineContent::of_verb(record.clone(), AuditOutcome::Accepted));
        let ticket = written.map(|seq| AuditTicket::new(log, seq, record));
        if let Err(Ok(ticket)) = reply.send(ticket) {
            ticket.fail("the client went away before its verb began; nothing has changed");
        }
    }

    fn note_refused(&mut self, access: &RefusedAccess) {
        if let Some(line) = self.refused.admit(access, self.clock.mono()) {
            let _ = self.write(line);
        }
    }

    fn write_due_summary(&mut self) {
        let now = self.clock.mono();
        self.refused.count_unknown(self.uncounted.swap(0, Ordering::Relaxed), now);
        if self.refused.due_in(now).is_some_and(|wait| wait.is_zero())
            && let Some(line) = self.refused.summary()
        {
            let _ = self.write(line);
        }
    }

    fn read(&mut self, after: Option<u64>, limit: usize) -> Result<AuditPage, AuditFailure> {
        let end = match self.open() {
            Ok(file) => file.end(),
            Err(error) => return Err(self.fail(&error)),
        };
        let newest = || end.seq.saturating_sub(limit as u64);
        let lines = read_lines(&self.place.path, after.unwrap_or_else(newest), limit);
        let lines = lines.map_err(|error| AuditFailure::Unreadable(error.to_string()))?;
        let (file, hash) = (self.place.path.clone(), end.hash.to_string());
        Ok(AuditPage { file, lines, last: end.seq, hash })
    }

    fn close(&mut self) {
        if let Some(line) = self.refused.summary() {
            let _ = self.write(line);
        }
        if self.file.is_none() {
            return;
        }
        let closed = LineContent::of_file(AuditLineKind::Closed, serde_json::Map::new());
        if self.write(closed).is_ok()
            && let Some(file) = self.file.take()
        {
            let (path, end) = (self.place.path.display(), file.end());
            tracing::info!(%path, line = end.seq, hash = %end.hash, "closed the audit log");
        }
    }
}

/// A line about the end of an earlier one.
pub(super) fn ending(
    record: AuditRecord,
    outcome: AuditOutcome,
    of: u64,
    detail: &str,
) -> LineContent {
    // The values are in the line of the verb.
    let record = AuditRecord { parameters: serde_json::Map::new(), reason: None, ..record };
    LineContent {
        of: Some(of),
        detail: Some(detail.to_owned()),
        ..LineContent::of_verb(record, outcome)
    }
}

impl AuditHandle {
    /// Writes the line of a verb. Returns its ticket once the line is on the disk.
    pub(super) async fn record(&self, record: AuditRecord) -> Result<AuditTicket, AuditFailure> {
        self.ask(|reply| AuditRequest::Record(Box::new(record), self.clone(), reply)).await
    }

    pub(super) async fn read(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<AuditPage, AuditFailure> {
        self.ask(|reply| AuditRequest::Read { after, limit, reply }).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, AuditFailure>>) -> AuditRequest,
    ) -> Result<T, AuditFailure> {
        let (reply, result) = oneshot::channel();
        self.requests.try_send(request(reply)).map_err(|error| match error {
            TrySendError::Full(_) => AuditFailure::Busy,
            TrySendError::Disconnected(_) => AuditFailure::Closed,
        })?;
        result.await.map_err(|_| AuditFailure::Closed)?
    }

    /// Does not wait. `false`: there is no room.
    pub(super) fn note(&self, content: LineContent) -> bool {
        self.requests.try_send(AuditRequest::Note(Box::new(content))).is_ok()
    }

    /// Does not wait.
    pub(super) fn note_refused(&self, access: RefusedAccess) {
        if self.requests.try_send(AuditRequest::Refused(Box::new(access))).is_err() {
            self.uncounted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has the file closed. The result comes when it is.
    pub(super) fn close(&self) -> oneshot::Receiver<()> {
        let (reply, closed) = oneshot::channel();
        // If there is no room, the reply is dropped with the request, and nothing waits.
        let _ = self.requests.try_send(AuditRequest::Close(reply));
        closed
    }
}

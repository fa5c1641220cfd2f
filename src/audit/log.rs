//! The audit log of a node as the API uses it.

use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::timeout;

use super::line::{AuditOutcome, AuditRecord, LineContent};
use super::page::AuditPage;
use super::refused_access::RefusedAccess;
use super::worker::{AuditHandle, ending};

/// How long a disk may take for a line.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stopping node waits for the last line.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a line was not written, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFailure {
    /// An error of the file.
    #[error("{0}")]
    Unwritable(String),
    /// An error of the file.
    #[error("the audit log cannot be read: {0}")]
    Unreadable(String),
    /// The disk does not answer.
    #[error("the audit log has not answered for {WRITE_TIMEOUT:?}")]
    Slow,
    /// Too many requests wait.
    #[error("too many requests wait for the audit log")]
    Busy,
    /// The node stops, or has another audit log now.
    #[error("the audit log is closed")]
    Closed,
    /// The node keeps no audit log.
    #[error("this node keeps no audit log; set auditLog")]
    NotConfigured,
}

/// The audit log of a node, if it has one.
#[derive(Debug, Default)]
pub struct AuditLog(ArcSwapOption<AuditHandle>);

/// A verb that is in the audit log as accepted. If it fails after all, say so with [`Self::fail`]; if this is dropped
/// without an end, the log says that the end is not known.
#[derive(Debug)]
#[must_use = "the log must say how the verb ended"]
pub struct AuditTicket(Option<OpenTicket>);

#[derive(Debug)]
struct OpenTicket {
    log: AuditHandle,
    seq: u64,
    record: AuditRecord,
}

impl AuditLog {
    /// From now on lines go to this log, or to none.
    pub fn set(&self, log: Option<AuditHandle>) {
        self.0.store(log.map(std::sync::Arc::new));
    }

    /// Writes that a verb is accepted, before it has an effect. The line is on the disk when this returns. Without an
    /// audit log, nothing is written.
    ///
    /// # Errors
    /// [`AuditFailure`]: then the verb must not be done.
    pub async fn record(&self, record: AuditRecord) -> Result<AuditTicket, AuditFailure> {
        let Some(log) = self.0.load_full() else { return Ok(AuditTicket(None)) };
        let ticket = timeout(WRITE_TIMEOUT, log.record(record)).await;
        ticket.map_err(|_| AuditFailure::Slow)?
    }

    /// Writes that a verb of a client with the right to it was refused, and why. It does not wait: nothing has changed.
    pub fn record_refused(&self, record: AuditRecord, why: &str) {
        let Some(log) = self.0.load_full() else { return };
        let content = LineContent {
            detail: Some(why.to_owned()),
            ..LineContent::of_verb(record, AuditOutcome::Refused)
        };
        log_if_lost(log.note(content));
    }

    /// Notes a request of a client without the right to it. It does not wait.
    pub fn note_refused_access(&self, access: RefusedAccess) {
        if let Some(log) = self.0.load_full() {
            log.note_refused(access);
        }
    }

    /// Up to `limit` lines that follow the line `after`; without that, the newest ones.
    ///
    /// # Errors
    /// [`AuditFailure`]
    pub async fn read(&self, after: Option<u64>, limit: usize) -> Result<AuditPage, AuditFailure> {
        let log = self.0.load_full().ok_or(AuditFailure::NotConfigured)?;
        let page = timeout(WRITE_TIMEOUT, log.read(after, limit)).await;
        page.map_err(|_| AuditFailure::Slow)?
    }

    /// Closes the log of a node that stops, within a bounded time.
    pub async fn close(&self) {
        if let Some(log) = self.0.swap(None) {
            // After the timeout the thread goes on, and may be interrupted: the next start finds that.
            let _ = timeout(CLOSE_TIMEOUT, log.close()).await;
        }
    }
}

impl AuditTicket {
    pub(super) fn new(log: AuditHandle, seq: u64, record: AuditRecord) -> Self {
        Self(Some(OpenTicket { log, seq, record }))
    }

    /// The verb is done, as the log says.
    pub fn done(mut self) {
        self.0 = None;
    }

    /// The verb has changed nothing after all.
    pub fn fail(mut self, why: &str) {
        self.end(AuditOutcome::Failed, why);
    }

    /// Whether the verb has changed something is not known.
    pub fn leave_open(mut self, why: &str) {
        self.end(AuditOutcome::Unknown, why);
    }

    fn end(&mut self, outcome: AuditOutcome, detail: &str) {
        if let Some(OpenTicket { log, seq, record }) = self.0.take() {
            log_if_lost(log.note(ending(record, outcome, seq, detail)));
        }
    }
}

impl Drop for AuditTicket {
    fn drop(&mut self) {
        self.end(AuditOutcome::Unknown, "the client went away before the end of its verb");
    }
}

fn log_if_lost(is_noted: bool) {
    if !is_noted {
        tracing::error!("a line of the audit log is lost: too many wait for the disk");
    }
}

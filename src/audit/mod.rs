//! The audit log of a node: a file with one line for each verb, which no one can change without a trace.
//!
//! Each line has the hash of the one before it, so that a changed, removed, moved or missing line breaks the chain
//! ([`verify`]). A line is on the disk before its verb has an effect. What was refused has a line too, and what clients
//! without a right to it could repeat at will is counted instead of listed. A file that has become large is sealed and
//! goes on in a new one. Everything that touches the file blocks; `node` runs [`AuditWorker`] on a thread of its own.
//!
//! The chain has no key: a person who may write the file can write all of it again. The hash of the newest line is
//! therefore in the log of the node, too, and may be kept elsewhere.

mod chain;
mod file;
mod head;
mod line;
mod log;
mod page;
mod refused_access;
mod tail;
mod verify;
mod worker;

pub use self::chain::LineHash;
pub use self::line::AuditRecord;
pub use self::log::{AuditFailure, AuditLog, AuditTicket};
pub use self::page::AuditPage;
pub use self::refused_access::RefusedAccess;
pub use self::verify::{VerifiedAudit, verify};
pub use self::worker::AuditWorker;

#[cfg(test)]
mod tests;

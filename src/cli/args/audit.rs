//! Arguments of `audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::audit::LineHash;

#[derive(Debug, Args)]
pub(in crate::cli) struct AuditArguments {
    #[command(subcommand)]
    pub(in crate::cli) command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AuditCommand {
    /// Check that the lines of audit logs are those that were written
    Verify(AuditVerifyArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Finds lines that were changed, removed, moved or cut off, also while the node runs. Give the files from the oldest to the \
newest; sealed ones have a number in their name, so a pattern such as audit*.jsonl lists them in this order. Beside the \
newest file is FILE.head, which names its last line: keep it with the file. A person who may write these files can write \
all of them again; keep hashes of lines elsewhere (they are in the log of the node) and give one with --head.

Examples:
  ilp-connector audit verify b.audit.jsonl
  ilp-connector audit verify /var/log/ilp/audit*.jsonl
  ilp-connector audit verify audit.jsonl --head 3f1c...

Exit codes: 0 all lines are as they were written, 1 one is not, 64 wrong usage.")]
pub(in crate::cli) struct AuditVerifyArguments {
    /// Audit logs of one node, from the oldest to the newest
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// The hash of a line that must be there, as it was noted elsewhere
    #[arg(long, value_name = "HASH")]
    pub(in crate::cli) head: Option<LineHash>,
}

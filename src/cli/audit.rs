//! `audit`: checks audit logs.

use std::io::Write;

use super::args::{AuditArguments, AuditCommand, AuditVerifyArguments};
use crate::audit::{VerifiedAudit, verify};
use crate::console::{Failure, count, sanitize};

pub(super) fn run(arguments: &AuditArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let AuditCommand::Verify(AuditVerifyArguments { files, head }) = &arguments.command;
    let VerifiedAudit { lines, from, to, last, hash, notes } =
        verify(files, *head).map_err(|mistake| Failure::Failed(sanitize(&mistake.to_string())))?;
    for note in notes {
        writeln!(out, "note: {}", sanitize(&note))?;
    }
    let lines = count(usize::try_from(lines).unwrap_or(usize::MAX), "line");
    writeln!(out, "ok: {lines} from {} to {}", sanitize(&from), sanitize(&to))?;
    writeln!(out, "head: line {last}, hash {hash}")?;
    Ok(out.flush()?)
}

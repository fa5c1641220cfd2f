//! The exit codes of the program.

/// What the exit code of a command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExitStatus {
    /// It has done what it should.
    Success,
    /// It could not.
    Failure,
    /// Nothing was tried, because the command line or the configuration is wrong: `EX_USAGE` of sysexits.h.
    Usage,
}

impl ExitStatus {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ExitStatus;
    use crate::testing::check_block;

    /// `BLESS=1` writes the table.
    #[test]
    fn the_reference_lists_all_codes() {
        const MARKS: (&str, &str) =
            ("<!-- generated: exit codes -->\n", "<!-- end of exit codes -->\n");
        let meaning = |status| match status {
            ExitStatus::Success => "success; for a node, a stop by one signal",
            ExitStatus::Failure => "failure: what that is for each command is below",
            ExitStatus::Usage => {
                "wrong usage, or mistakes in the configuration (also with `check`); nothing was tried"
            }
        };
        let mut table = "| code | when |\n|---|---|\n".to_owned();
        for status in [ExitStatus::Success, ExitStatus::Failure, ExitStatus::Usage] {
            table += &format!("| {} | {} |\n", status.code(), meaning(status));
        }
        // The code of Rust for a panic of the main thread.
        table += "| 101 | a defect: the program panicked. Please [report](OPERATIONS.md#reporting-a-bug) it, with the last lines of the log |\n";
        check_block("docs/REFERENCE.md", MARKS, &table);
    }
}

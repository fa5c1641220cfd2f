//! Every command as a user runs it: the built program, its output, its exit code.

mod audit;
mod files;
mod first_hour;
mod network;
mod observed;
mod offline;
mod pay;
mod report;
mod status;
mod tokens;
mod trace;
mod verbs;

use std::process::{Command, Output};

pub(crate) use report::unpack_report;

use crate::peer::TestNode;
use crate::process::Process;
use crate::support::{PROGRAM, combined_output, run, skip};

/// Three nodes in a line, each a process with a node file; the tools log in at the first.
pub(crate) struct Line {
    pub(crate) a: TestNode,
    pub(crate) b: TestNode,
    pub(crate) c: TestNode,
}

impl Line {
    /// `b_c` are further keys of the link between b and c, `b_at_c` and `a_at_b` of one account.
    pub(crate) fn start(b_c: &str, b_at_c: &str, a_at_b: &str) -> Self {
        let c = TestNode::start(&format!(
            "nodeId: c\nilpAddress: test.c\npeers:\n  - {{ id: b, authToken: bc{b_c}{b_at_c} }}\n\
             routes:\n  - {{ prefix: test.a, nextHop: b }}\n"
        ));
        let b = TestNode::start(&format!(
            "nodeId: b\nilpAddress: test.b\npeers:\n  - {{ id: a, authToken: ab{a_at_b} }}\n  \
               - {{ id: c, url: 'ws://127.0.0.1:{}', authToken: bc{b_c} }}\n\
             routes:\n  - {{ prefix: test.a, nextHop: a }}\n  - {{ prefix: test.c, nextHop: c }}\n",
            c.port
        ));
        let a = TestNode::start(&format!(
            "nodeId: a\nilpAddress: test.a\npeers:\n  - {{ id: b, url: 'ws://127.0.0.1:{}', authToken: ab }}\n  \
               - {{ id: cli, relation: child, authToken: cli-token }}\n\
             routes:\n  - {{ prefix: '', nextHop: b }}\n",
            b.port
        ));
        Self { a: a.wait_healthy(), b: b.wait_healthy(), c }
    }

    /// Pings through the first node, once.
    pub(crate) fn ping(&self, to: &str) {
        command(&["ping", to, "-c", "1", "--via", &via(&self.a)]);
    }
}

fn via(node: &TestNode) -> String {
    format!("btp+ws://cli:cli-token@127.0.0.1:{}", node.port)
}

/// The exit code of a command, and all that it printed.
type Ended = (Option<i32>, String);

fn ended(output: &Output) -> Ended {
    (output.status.code(), combined_output(output))
}

/// Checks the exit code and parts of the output; returns the output.
fn check_ended((code, said): Ended, expected_code: i32, expected: &[&str]) -> String {
    assert_eq!(code, Some(expected_code), "{said}");
    for part in expected {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    said
}

/// Runs a command to its end, without an environment, in the repository.
fn command(arguments: &[&str]) -> Output {
    run(Command::new(PROGRAM).args(arguments).env_clear().current_dir(env!("CARGO_MANIFEST_DIR")))
}

/// Runs a command on a pseudo terminal. `None`: there is none here.
fn start_on_terminal(what: &str, arguments: &str) -> Option<Process> {
    // The program is in Debian's essential packages.
    if let Err(error) = Command::new("script").arg("--version").output() {
        skip(what, &format!("`script` does not run: {error}"));
        return None;
    }
    // `exec`: some shells end with 130 after Ctrl-C, whatever the command that they started says.
    let script = ["-qec", &format!("exec {PROGRAM} {arguments}"), "/dev/null"];
    let mut command = Command::new("script");
    Some(Process::spawn(command.args(script).env("TERM", "xterm").env_remove("NO_COLOR")))
}

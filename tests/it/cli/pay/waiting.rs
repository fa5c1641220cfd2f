//! Notes of tools while they wait: why there is no progress, with the rejecting node's message, and what to do about
//! it.

use std::path::Path;
use std::process::Command;

use super::net::Net;
use crate::cli::check_ended;
use crate::process::{Process, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, run};

const SECRET: &str = "0101010101010101010101010101010101010101010101010101010101010101";

/// Starts a tool at node a; its standard error is read too.
fn start(net: &Net, arguments: &[&str]) -> Process {
    let login = ["--config", net.file(), "--node", "a"];
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>&1", PROGRAM]).args(arguments).args(login);
    Process::spawn(command.env_remove("CONFIG_FILE").env_remove("NODE_ID"))
}

fn line_with(running: &Process, parts: &[&str]) -> String {
    running.wait_for_line(&parts.join(" ... "), |line| {
        parts.iter().all(|part| line.contains(part)).then(|| line.to_owned())
    })
}

/// The command of a hint, which stands in backticks.
fn hinted(line: &str) -> String {
    line.split('`').nth(1).unwrap_or_else(|| panic!("no command in {line}")).to_owned()
}

#[test]
fn pay_names_the_node_that_rejects() {
    let mut net = Net::start("", "");
    net.stop("c");
    let stopped = ["no progress for", "still trying: T01 Peer Unreachable from test.b: "];
    for json in [false, true] {
        let arguments = ["pay", "test.c.wallet.tok", "5", "USD", "--secret", SECRET, "--json"];
        let pay = start(&net, &arguments[..arguments.len() - usize::from(!json)]);
        line_with(&pay, &stopped);
        pay.signal("INT");
        let (status, lines) = pay.wait_exit();
        assert_eq!(status.code(), Some(1), "{lines:#?}");
        let end = "interrupted; the last error was T01 Peer Unreachable from test.b: ";
        assert!(lines.iter().any(|line| line.contains(end)), "{lines:#?}");
    }
}

#[test]
fn a_missing_answer_is_noted_with_a_command_that_helps() {
    let net = Net::start("", "");
    net.signal("c", "STOP");
    let pay = start(&net, &["pay", "test.c.wallet.tok", "5", "--secret", SECRET]);
    let line = line_with(&pay, &["no progress for", "no answer yet"]);
    for (tool, words) in [
        (&["ping", "test.c"][..], "no answer yet: each ping waits for one up to"),
        (&["send", "test.c"], "no answer for"),
        (&["trace", "test.c", "--timeout", "6"], "no answer yet: this packet waits for one up to"),
    ] {
        line_with(&start(&net, tool), &[words]);
    }
    net.signal("c", "CONT");
    // The hint's command, pasted into a shell.
    let path = format!(
        "{}:{}",
        Path::new(PROGRAM).parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let pasted = run(Command::new("sh").args(["-c", &hinted(&line)]).env("PATH", path));
    let said = combined_output(&pasted);
    assert!(said.contains("TRACE test.c.wallet.tok through ") && said.contains("test.b"), "{said}");
}

#[test]
fn hints_name_the_login_without_its_token() {
    let net = Net::start("", "");
    let (code, said) = net.pay_to("test.nobody.x", &net.secret("tok"), &["100"]);
    assert_eq!(code, Some(1), "{said}");
    let command = hinted(said.lines().last().unwrap_or_default());
    assert!(
        command.starts_with("ilp-connector trace test.nobody.x --via 'ws://cli:***@127.0.0.1:"),
        "{command}"
    );
    // A login from a file or a variable is repeated as it was given.
    let folder = temp_folder();
    let at = format!("@{}", path_text(&write_file(&folder, "login", &net.via())));
    let pay = ["pay", "test.nobody.x", "100", "--secret", SECRET];
    for (flags, variable, expected) in [
        (&["--via", &at][..], "", format!(" --via {at}")),
        (&[], net.via().as_str(), String::new()),
        (&[], at.as_str(), String::new()),
    ] {
        let mut tool = Command::new(PROGRAM);
        let said =
            combined_output(&run(tool.args(pay).args(flags).env_clear().env("ILP_VIA", variable)));
        let command = hinted(said.lines().last().unwrap_or_default());
        assert_eq!(command, format!("ilp-connector trace test.nobody.x{expected}"), "{said}");
    }
    // The hint's flag allows the payment.
    let (_, said) = net.pay("tok", &["100", "--min-rate", "1.01"]);
    let flag = hinted(said.lines().last().unwrap_or_default());
    let (name, rate) = flag.split_once(' ').unwrap_or_else(|| panic!("{flag}"));
    assert_eq!(net.pay("tok", &["100", name, rate]).0, Some(0), "{said}");
}

#[test]
fn amounts_are_units_or_money_of_the_account() {
    let net = Net::start("", "");
    let mut paid = 0;
    for (amount, units) in [
        (&["7"][..], 7),
        (&["0.000001", "USD"], 1_000),
        (&["0.0000005USD"], 500),
        (&["0.000000001 USD", "--max-packet-amount", "0.5USD"], 1),
    ] {
        let said = check_ended(net.pay("tok", amount), 0, &[]);
        paid += units;
        assert_eq!(net.balance("a", "cli"), paid, "{said}");
    }
    for (wrong, expected) in [
        (&["5", "EUR"][..], "the account pays in USD (scale 9), not in EUR: write \"5 USD\""),
        (&["0.0000000001", "USD"], "so the least is 0.000000001 USD"),
        (&["20000000000 USD"], "the most is 18,446,744,073.709551615 USD"),
        (&["1.5"], "1.5 of what?"),
        (
            &["5", "USD", "--max-packet-amount", "1EUR"],
            "--max-packet-amount: the account pays in USD",
        ),
        (&["0"], "whole number of units from 1"),
    ] {
        check_ended(net.pay("tok", wrong), 64, &[expected]);
    }
    assert_eq!(net.balance("a", "cli"), paid);
    net.check_balances();
}

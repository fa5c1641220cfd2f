//! The programs of `examples/settlement` as people use them: their help, their mistakes, and a ledger with a file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::interop::settlement_packages;
use crate::process::{Process, path_text, temp_folder};
use crate::support::{combined_output, run, run_successfully, skip, text};

/// The programs, with the options that each needs.
const PROGRAMS: [(&str, &[&str]); 4] = [
    ("ledger.js", &[]),
    ("core-engine.js", &["--port", "--connector", "--ledger", "--account"]),
    ("chain.js", &[]),
    ("chain-engine.js", &["--connector", "--chain", "--account"]),
];

fn program(folder: &Path, name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(name).current_dir(folder);
    command
}

/// The program has ended with the exit code of a wrong call, said this, and shown its options.
fn check_mistake(output: &Output, said: &str) {
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{printed}");
    assert!(printed.contains(said) && printed.contains("--port <PORT>"), "{said}: {printed}");
    assert!(!printed.contains("    at "), "a stack: {printed}");
}

#[test]
fn each_program_explains_itself_and_what_is_missing() {
    let folder = match settlement_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the programs of examples/settlement", &why),
    };
    for (name, required) in PROGRAMS {
        let help = run_successfully(program(&folder, name).arg("--help"));
        for option in required {
            let line = help.lines().find(|line| line.trim_start().starts_with(option)).unwrap();
            assert!(line.ends_with("[required]"), "{name}: {line}");
        }
        check_mistake(&run(program(&folder, name).args(["--port", "x"])), "--port x: not a PORT");
        check_mistake(&run(program(&folder, name).arg("--wrong")), "Unknown option '--wrong'");
        if let Some(first) = required.first() {
            check_mistake(&run(&mut program(&folder, name)), &format!("{first} is missing"));
        }
    }
}

fn ledger(folder: &Path, file: &Path) -> (Process, u64) {
    let mut command = program(folder, "ledger.js");
    let process = Process::spawn(command.args(["--file", path_text(file)]));
    let port = process.wait_for_line("the ledger", |line| {
        serde_json::from_str::<Value>(line).ok()?["port"].as_u64()
    });
    (process, port)
}

fn transfer(port: u64, id: &str) {
    let body = format!(r#"{{"id":"{id}","from":"a","to":"b","amount":"1.5"}}"#);
    let url = format!("http://127.0.0.1:{port}/transfers");
    run_successfully(Command::new("curl").args(["--fail", "--silent", "--data", &body, &url]));
}

fn balances(port: u64) -> Value {
    let url = format!("http://127.0.0.1:{port}/balances");
    let printed = run_successfully(Command::new("curl").args(["--fail", "--silent", &url]));
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn a_ledger_with_a_file_has_its_transfers_after_kill_9_and_a_torn_line() {
    let folder = match settlement_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the ledger of examples/settlement", &why),
    };
    let books = temp_folder();
    let file = books.path().join("transfers");
    let (process, port) = ledger(&folder, &file);
    transfer(port, "one");
    let in_use = run(program(&folder, "ledger.js").args(["--port", &port.to_string()]));
    let printed = combined_output(&in_use);
    assert!(
        printed.contains("address already in use") && !printed.contains("    at "),
        "{printed}"
    );
    process.signal("KILL");
    process.wait_exit();

    let torn = r#"{"number":2,"id":"tw"#;
    OpenOptions::new().append(true).open(&file).unwrap().write_all(torn.as_bytes()).unwrap();
    let (process, port) = ledger(&folder, &file);
    // The first one again, which moves nothing, and the one that was torn.
    transfer(port, "one");
    transfer(port, "two");
    assert_eq!(balances(port)["b"], "3");
    process.signal("TERM");
    let (status, _) = process.wait_exit();
    assert_eq!(status.code(), Some(0));
    let (_process, port) = ledger(&folder, &file);
    assert_eq!(balances(port)["a"], "-3");
}

//! `demo` and `init`: what a new user types first.

use std::process::Command;

use crate::network::get_json;
use crate::process::{Process, TIMEOUT, free_base_port, path_text, temp_folder};
use crate::support::{PROGRAM, combined_output, eventually, run, run_successfully};

#[test]
fn a_demonstration_needs_no_file_and_leaves_none() {
    let folder = temp_folder();
    let environment = [("TMPDIR", path_text(folder.path())), ("NODE_ID", "somebody")];
    let demo = Process::start(&["demo", "--plain", "--ui-port", "0"], environment);
    let page = demo.wait_for_line("the page", |line| {
        line.strip_prefix("page  http://127.0.0.1:").map(str::to_owned)
    });
    let page: u16 = page.trim_end_matches('/').parse().unwrap();
    demo.wait_for_line("a payment", |line| line.contains(" paid ").then_some(()));
    // All of its nodes are healthy, and the file works with the commands that it names.
    eventually("five healthy nodes", TIMEOUT, || {
        let nodes = get_json(page, "/api/v1/nodes")?.1;
        let nodes = nodes["nodes"].as_array().cloned().unwrap_or_default();
        let healthy = nodes.iter().filter(|node| node["status"] == "healthy").count();
        if healthy == 5 { Ok(()) } else { Err(format!("{nodes:?}")) }
    });
    let file = demo.wait_for_line("the file", |line| {
        Some(line.strip_prefix("file  ")?.split(' ').next()?.to_owned())
    });
    let named = demo
        .output_lines()
        .into_iter()
        .filter(|line| line.starts_with("  ilp-connector "))
        .collect::<Vec<_>>();
    assert_eq!(named.len(), 3, "{named:?}");
    for line in &named {
        let mut arguments: Vec<&str> = line.split_whitespace().skip(1).collect();
        if arguments[0] == "tap" {
            arguments.extend(["--for", "5"]);
        }
        let printed = run_successfully(Command::new(PROGRAM).args(&arguments).env_clear());
        let expected = match arguments[0] {
            "status" => "5 nodes, all healthy",
            "pay" => "paid",
            _ => "test.",
        };
        assert!(printed.contains(expected), "{line}: {printed}");
        assert!(arguments.contains(&&*file), "{line}");
    }
    demo.signal("TERM");
    let (status, _) = demo.wait_exit();
    assert!(status.success(), "{status}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn files_to_start_from_are_right_and_work_at_once() {
    let folder = temp_folder();
    let program = |arguments: &[&str]| {
        let mut program = Command::new(PROGRAM);
        program.args(arguments).env_clear().current_dir(folder.path());
        program
    };
    let printed = run_successfully(&mut program(&["init", "network"]));
    assert!(printed.contains("next: ilp-connector up network.yaml"), "{printed}");
    run_successfully(&mut program(&["init", "node", "my node.yaml"]));
    for file in ["network.yaml", "my node.yaml"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = folder.path().join(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
        let checked = run(&mut program(&["check", file]));
        assert!(checked.status.success());
        let checked = combined_output(&checked);
        assert!(checked.contains(": ok, ") && !checked.contains("warning"), "{checked}");
    }
    let again = run(&mut program(&["init", "network"]));
    assert_eq!(again.status.code(), Some(64));
    assert!(combined_output(&again).contains("network.yaml exists, and is not replaced"));

    // Tools find the network at the ports that the file names.
    let file = folder.path().join("network.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = format!("basePort: {}", free_base_port(3));
    assert!(text.contains("# basePort: 14000"), "{text}");
    std::fs::write(&file, text.replace("# basePort: 14000", &line)).unwrap();
    let up = ["up", "network.yaml", "--ping", "--for", "0.1", "--no-ui"];
    let pinged = run_successfully(&mut program(&up));
    assert!(pinged.contains("30 packets sent, 30 fulfilled"), "{pinged}");

    let running =
        Process::spawn(&mut program(&["up", "network.yaml", "--log-file", "log", "--no-ui"]));
    running.wait_for_line("what runs", |line| {
        (line == "3 nodes until Ctrl-C; the log is log").then_some(())
    });
    for tool in [
        &["status", "network.yaml"][..],
        &["ping", "test.c", "--count", "1", "--config", "network.yaml", "--node", "a"],
    ] {
        eventually("the tool finds the network", TIMEOUT, || {
            let output = run(&mut program(tool));
            if output.status.success() { Ok(()) } else { Err(combined_output(&output)) }
        });
    }
}

//! Commands that need no node.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{check_ended, command, ended};
use crate::process::{path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, text};

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let output = command(arguments);
        check_ended(ended(&output), code, &[expected]);
        assert_eq!(output.stderr.is_empty(), code == 0, "{arguments:?}");
    };
    check(&["--help"], 0, "Examples:");
    check(&["--version"], 0, env!("CARGO_PKG_VERSION"));
    for name in [
        "run",
        "up",
        "check",
        "healthcheck",
        "status",
        "tap",
        "top",
        "edges",
        "events",
        "explain",
        "report",
        "graph",
        "ping",
        "send",
        "bench",
        "compose",
        "schema",
        "completions",
    ] {
        check(&[name, "--help"], 0, "Examples:");
    }
    check(&["pong"], 64, "'ping'");
    check(&["check"], 64, "<FILE>");
    check(&["ping", "nonsense"], 64, "nonsense");
    check(&["run", "--port", "1"], 64, "--port");
}

#[test]
fn standard_input_gives_one_secret() {
    let check = |arguments: &[&str], input: &str, expected: &str| {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        check_ended(ended(&child.wait_with_output().unwrap()), 64, &[expected]);
    };
    let pay = ["pay", "test.b.shop.x", "5", "--via", "@-"];
    let both_flags = [&pay[..], &["--secret", "@-"]].concat();
    let once = "--secret: standard input can be read only once, and --via has read it";
    check(&both_flags, "btp+ws://cli:x@127.0.0.1:1\n", once);
    check(&pay, "\n", "--via: standard input is empty");
}

#[test]
fn check_reports_mistakes() {
    let folder = temp_folder();
    let good =
        write_file(&folder, "good.yaml", "nodeId: a\npeers: [{ id: b, authToken: s3cret }]\n");
    let bad = write_file(
        &folder,
        "bad.yaml",
        "nodeId: a\nbtpServerPort: 70000\nroutes: [{ prefix: g.x, nextHop: bob }]\n",
    );
    let check = |arguments: &[&str], code: i32, results: &[&str], mistakes: &[&str]| {
        let output = command(&[&["check"], arguments].concat());
        assert!(!combined_output(&output).contains("s3cret"), "{}", combined_output(&output));
        check_ended((output.status.code(), text(&output.stdout)), code, results);
        check_ended((output.status.code(), text(&output.stderr)), code, mistakes);
    };
    let (good, bad) = (path_text(&good), path_text(&bad));
    check(&[good], 0, &["good.yaml: ok, node a with 1 peer and 0 routes"], &[]);
    // One bad file does not hide the others.
    let mistakes = ["error: ", "bad.yaml:2: btpServerPort = 70000", "routes[0].nextHop"];
    check(&[bad, good], 64, &["good.yaml: ok"], &mistakes);
    check(&["--print", good], 0, &["btpServerPort: 3000"], &[]);
    let network = "docker/config/config.yaml";
    check(&[network, "--node", "b", "--print"], 0, &["nodeId: b"], &[]);
    check(&[network, "--node", "x"], 64, &[], &["nodes: a, b, c"]);
}

#[test]
fn compose_prints_the_file_at_the_root() {
    let output = command(&["compose", "docker/config/config.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", combined_output(&output));
    assert_eq!(text(&output.stderr), "");
    let root = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docker-compose.yml"))
        .unwrap();
    // It can also run docker/config/settling.yaml, with a token of the engines.
    let root = root.replace("/${NETWORK:-config}.yaml", "/config.yaml");
    let root: String = root
        .lines()
        .filter(|line| !line.starts_with("  ENGINE_TOKEN:"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut root: Value = serde_yaml::from_str(&root).unwrap();
    // And it has two profiles of the repository.
    let services = root["services"].as_object_mut().unwrap();
    let before = services.len();
    services.retain(|_, service| {
        let profile = service["profiles"][0].as_str();
        !profile.is_some_and(|profile| ["settlement", "monitoring"].contains(&profile))
            && service["<<"]["profiles"][0] != "settlement"
    });
    assert_eq!(before - services.len(), 6);
    root.as_object_mut().unwrap().remove("x-settlement").unwrap();
    for volume in ["ledger", "metrics"] {
        root["volumes"].as_object_mut().unwrap().remove(volume).unwrap();
    }
    let printed: Value = serde_yaml::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(printed, root);

    for example in ["linear-3", "mesh-4", "ring", "star", "two-nodes", "with-store"] {
        let output = command(&["compose", &format!("examples/{example}.yaml")]);
        assert_eq!(output.status.code(), Some(0), "{example}: {}", combined_output(&output));
        assert_eq!(text(&output.stderr), "", "{example}");
    }
    let output = command(&["compose", "examples/node-listening.yaml"]);
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn schema_and_completions() {
    for form in [&["schema"][..], &["schema", "node"], &["schema", "topology"]] {
        let schema: Value = serde_json::from_slice(&command(form).stdout).unwrap();
        assert!(schema["$schema"].as_str().unwrap().contains("2020-12"), "{form:?}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = command(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(text(&output.stdout).contains("healthcheck"), "{shell}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    for arguments in
        [&["schema"][..], &["completions", "bash"], &["--help"], &["check", "examples/ring.yaml"]]
    {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("error") && !said.contains("panic"), "{arguments:?}: {said}");
    }
}

//! The exchange rates of a running node: what `rates` and `explain` say of them, and the use of a quote that jumped.

use std::path::Path;

use super::*;
use crate::process::{path_text, temp_folder, write_file};

fn write_rates(folder: &Path, rates: &str) {
    // Another program replaces the file at once.
    let next = folder.join("next.json");
    std::fs::write(&next, format!("{{\"base\": \"USD\", \"rates\": {{{rates}}}}}")).unwrap();
    std::fs::rename(&next, folder.join("rates.json")).unwrap();
}

/// What a command prints, and its exit code.
fn said(arguments: &[&str]) -> (i32, String) {
    let output = run(Command::new(PROGRAM).args(arguments).env_clear());
    (output.status.code().unwrap_or(-1), combined_output(&output))
}

#[test]
fn a_rate_that_is_not_used_is_a_failure_until_an_operator_accepts_it() {
    let folder = temp_folder();
    let rates = folder.path().join("rates.json");
    let source = path_text(&rates);
    let node = TestNode::start(&file(
        "  - { id: cli, authToken: t, assetCode: USD }\n  - { id: e, authToken: e-token, assetCode: EUR }\n",
        &format!(
            "rateSources:\n  - {{ file: {source}, refreshMs: 1000 }}\nroutes:\n  - {{ prefix: test.e, nextHop: e }}\n"
        ),
    ));
    let _e = node.connect_peer("e");
    let url = format!("http://127.0.0.1:{}", node.health_port);
    let token = write_file(&folder, "token", TOKEN);
    let at = ["--via", &url, "--token-file", path_text(&token)];
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        let arguments = [arguments, &at].concat();
        wait_until("what the command says", || {
            let (found, text) = said(&arguments);
            let fits = found == code && expected.iter().all(|part| text.contains(part));
            if fits { Ok(()) } else { Err(format!("{arguments:?}: {found}: {text}")) }
        });
    };
    check(&["rates"], 1, &["missing", "no such file"]);
    let explain = ["explain", "test.e.shop", "--from", "n"];
    check(&explain, 1, &["n  rejects with T00: no exchange rate", "the packet is rejected"]);
    write_rates(folder.path(), "\"EUR\": 0.5");
    check(&["rates"], 0, &["0.5", "used"]);
    let with_amount = [&explain[..], &["--amount", "1000"]].concat();
    check(&with_amount, 0, &["n  forwards 500 to e"]);
    write_rates(folder.path(), "\"EUR\": 0.9");
    check(
        &["rates"],
        1,
        &["jumped", "used, but for EUR", &format!("rates accept {source} EUR --quote 0.9")],
    );
    check(&with_amount, 1, &["rejects with T00", "has jumped"]);
    let accept = ["rates", "accept", source, "EUR"];
    check(&[&accept[..], &["--quote", "0.8"]].concat(), 1, &["is 0.9 now (HTTP 409)"]);
    check(&["rates", "accept", "other", "EUR"], 1, &["has no source other", "(HTTP 404)"]);
    let text = said(&[&accept[..], &["--reason", "checked", "--quote", "0.9"], &at].concat());
    assert_eq!(text.0, 0, "{text:?}");
    assert!(text.1.contains(&format!("n: EUR in {source} is 0.9 from now on; it was 0.5")));
    check(&["rates"], 0, &["0.9", "used"]);
    check(&with_amount, 0, &["n  forwards 900 to e"]);
    check(&accept, 1, &["no quote of EUR in ", "has jumped (HTTP 409)"]);
    has_event(&node, "rate.fresh", "").unwrap();
}

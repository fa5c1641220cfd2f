//! The API and its description agree: schemathesis sends requests that the description permits, and others, to a real
//! network, and compares the answers with it.

use std::process::Command;

use crate::network::TestNetwork;
use crate::observer::start_network;
use crate::process::{path_text, temp_folder};
use crate::support::{combined_output, skip};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schema/schemathesis.toml");
/// What each answer is checked for.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,negative_data_rejection";

#[test]
fn answers_are_as_described() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let (_process, port) = start_network(&network, &[]);
    let folder = temp_folder();
    let url = format!("http://127.0.0.1:{port}/api/v1/openapi.json");
    let mut command = Command::new("schemathesis");
    command.args(["--config-file", CONFIG, "run", &url, "--checks", CHECKS]);
    // A stream does not end.
    command.args(["--exclude-path", "/api/v1/stream", "--phases", "coverage,fuzzing"]);
    command.args(["--max-examples", "20", "--seed", "1", "--no-color"]);
    command.args(["--generation-database", "none", "--request-timeout", "30"]);
    let output = match command.current_dir(path_text(folder.path())).output() {
        Ok(output) => output,
        Err(error) => return skip("the API against its description", &error.to_string()),
    };
    assert!(output.status.success(), "{}", combined_output(&output));
}

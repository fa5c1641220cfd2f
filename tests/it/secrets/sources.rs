//! Secrets from variables and from files of their own, and the messages about unusable ones.

use std::fs;
use std::path::Path;

use ilp_connector::internals::config::Environment;

use super::files::{check_output, hunt};
use super::places::one_of_each_mapping;
use super::{CANARIES, secret_keys};
use crate::process::{temp_folder, write_file};

/// Values of variables. `<c>` is the secret.
const VALUES: &[&str] = &[
    "<c>",
    "<c>\n",
    " <c>",
    "<c>\u{7}",
    "<c>é",
    "<c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c><c>",
    "${<c>",
    "[<c>]",
    "ext=<c>",
    "ext,ws://x:<c>@h",
    "ws://x:<c>@h",
    "ws://h/<c>",
    "tcp://10.0.0.1:<c>",
    "secrets/<c>",
    "@<c>",
];

/// Contents of files with secrets.
const CONTENTS: &[&str] = &[
    "<c>",
    "<c>\n<c>\n",
    "<c>\n\n",
    "<c> \n",
    "\t<c>",
    "<c>\u{7}",
    "<c>\0",
    "<c>é",
    "token: <c>\n",
    "-----BEGIN PRIVATE KEY-----\n<c>\n-----END PRIVATE KEY-----\n",
    "-----BEGIN CERTIFICATE-----\n<c>\n-----END CERTIFICATE-----\n",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n<c>\n",
    "-----BEGIN <c>-----\n",
];

fn variable_of(key: &str) -> String {
    let letters = key.chars().map(|c| match c.is_ascii_uppercase() {
        true => format!("_{c}"),
        false => c.to_ascii_uppercase().to_string(),
    });
    letters.collect()
}

/// The messages about a configuration, and unless the secret is at a public key, the printed values as well.
fn check_text(file: &Path, environment: Environment, is_secret: bool) -> String {
    let output = check_output(file.to_owned(), environment);
    output.messages + if output.accepted && !is_secret { "" } else { &output.printed }
}

#[test]
fn no_mistake_in_a_variable_shows_it() {
    let (folder, hunt, mut leaks) = (temp_folder(), hunt(), Vec::new());
    let file = write_file(&folder, "c.yaml", "nodeId: n\npeers: [{ id: ext }]\n");
    let mut names: Vec<String> = secret_keys().iter().map(|key| variable_of(key)).collect();
    names.push("BTP_PEER_EXT_SECRET".to_owned());
    let secret_ones = names.len();
    names.extend(
        ["BTP_PEER_EXT_URL", "BTP_PEER_EXT_USERNAME", "BTP_PEERS", "NODE_ID"].map(Into::into),
    );
    names.extend(["LOG_LEVEL", "CA_FILE", "ILP_ADDRESS", "BTP_SERVER_HOST"].map(Into::into));
    for (number, name) in names.iter().enumerate() {
        for ending in ["", "_FILE", "S", "_"] {
            for (turn, value) in VALUES.iter().enumerate() {
                let canary = CANARIES[(turn + ending.len()) % 2];
                let given = [(format!("{name}{ending}"), value.replace("<c>", canary))];
                let environment = Environment::from(given.clone());
                let words = check_text(&file, environment, number < secret_ones);
                leaks.extend(hunt.leaks(&words).into_iter().map(|leak| (given.clone(), leak)));
            }
        }
    }
    assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());
}

#[test]
fn no_file_of_a_secret_shows_what_it_holds() {
    let (folder, hunt, mut leaks) = (temp_folder(), hunt(), Vec::new());
    let canary = CANARIES[1];
    let directory = folder.path().join("directory");
    fs::create_dir(&directory).unwrap();
    let mut texts = Vec::new();
    for place in one_of_each_mapping() {
        for other in place
            .others
            .iter()
            .filter(|other| other.name.ends_with("File") || other.name.ends_with("Files"))
        {
            let name = &other.name;
            for value in ["secret", "[secret, secret]", "directory", "secret/x", "[secret]"] {
                texts.push(place.file(&format!("<p>{name}: {value}"), canary, ["", ""]));
            }
            texts.push(place.file(&format!("<p>{name}: secret\n<p><k>: <v>"), canary, ["", ""]));
        }
    }
    for keys in
        ["certificate: secret, key: secret", "certificate: certificate, key: secret", "key: secret"]
    {
        texts.push(format!("nodeId: n\ntls: {{ {keys} }}\n"));
    }
    write_file(
        &folder,
        "certificate",
        &rcgen::generate_simple_self_signed(["n".to_owned()]).unwrap().cert.pem(),
    );
    for content in CONTENTS {
        write_file(&folder, "secret", &content.replace("<c>", canary));
        for text in &texts {
            let file = write_file(&folder, "c.yaml", text);
            for leak in hunt.leaks(&check_text(&file, Environment::new(), true)) {
                leaks.push((*content, text.clone(), leak));
            }
        }
    }
    assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());
}

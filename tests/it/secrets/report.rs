//! The archive of `report`: for a running node, whose archive joins its other output, and for files around a secret.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::hunt;
use super::mistakes::IN_ITS_LINE;
use super::places::places;
use super::{CANARIES, secret_keys};
use crate::cli::unpack_report;
use crate::process::{path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, run};

/// The files of a report, their names, and what the command printed.
pub(super) fn report(folder: &Path, arguments: &[&str], variables: &[(String, String)]) -> String {
    let file = folder.join("report.tar.gz");
    let _ = std::fs::remove_file(&file);
    let mut command = Command::new(PROGRAM);
    command.arg("report").args(arguments).args(["-o", path_text(&file)]).env_clear();
    let output = run(command.envs(variables.iter().cloned()));
    let mut text = combined_output(&output);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {text}");
    for (name, content) in unpack_report(&file) {
        text += &format!("--- {name}\n{content}\n");
    }
    text
}

#[test]
fn no_secret_of_a_file_that_is_wrong_or_right_is_in_a_report() {
    let (folder, hunt) = (temp_folder(), hunt());
    let mut leaks = Vec::new();
    for (number, place) in places().iter().enumerate() {
        // Each place with a few of the mistakes, so that all mistakes are made; and once without any.
        let mistakes = IN_ITS_LINE.iter().skip(number % 7).step_by(IN_ITS_LINE.len() / 2 + 1);
        for line in mistakes.copied().chain(["<p><k>: <v>"]) {
            let canary = CANARIES[number % CANARIES.len()];
            let commented = format!("# {canary}\n{}", place.file(line, canary, ["", ""]));
            let file = write_file(&folder, "c.yaml", &commented);
            let shown = report(folder.path(), &[path_text(&file), "--timeout", "1"], &[]);
            assert!(shown.contains("--- configuration/c.yaml/findings.txt"), "{shown}");
            leaks.extend(hunt.leaks(&shown).into_iter().map(|leak| (commented.clone(), leak)));
        }
    }
    assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());
}

#[test]
fn no_secret_of_a_variable_a_file_or_a_url_is_in_a_report() {
    let (folder, hunt) = (temp_folder(), hunt());
    let [hex, base64, words] = CANARIES;
    let secret = write_file(&folder, "secret", words);
    let file = write_file(
        &folder,
        "n.yaml",
        &format!(
            "nodeId: n # {hex}\nhealthCheckPort: 1\nstore: postgres://user:{hex}@127.0.0.1:1/{{node}}\n\
             apiTokens: [{{ id: wall, tokenFile: {secret}, scopes: [read] }}]\n\
             peers:\n  - {{ id: b, url: 'btp+ws://n:{hex}@127.0.0.1:1', maxPacketAmount: 5 }}\n  \
               - {{ id: c, authToken: '${{C_TOKEN}}' }}\n\
             rates:\n  - {{ from: USD, to: EUR, rate: 0.9 }}\n\
             rateSources:\n  - {{ id: x, url: 'https://127.0.0.1:1/latest?access_key={hex}' }}\n",
            secret = path_text(&secret),
        )
        .replace("/{node}", "/n"),
    );
    let mut variables: Vec<(String, String)> = vec![
        ("C_TOKEN".to_owned(), words.to_owned()),
        ("ILP_VIA".to_owned(), format!("btp+ws://u:{hex}@h:1")),
        ("PAGE_TOKEN".to_owned(), base64.to_owned()),
        ("BTP_PEER_C_SECRET".to_owned(), hex.to_owned()),
        ("BTP_PEER_C_URL".to_owned(), format!("btp+ws://u:{hex}@127.0.0.1:1")),
        ("HOME".to_owned(), format!("/{words}")),
        ("SOME_PASSWORD".to_owned(), words.to_owned()),
    ];
    let with_files = |name: &str| name.replace("S_FILE", "_FILE");
    for key in secret_keys() {
        let name = key.chars().map(|c| match c.is_ascii_uppercase() {
            true => format!("_{c}"),
            false => c.to_ascii_uppercase().to_string(),
        });
        let name: String = name.collect();
        variables.push((with_files(&name), hex.to_owned()));
    }
    for (arguments, given) in [
        (vec![path_text(&file)], &variables[..1]),
        (vec![], &variables),
        (vec!["--config", path_text(&file)], &variables),
    ] {
        let arguments = [&arguments[..], &["--timeout", "1"]].concat();
        let shown = report(folder.path(), &arguments, given);
        assert_eq!(hunt.leaks(&shown), Vec::<String>::new(), "{arguments:?}");
        assert!(shown.contains("--- environment.txt"), "{shown}");
    }
    // The token of the requests, too.
    let token = write_file(&folder, "token", hex);
    let arguments = ["http://127.0.0.1:1", "--token-file", path_text(&token), "--timeout", "1"];
    let shown = report(folder.path(), &arguments, &[]);
    assert!(shown.contains("not in it: node 127.0.0.1:1"), "{shown}");
    assert_eq!(hunt.leaks(&shown), Vec::<String>::new());
    let _: PathBuf = token;
}

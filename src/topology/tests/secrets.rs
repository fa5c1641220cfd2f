//! Secrets in files of their own, several at once, and weak ones.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::{Topology, load};
use super::{messages_of_check, source_of_variables};
use crate::config::{Loaded, Override, Source};

fn write(folder: &Path, name: &str, text: &str, mode: u32) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn source(folder: &Path, variables: &[(&str, &str)]) -> Source {
    Source { file: Some(folder.join("c.yaml")), ..source_of_variables(variables) }
}

fn loaded(folder: &Path, variables: &[(&str, &str)]) -> Loaded {
    load(&source(folder, variables)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn messages_of(folder: &Path, variables: &[(&str, &str)]) -> String {
    messages_of_check(&source(folder, variables), folder).join("\n")
}

fn tokens(loaded: &Loaded, peer: &str) -> Vec<String> {
    let peer = loaded.config.peer(peer).unwrap();
    peer.tokens().map(|token| token.expose().to_owned()).collect()
}

#[test]
fn every_secret_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "s/api", "api-secret\n", 0o600);
    write(folder, "s/receivers", "0123456789abcdef0123456789abcdef", 0o600);
    write(folder, "s/bob", "bob-secret\r\n", 0o600);
    write(folder, "s/new", "new-secret\n", 0o600);
    write(folder, "s/old", "old-secret\n", 0o600);
    let text = "nodeId: a\napiTokenFile: s/api\nreceiverSecretFile: ${SECRETS:-s}/receivers\npeers:\n  \
        - {id: bob, authTokenFile: s/bob}\n  - {id: carol, authTokenFiles: [s/new, s/old]}\n  - {id: dave, authTokens: [x, y]}\n";
    write(folder, "c.yaml", text, 0o600);
    assert_eq!(messages_of(folder, &[]), "");
    let all = loaded(folder, &[]);
    assert_eq!(all.config.settings.api_token.as_ref().unwrap().expose(), "api-secret");
    assert_eq!(all.config.settings.receiver_secret.as_ref().unwrap().expose().len(), 32);
    assert_eq!(tokens(&all, "bob"), ["bob-secret"]);
    assert_eq!(tokens(&all, "carol"), ["new-secret", "old-secret"]);
    assert_eq!(tokens(&all, "dave"), ["x", "y"]);
    let names: Vec<_> =
        all.secret_files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["api", "bob", "new", "old", "receivers"]);
    let printed = all.print();
    assert!(!printed.contains("-secret") && !printed.contains("0123456789"), "{printed}");
    assert!(printed.contains("authTokens: [\"***\", \"***\"]"), "{printed}");

    // A variable replaces every key of the file for the same secret.
    write(folder, "s/env", "env-secret\n", 0o600);
    let env = loaded(folder, &[("API_TOKEN", "e1"), ("BTP_PEER_CAROL_SECRET", "e2")]);
    assert_eq!(env.config.settings.api_token.as_ref().unwrap().expose(), "e1");
    assert_eq!(tokens(&env, "carol"), ["e2"]);
    let env =
        loaded(folder, &[("API_TOKEN_FILE", "s/env"), ("BTP_PEER_DAVE_SECRET_FILE", "s/env")]);
    assert_eq!(env.config.settings.api_token.as_ref().unwrap().expose(), "env-secret");
    assert_eq!(tokens(&env, "dave"), ["env-secret"]);
    let twice = [("API_TOKEN", "e1"), ("API_TOKEN_FILE", "s/env")];
    assert_eq!(
        messages_of(folder, &twice),
        "environment: API_TOKEN_FILE: apiToken is set as well; set one of the two"
    );
}

#[test]
fn links_of_a_topology_and_their_nodes_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "link", "link-secret\n", 0o600);
    write(folder, "cli", "cli-secret\n", 0o600);
    let text = "nodes:\n  - {id: a, apiTokenFile: cli}\n  - id: b\nlinks:\n  - {from: a, to: b, secretFile: link}\n\
        defaults:\n  apiTokenFile: link\n  peers:\n    - {id: cli, relation: child, authTokenFile: cli}\n";
    write(folder, "c.yaml", text, 0o600);
    assert_eq!(messages_of(folder, &[]), "");
    for (id, other, api) in [("a", "b", "cli-secret"), ("b", "a", "link-secret")] {
        let node = loaded(folder, &[("NODE_ID", id)]);
        assert_eq!(tokens(&node, other), ["link-secret"]);
        assert_eq!(tokens(&node, "cli"), ["cli-secret"]);
        assert_eq!(node.config.settings.api_token.as_ref().unwrap().expose(), api);
        assert_eq!(node.secret_files.len(), 2);
    }
    let peer = Override { key: "apiTokenFile", value: "x".into(), flag: "--x".into() };
    let overridden = Source { overrides: vec![peer], ..source(folder, &[("NODE_ID", "a")]) };
    assert!(load(&overridden).is_err(), "a file that is not there");
}

#[test]
fn mistakes_name_the_key_and_never_the_content() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "c.yaml", "nodeId: a\nhealthCheckHost: 127.0.0.1\napiTokenFile: f\n", 0o600);
    let place = "c.yaml:3: apiTokenFile";
    let check = |content: &str, expected: &str| {
        write(folder, "f", content, 0o600);
        let said = messages_of(folder, &[]);
        assert!(said.starts_with(&format!("{place}{expected}")), "{content:?}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    };
    assert!(
        messages_of(folder, &[]).starts_with(&format!("{place} = ***: the file cannot be read: "))
    );
    check("", " = \"f\": the file is empty");
    check("\n", " = \"f\": the file is empty");
    check("hunter2\nhunter2\n", " = ***: holds a line break");
    check("hunter2\n\n", " = ***: holds a line break");
    check("hunter2 \n", " = ***: begins or ends with a space");
    check("hunter2\u{7}\n", " = ***: holds a control character");
    check(&"hunter2".repeat(4000), " = \"f\": the file is larger than 16 KiB");
    std::fs::remove_file(folder.join("f")).unwrap();
    std::fs::create_dir(folder.join("f")).unwrap();
    assert!(
        messages_of(folder, &[])
            .starts_with(&format!("{place} = \"f\": this is not a regular file"))
    );

    let check = |text: &str, expected: &str| {
        write(folder, "g", "hunter2\n", 0o600);
        write(folder, "c.yaml", &format!("nodeId: a\nhealthCheckHost: 127.0.0.1\n{text}\n"), 0o600);
        let said = messages_of(folder, &[]);
        assert!(said.contains(expected), "{text}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    };
    check("apiTokenFile: g\napiToken: hunter2", "apiTokenFile: apiToken is set as well");
    check("apiTokenFile: [g]", "apiTokenFile: expected a text, found a list");
    check("authTokenFile: g", "authTokenFile: unknown key");
    let check = |keys: &str, expected: &str| {
        check(&format!("peers: [{{id: b, {keys}}}]"), &format!("peers[0].{expected}"));
    };
    check("authTokenFiles: g", "authTokenFiles: expected a list");
    check("authTokens: hunter2", "authTokens: expected a list, found a text");
    check("authTokens: []", "authTokens: holds 0 secrets");
    check("authTokens: [a, b, c, d, hunter2]", "authTokens: holds 5 secrets");
    check("authTokens: [hunter2, [hunter2]]", "authTokens[1]: expected a text");
    check("authTokens: [\"hunter2\\n\"]", "authTokens[0]: holds a line break");
    check("authTokenFiles: [g, nowhere]", "authTokenFiles[1] = ***: the file cannot be read");
    check("authToken: hunter2, authTokens: [hunter2]", "authTokens: authToken is set as well");
}

#[test]
fn files_that_other_users_can_open_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let check = |network: &str, modes: (u32, u32), expected: &[&str]| {
        let text = format!(
            "nodeId: a\nilpAddress: {network}.a\nhealthCheckHost: 127.0.0.1\nbtpServerHost: 127.0.0.1\napiTokenFile: f\nstore: s.db\n\
             peers: [{{id: b, authToken: 0123456789abcdef, maxBalance: 9, maxPacketAmount: 1}}]\n"
        );
        write(folder, "c.yaml", &text, modes.0);
        write(folder, "f", "0123456789abcdef\n", modes.1);
        let said = messages_of(folder, &[]);
        assert_eq!(said.lines().count(), expected.len(), "{said}");
        for (line, expected) in said.lines().zip(expected) {
            assert!(line.contains(expected), "{line}");
        }
    };
    let close =
        |mode| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    close(0o755);
    check("test", (0o600, 0o640), &[]);
    check("test", (0o644, 0o600), &[]);
    check("g", (0o600, 0o600), &[]);
    check("test", (0o600, 0o644), &["apiTokenFile: all users of this machine may read"]);
    check(
        "test",
        (0o646, 0o600),
        &["the file holds secrets, and all users of this machine may write"],
    );
    check("g", (0o644, 0o600), &["the file holds secrets, and all users of this machine may read"]);
    // Other users do not reach what is in a closed directory.
    close(0o750);
    check("g", (0o644, 0o644), &[]);
}

/// Each of these warnings concerns both nodes.
#[test]
fn up_gives_each_warning_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let text = "nodes:\n  - {id: a, ilpAddress: g.a}\n  - {id: b, ilpAddress: g.b}\nlinks:\n  \
        - {from: a, to: b, secret: s}\ndefaults: {maxBalance: 9, maxPacketAmount: 1}\n";
    write(folder, "c.yaml", text, 0o646);
    let source = source(folder, &[]);
    let content = source.read().unwrap().unwrap();
    let loaded = Topology::load_all_on_loopback(&source, &content, |_| {}).unwrap();
    let warnings = loaded.iter().flat_map(|node| &node.warnings).map(ToString::to_string);
    let warnings: Vec<String> = warnings.collect();
    for expected in ["links[0].secret: is short", "all users of this machine may write it"] {
        let count = warnings.iter().filter(|warning| warning.contains(expected)).count();
        assert_eq!(count, 1, "{expected}: {warnings:#?}");
    }
}

#[test]
fn weak_secrets_and_plain_logins_of_the_live_network_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good = "0123456789abcdef";
    let check = |keys: &str, peers: &str, expected: &[&str]| {
        let store = if keys.contains("store:") { "" } else { "store: s.db\n" };
        for network in ["g", "test"] {
            let text = format!(
                "nodeId: a\nilpAddress: {network}.a\nhealthCheckHost: 127.0.0.1\n{store}{keys}\npeers: [{peers}]\n"
            );
            write(folder, "c.yaml", &text, 0o600);
            let said = messages_of(folder, &[]);
            let expected = if network == "g" { expected } else { &[] };
            assert_eq!(said.lines().count(), expected.len(), "{text}\n{said}");
            for (line, expected) in said.lines().zip(expected) {
                assert!(line.contains(expected), "{line}\n{expected}");
            }
        }
    };
    let local = "btpServerHost: 127.0.0.1";
    let peer = |more: &str| format!("{{id: b, maxBalance: 9, maxPacketAmount: 1, {more}}}");
    let strong = peer(&format!("authToken: {good}"));
    check(local, &strong, &[]);
    check(&format!("{local}\napiToken: x"), &strong, &["apiToken: is short"]);
    check("", &strong, &["btpServerHost: peers log in by plain ws on 0.0.0.0"]);
    let with_http = format!("{local}\nhttpServerPort: 1");
    let check_store = |url: &str, expected: &[&str]| {
        check(&format!("{local}\nstore: '{url}'"), &strong, expected);
    };
    check_store("postgres://u:short@db/d?sslmode=verify-full", &["store: is short"]);
    let unverified = "store: the server is not verified";
    check_store(&format!("postgres://u:{good}@db/d?sslmode=require"), &[unverified]);
    check_store("postgres://u@127.0.0.1/d", &[]);
    check_store("postgres://u@db/d?host=/run/pg", &[]);
    check(&with_http, &strong, &["httpServerHost: peers log in by plain http on 0.0.0.0"]);
    let check_peer = |keys: &str, expected: &[&str]| check(local, &peer(keys), expected);
    check_peer("authToken: a", &["peers[0].authToken: is short"]);
    let demo = "peers[0].authTokens[1]: begins with demo-";
    check_peer(&format!("authTokens: [{good}, demo-old-old-old-old]"), &[demo]);
    let demo = "peers[0].authToken: begins with demo-";
    check_peer("authToken: demo-cli-token-0123456789", &[demo]);
    check_peer("url: 'wss://a:short@b'", &["peers[0].url: is short"]);
    let check_url = |url: &str, expected: &[&str]| {
        check_peer(&format!("authToken: {good}, url: '{url}'"), expected);
    };
    check_url("ws://b", &["peers[0].url: without TLS"]);
    check_url("http://b/ilp", &["peers[0].url: without TLS"]);
    check_url("ws://127.0.0.1:1", &[]);
    check_url("ws://[::1]:1", &[]);
}

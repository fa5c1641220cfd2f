//! The programs of examples/clients at a node, as readers run them.

use std::process::Command;

use serde_json::Value;

use crate::interop::{packages, typescript_packages};
use crate::peer::TestNode;
use crate::process::{Process, free_port, temp_folder};
use crate::support::{PROGRAM, combined_output, run, run_successfully, skip};

fn node() -> TestNode {
    TestNode::start(
        "nodeId: n\nilpAddress: test.n\nhttpServerHost: 127.0.0.1\nhttpServerPort: 0\npeers:\n  \
         - { id: cli, relation: child, authToken: a-token, maxBalance: 1000000 }\n  - { id: shop, relation: child, authToken: shop-token }\n\
         receivers: [{ id: wallet }]\n",
    )
}

fn example(name: &str) -> String {
    format!("{}/examples/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The balance of an account, in units.
fn balance(node: &TestNode, id: &str) -> i64 {
    node.account(id)["balance"].as_str().unwrap().parse().unwrap()
}

#[test]
fn python_sends_a_packet_over_http_without_a_library() {
    if Command::new("python3").arg("--version").output().is_err() {
        return skip("the client in Python", "python3 is not installed");
    }
    let node = node();
    let port = node.process.wait_for_log("HTTP server listening", "port");
    let url = format!("http://127.0.0.1:{port}/accounts/cli/ilp");
    let send = |destination: &str, amount: &str| {
        let mut send = Command::new("python3");
        send.arg(example("python/send.py")).args([&url, "a-token", destination, amount]);
        run(&mut send)
    };
    let sent = send("test.n", "100");
    assert!(sent.status.success(), "{}", combined_output(&sent));
    assert_eq!(combined_output(&sent), "test.n has got 100\n");
    assert_eq!(balance(&node, "cli"), 100);
    let wrong = |url: &str, token: &str| {
        let mut send = Command::new("python3");
        send.arg(example("python/send.py")).args([url, token, "test.n", "1"]);
        combined_output(&run(&mut send))
    };
    let refused = wrong(&url, "another-token");
    assert!(refused.contains("HTTP Error 401") && refused.contains("a bearer token"), "{refused}");
    assert!(wrong("http://127.0.0.1:9/", "a-token").contains("refused"));
    let usage = combined_output(&run(Command::new("python3").arg(example("python/send.py"))));
    assert!(usage.contains("send.py http://127.0.0.1:7770"), "{usage}");
    // A longer address, and so longer lengths.
    let refused = send(&format!("test.{}", "x".repeat(200)), "1");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        combined_output(&refused).starts_with("rejected: F02 from test.n: "),
        "{}",
        combined_output(&refused)
    );
    let too_large = combined_output(&send("test.n", "1000001"));
    assert!(
        too_large.starts_with("rejected: F08 from test.n: ")
            && too_large.contains("(1000001 arrived, at most 1000000 would pass)"),
        "{too_large}"
    );
}

/// The test runs the clients with the packages of tests/interop, so these must be the ones that readers install.
#[test]
fn readers_of_the_javascript_clients_install_what_was_tested() {
    let dependencies = |folder: &str| -> Value {
        let file = format!("{}/{folder}/package.json", env!("CARGO_MANIFEST_DIR"));
        let package: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        package["dependencies"].clone()
    };
    let ours = dependencies("tests/interop");
    let typescript = dependencies("examples/clients/typescript");
    for (name, version) in typescript.as_object().unwrap() {
        assert_eq!(version, &ours[name], "{name}");
    }
    let theirs = dependencies("examples/clients/javascript");
    assert!(theirs.as_object().is_some_and(|all| all.len() > 3), "{theirs}");
    for (name, version) in theirs.as_object().unwrap() {
        assert_eq!(version, &ours[name], "{name}");
    }
    for script in ["login.js", "pay.js", "receive.js"] {
        let text = std::fs::read_to_string(example(&format!("javascript/{script}"))).unwrap();
        let required = text.split("require('").skip(1).map(|rest| rest.split('\'').next().unwrap());
        for name in required.filter(|name| !name.starts_with("node:") && *name != "./login") {
            assert!(!theirs[name].is_null(), "{script} requires {name}");
        }
    }
}

#[test]
fn javascript_pays_and_is_paid() {
    let modules = match packages() {
        Ok(folder) => folder.join("node_modules"),
        Err(why) => return skip("the clients in JavaScript", &why),
    };
    let node = node();
    let script = |name: &str, arguments: &[&str]| {
        let mut script = Command::new("node");
        script.arg(example(name)).args(arguments).env("NODE_PATH", &modules);
        script
    };
    let login =
        |account: &str, token: &str| format!("btp+ws://{account}:{token}@127.0.0.1:{}", node.port);
    let http = node.process.wait_for_log("HTTP server listening", "port");
    let wallet = format!("http://127.0.0.1:{http}/wallet");
    let paid = run_successfully(&mut script(
        "javascript/pay.js",
        &[&login("cli", "a-token"), &wallet, "5000"],
    ));
    assert_eq!(paid, format!("paid 5000 of USD/9 to {wallet}, and 5000 of USD/9 arrived\n"));
    assert_eq!((balance(&node, "cli"), balance(&node, "wallet")), (5000, -5000));

    let shop = Process::spawn(&mut script(
        "javascript/receive.js",
        &[&login("shop", "shop-token"), "order-7"],
    ));
    let at = shop.wait_for_line("an address", |line| serde_json::from_str::<Value>(line).ok());
    let (address, secret) = (at["address"].as_str().unwrap(), at["secret"].as_str().unwrap());
    let mut pay = Command::new(PROGRAM);
    pay.args(["pay", address, "700", "--secret", secret, "--via", &login("cli", "a-token")]);
    run_successfully(&mut pay);
    shop.wait_for_line("money", |line| line.ends_with("for order-7, 700 in all").then_some(()));
    assert_eq!((balance(&node, "cli"), balance(&node, "shop")), (5700, -700));

    // What goes wrong is said in a line.
    let free = free_port();
    let token = &login("cli", "another-token");
    let nowhere = &format!("btp+ws://cli:a-token@127.0.0.1:{free}");
    let no_wallet = &format!("http://127.0.0.1:{free}/wallet");
    for (server, receiver, amount, expected) in [
        (&login("cli", "a-token"), &wallet, "2000000", "the last Reject: T04 from test.n: "),
        (token, &wallet, "5", "are the name and the token right?"),
        (nowhere, &wallet, "5", "no node has answered at 127.0.0.1:"),
        (&login("cli", "a-token"), no_wallet, "5", "/wallet: ECONNREFUSED"),
    ] {
        let output = run(&mut script("javascript/pay.js", &[server, receiver, amount]));
        let said = combined_output(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected) && !said.contains("    at "), "{expected}: {said}");
    }
}

#[test]
fn javascript_pays_in_another_currency_at_a_price_that_it_believes() {
    let modules = match packages() {
        Ok(folder) => folder.join("node_modules"),
        Err(why) => return skip("the clients in JavaScript", &why),
    };
    let node = TestNode::start(
        "nodeId: n\nilpAddress: test.n\nhttpServerHost: 127.0.0.1\nhttpServerPort: 0\npeers:\n  \
         - { id: cli, relation: child, authToken: a-token, assetCode: EUR, assetScale: 6 }\n\
         receivers: [{ id: wallet }]\nrates: [{ from: EUR, to: USD, rate: '1.08' }]\n",
    );
    let http = node.process.wait_for_log("HTTP server listening", "port");
    let wallet = format!("http://127.0.0.1:{http}/wallet");
    let server = format!("btp+ws://cli:a-token@127.0.0.1:{}", node.port);
    let pay = |prices: &[&str]| {
        let mut pay = Command::new("node");
        pay.arg(example("javascript/pay.js")).args([&*server, &wallet, "1000000"]).args(prices);
        let output = run(pay.env("NODE_PATH", &modules));
        (output.status.success(), combined_output(&output))
    };
    let (is_paid, said) = pay(&[]);
    assert!(!is_paid && said.contains("ExternalRateUnavailable"), "{said}");
    let (is_paid, said) = pay(&[r#"{ "USD": 1, "EUR": 1.2 }"#]);
    assert!(!is_paid && said.contains("InsufficientExchangeRate"), "{said}");
    assert_eq!(balance(&node, "wallet"), 0);
    let (is_paid, said) = pay(&[r#"{ "USD": 1, "EUR": 1.08 }"#]);
    let expected = format!("paid 1000000 of EUR/6 to {wallet}, and 1080000000 of USD/9 arrived\n");
    assert_eq!((is_paid, said), (true, expected));
}

#[test]
fn typescript_is_checked_and_pays_what_was_quoted() {
    let folder = match typescript_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the client in TypeScript", &why),
    };
    let modules = folder.join("node_modules");
    let compile = |arguments: &[&str]| {
        let mut compiler = Command::new(modules.join(".bin/tsc"));
        run(compiler.args(arguments).current_dir(&folder))
    };
    let built = temp_folder();
    let path = built.path().to_str().unwrap();
    let compiled = compile(&["--outDir", path]);
    assert!(compiled.status.success(), "{}", combined_output(&compiled));
    // The check is strict: the same program with a mistake in a type does not pass.
    let wrong = std::fs::read_to_string(folder.join("pay.ts")).unwrap();
    let wrong = wrong.replace("sent: amountSent", "sent: Number(amountSent)");
    let copy = tempfile::Builder::new().suffix(".ts").tempfile_in(&folder).unwrap();
    std::fs::write(copy.path(), wrong).unwrap();
    let options = ["--strict", "--target", "ES2022", "--module", "Node16", "--skipLibCheck"];
    let file = copy.path().to_str().unwrap();
    let refused = compile(&[&["--noEmit", file][..], &options].concat());
    let printed = combined_output(&refused);
    assert!(printed.contains("'number' is not assignable to type 'bigint'"), "{printed}");

    let node = node();
    let http = node.process.wait_for_log("HTTP server listening", "port");
    let pay = |token: &str, endpoint: &str, amount: &str| {
        let mut pay = Command::new("node");
        pay.arg(built.path().join("pay.js"))
            .args([&format!("http://127.0.0.1:{http}/{endpoint}"), amount])
            .arg(format!("btp+ws://cli:{token}@127.0.0.1:{}", node.port))
            .env("NODE_PATH", &modules);
        pay
    };
    let paid = run_successfully(&mut pay("a-token", "wallet", "5000"));
    let quoted = "5000 (USD) cost at most ";
    assert!(paid.starts_with(quoted) && paid.ends_with("\nsent 5000, delivered 5000\n"), "{paid}");
    assert_eq!((balance(&node, "cli"), balance(&node, "wallet")), (5000, -5000));
    let refused = run(&mut pay("a-token", "nobody", "1"));
    assert_eq!(refused.status.code(), Some(1));
    assert!(combined_output(&refused).contains("/nobody answers 404"), "{refused:?}");
    let usage =
        run(Command::new("node").arg(built.path().join("pay.js")).env("NODE_PATH", &modules));
    assert!(combined_output(&usage).contains("usage: node build/pay.js"), "{usage:?}");
}

//! Receivers from SPSP endpoints: redirects, trust, and answers that are not SPSP.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::endpoint::Endpoint;
use super::net::Net;
use crate::cli::check_ended;
use crate::process::path_text;

/// An answer with the credentials of a connection to c's receiver.
fn spsp(net: &Net, token: &str, url_safe: bool) -> String {
    let secret = hex::decode(net.secret(token)).unwrap();
    let secret = if url_safe { URL_SAFE_NO_PAD.encode(secret) } else { STANDARD.encode(secret) };
    format!(
        "200 OK\nContent-Type: application/spsp4+json; charset=utf-8\nCache-Control: max-age=60\n\n\
         {{\"destination_account\":\"test.c.wallet.{token}\",\"shared_secret\":\"{secret}\",\"more\":[1]}}"
    )
}

#[test]
fn an_endpoint_over_tls_and_its_redirects() {
    let net = Net::start("", "");
    let endpoint = Endpoint::start(true);
    let authority = format!("localhost:{}", endpoint.port);
    let ca = path_text(&endpoint.certificate).to_owned();
    let check = |place: &str, trusting: bool, code: i32, expected: &[&str]| {
        let url = format!("https://{authority}{place}");
        let mut arguments = vec!["pay", &url, "1000"];
        if trusting {
            arguments.extend(["--ca-file", &ca]);
        }
        let said = check_ended(net.run(&arguments, None), code, expected);
        assert!(!said.contains("shared_secret\":"), "{said}");
    };
    endpoint.set_answer("/alice", &spsp(&net, "one", false));
    check(
        "/alice",
        true,
        0,
        &[&format!("https://{authority}/alice says: test.c.wallet.one"), "paid"],
    );
    assert!(
        endpoint.requests.lock().unwrap()[0]
            .to_lowercase()
            .contains("accept: application/spsp4+json")
    );
    endpoint.set_answer("/url-safe", &spsp(&net, "two", true));
    check("/url-safe", true, 0, &["paid"]);
    // An endpoint without a trusted certificate gets no request.
    check("/alice", false, 1, &["error: cannot ask https://localhost:", "TLS"]);
    // Redirects are followed, but not away from TLS, and not forever.
    endpoint.set_answer("/moved", "302 Found\nLocation: /alice");
    check("/moved", true, 0, &["/alice says: test.c.wallet.one", "paid"]);
    let (other, plain) = (Endpoint::start(false), "http://127.0.0.1");
    other.set_answer("/alice", &spsp(&net, "three", false));
    endpoint.set_answer("/down", &format!("301 Moved\nLocation: {plain}:{}/alice", other.port));
    check("/down", true, 1, &["redirects to http://127.0.0.1:", "not https; nothing was sent"]);
    assert_eq!(other.requests.lock().unwrap().len(), 0);
    endpoint.set_answer("/ring", "307 Temporary Redirect\nLocation: /ring");
    check("/ring", true, 1, &["redirects more than 5 times"]);
    endpoint.set_answer("/nowhere", "302 Found");
    check("/nowhere", true, 1, &["redirects to nowhere"]);
    // A redirect to another host.
    endpoint.set_answer(
        "/elsewhere",
        &format!("302 Found\nLocation: https://127.0.0.1:{}/alice", endpoint.port),
    );
    check("/elsewhere", true, 1, &["cannot ask https://127.0.0.1:", "TLS"]);
    // Answers that are not SPSP.
    let not_found = "404 Not Found\nContent-Type: application/spsp4+json\n\n\
                     {\"id\":\"InvalidReceiverError\",\"message\":\"Invalid receiver ID\"}";
    endpoint.set_answer("/nobody", not_found);
    check("/nobody", true, 1, &["no such receiver (Invalid receiver ID)"]);
    check("/broken", true, 1, &["HTTP status 500; is this the address of an SPSP endpoint"]);
    endpoint.set_answer("/page", "200 OK\nContent-Type: text/html\n\n<html></html>");
    check("/page", true, 1, &["it answers with text/html", "is it the right URL?"]);
    endpoint.set_answer("/short", "200 OK\nContent-Type: application/spsp4+json\n\n{\"destination_account\":\"test.c\",\"shared_secret\":\"c2hvcnQ=\"}");
    check("/short", true, 1, &["has a shared_secret that is not 32 bytes in base64"]);
    net.check_balances();
}

#[test]
fn without_tls_only_on_this_machine_or_if_allowed() {
    let net = Net::start("", "");
    let endpoint = Endpoint::start(false);
    endpoint.set_answer("/alice", &spsp(&net, "one", false));
    let here = format!("http://127.0.0.1:{}/alice", endpoint.port);
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        check_ended(net.run(&[&["pay"], arguments].concat(), None), code, expected);
    };
    check(&[&here, "1000"], 0, &[]);
    let elsewhere = "http://wallet.invalid/alice";
    check(&[elsewhere, "1000"], 64, &["not https", "--allow-http"]);
    let unanswered = "cannot ask http://wallet.invalid/alice where to pay";
    check(&[elsewhere, "1000", "--allow-http"], 1, &[unanswered]);
    check(&["$user@wallet.invalid", "1000"], 64, &["no user info"]);
    check(&["wallet.invalid", "1000"], 64, &["give a payment pointer"]);
    check(&["test.c.wallet", "0"], 64, &["from 1 to"]);
    check(&["test.c.wallet", "1000"], 64, &["its secret is needed too"]);
    check(&["test.c.wallet", "1000", "--secret=aa"], 64, &["64 hexadecimal digits"]);
    let unanswered = "cannot ask https://localhost/.well-known/pay where to pay";
    check(&["$localhost", "1000"], 1, &[unanswered]);
    assert_eq!(net.balance("a", "cli"), 1000, "{}", net.file());
}

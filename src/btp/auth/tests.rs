//! The login against the vectors, and against tables of names, paths and tokens.

use super::*;
use crate::btp::testing::{empty_response, error, message};
use crate::peers::{PeerLogin, Token};
use crate::wire::btp::ProtocolEntry;
use crate::wire::vectors;

fn login(account: &str, token: &str) -> PeerLogin {
    let account: AccountId = account.parse().unwrap();
    PeerLogin { username: account.to_string(), account, token: Some(Token::from(token)) }
}

fn directory() -> LoginDirectory {
    LoginDirectory::new([
        login("rfc", "shh_its_a_secret"),
        login("bob", "secret"),
        login("carol", "shared"),
        login("dave", "shared"),
    ])
    .unwrap()
}

/// `ok <account>`, `ERROR <why>` or `close`.
fn verdict(frame: &[u8], path: &str) -> String {
    match read_first_frame(frame, path, &directory()) {
        FirstFrame::Accepted { account, .. } => format!("ok {account}"),
        FirstFrame::Refused { why, .. } => format!("ERROR {why}"),
        FirstFrame::Unreadable => "close".to_owned(),
    }
}

fn check(path: &str, username: Option<&str>, token: &str, expected: &str) {
    let mut entries = vec![ProtocolEntry::octets(AUTH, b"")];
    entries.extend(username.map(|username| ProtocolEntry::text(AUTH_USERNAME, username)));
    entries.push(ProtocolEntry::text(AUTH_TOKEN, token));
    assert_eq!(verdict(&message(5, &entries), path), expected, "{path} {username:?} {token}");
}

#[test]
fn logins_by_name_path_and_token() {
    const WRONG: &str = "ERROR invalid auth_username or auth_token";
    for (path, username, token, expected) in [
        ("/", Some("bob"), "secret", "ok bob"),
        ("/", Some("carol"), "shared", "ok carol"),
        // The name of the frame wins over the path, and the path over the token alone.
        ("/accounts/dave/ilp/btp", Some("carol"), "shared", "ok carol"),
        ("/accounts/dave/ilp/btp", Some(""), "shared", "ok dave"),
        ("/accounts/dave/ilp/btp", None, "shared", "ok dave"),
        ("/accounts/d%61ve/ilp/btp", None, "shared", "ok dave"),
        ("/", None, "secret", "ok bob"),
        ("/", Some(""), "secret", "ok bob"),
        ("/accounts//ilp/btp", None, "secret", "ok bob"),
        ("/accounts/a/b/ilp/btp", None, "secret", "ok bob"),
        ("/ilp/btp", None, "secret", "ok bob"),
        ("/", None, "shared", WRONG),
        ("/accounts/mallory/ilp/btp", None, "secret", WRONG),
        ("/accounts/carol/ilp/btp", None, "secret", WRONG),
        ("/", Some("mallory"), "secret", WRONG),
        ("/", Some("bob"), "wrong", WRONG),
        ("/", Some("bob"), "", WRONG),
        ("/", None, "", WRONG),
    ] {
        check(path, username, token, expected);
    }
    let not_utf8 = message(
        5,
        &[
            ProtocolEntry::octets(AUTH, b""),
            ProtocolEntry::octets(AUTH_USERNAME, b"\xff"),
            ProtocolEntry::text(AUTH_TOKEN, "secret"),
        ],
    );
    assert_eq!(verdict(&not_utf8, "/"), WRONG);
}

#[test]
fn a_token_in_the_place_of_the_name_is_not_shown() {
    let check = |path: &str, username: &str, token: &str, expected: &str| {
        let entries = [
            ProtocolEntry::octets(AUTH, b""),
            ProtocolEntry::text(AUTH_USERNAME, username),
            ProtocolEntry::text(AUTH_TOKEN, token),
        ];
        let directory = directory();
        let FirstFrame::Refused { claimed, .. } =
            read_first_frame(&message(5, &entries), path, &directory)
        else {
            panic!("{username} was accepted");
        };
        assert_eq!(claimed.as_deref(), Some(expected), "{path} {username} {token}");
    };
    check("/", "mallory", "x", "mallory");
    check("/", "bob", "wrong", "bob");
    check("/", "secret", "x", "***");
    check("/", "secret", "bob", "***");
    check("/", "bob:secret", "x", "***");
    check("/accounts/shared/ilp/btp", "", "x", "***");
    // An unknown token, perhaps misspelt, in both places.
    check("/", "secre", "secre", "***");
}

#[test]
fn the_vectors() {
    let file = vectors::load("btp");
    let mut frames = 0;
    for entry in vectors::list(&file, "frames") {
        let name = vectors::text(entry, "name");
        let frame = vectors::bytes(entry, "hex");
        let verdict = verdict(&frame, "/");
        let expected = match name {
            "auth-minimal" => "ok rfc",
            "auth-js-client" => "ok bob",
            // The vector calls leniency harmless here.
            "auth-bad-auth-data-not-empty" | "auth-bad-auth-wrong-contenttype" => "ok bob",
            "auth-bad-missing-token" => "ERROR auth_token is missing",
            "auth-bad-duplicate-names" => "ERROR two sub-protocols have the same name",
            "auth-empty-token" => "ERROR invalid auth_username or auth_token",
            _ if vectors::expect(entry) == vectors::Expect::Reject => "close",
            _ => "ERROR authenticate first: the primary sub-protocol must be auth",
        };
        assert_eq!(verdict, expected, "{name}");
        frames += 1;
    }
    assert!(frames > 60, "{frames} frames");
}

#[test]
fn a_login_truncated_at_any_byte_is_refused() {
    let whole = auth_message(RequestId(7), "bob", "secret");
    assert_eq!(verdict(&whole, "/"), "ok bob");
    for length in 0..whole.len() {
        assert_eq!(verdict(&whole[..length], "/"), "close", "{length} bytes");
    }
}

#[test]
fn the_dialling_end_sends_the_same_login_as_the_javascript_client() {
    let file = vectors::load("btp");
    let entry = vectors::named(&file, "frames", "auth-js-client");
    assert_eq!(auth_message(RequestId(7), "bob", "secret"), vectors::bytes(entry, "hex"));
}

#[test]
fn the_answer_to_a_login() {
    let id = RequestId(9);
    let check = |frame: &[u8], expected: AuthAnswer| {
        let token = Token::from("S3CRET");
        assert_eq!(read_auth_answer(frame, id, &token), expected, "{}", hex::encode(frame));
    };
    check(&empty_response(9), AuthAnswer::Accepted);
    let error = error(9, b"no\nsuch \x1b account S3CRET");
    let shown = "F00 NotAcceptedError: no\\nsuch \\u{1b} account ***";
    check(&error, AuthAnswer::Refused(shown.to_owned()));
    // Another id, another kind of frame, no frame.
    check(&empty_response(10), AuthAnswer::Other);
    check(&auth_message(id, "a", "b"), AuthAnswer::Other);
    check(b"", AuthAnswer::Other);
    for length in 0..error.len() {
        check(&error[..length], AuthAnswer::Other);
    }
}

#[test]
fn a_refusal_says_why_and_no_secret() {
    let frame = refusal(RequestId(3), &AuthError::WrongCredentials.to_string(), Timestamp::EPOCH);
    let FrameBody::Error { code, name, data, .. } = BtpFrame::parse(&frame).unwrap().body else {
        panic!("not an ERROR");
    };
    assert_eq!((code, name), (BtpErrorCode::NOT_ACCEPTED, "NotAcceptedError"));
    assert_eq!(data, b"invalid auth_username or auth_token");
}

/// The id of the guest, or `ERROR <why>` or `close`.
fn guest_verdict(frame: &[u8]) -> String {
    match read_guest_frame(frame, &directory(), || true) {
        GuestFrame::Guest { id, login, .. } => {
            let token = directory().fingerprint(b"any");
            assert!(id != guest_id(b"any") || login == token);
            id.to_string()
        }
        GuestFrame::Refused { why, .. } => format!("ERROR {why}"),
        GuestFrame::Unreadable => "close".to_owned(),
    }
}

#[test]
fn a_guest_is_known_by_its_token_alone() {
    let login = |username: Option<&str>, token: &str| {
        let mut entries = vec![ProtocolEntry::octets(AUTH, b"")];
        entries.extend(username.map(|username| ProtocolEntry::text(AUTH_USERNAME, username)));
        entries.push(ProtocolEntry::text(AUTH_TOKEN, token));
        guest_verdict(&message(5, &entries))
    };
    let guest = guest_id(b"any").to_string();
    // `ilp-plugin` sends an empty name, or the one that its caller gave.
    for username in
        [None, Some(""), Some("an application"), Some("bob"), Some(&guest_id(b"x").to_string())]
    {
        assert_eq!(login(username, "any"), guest, "{username:?}");
    }
    // The same answer as that to one guess too many.
    const WRONG: &str = "ERROR too many new guests at the same time; try again in a second";
    for username in [None, Some("bob"), Some("mallory")] {
        assert_eq!(login(username, "secret"), WRONG, "the token of a peer");
    }
    assert_eq!(login(None, "shared"), WRONG);
    assert!(
        login(None, "").starts_with("ERROR auth_token is empty: a guest chooses a random token")
    );
    let no_token = [ProtocolEntry::octets(AUTH, b"")];
    assert_eq!(guest_verdict(&message(5, &no_token)), "ERROR auth_token is missing");
    let twice = [
        ProtocolEntry::octets(AUTH, b""),
        ProtocolEntry::text(AUTH_TOKEN, "a"),
        ProtocolEntry::text(AUTH_TOKEN, "b"),
    ];
    assert_eq!(guest_verdict(&message(5, &twice)), "ERROR two sub-protocols have the same name");
    let not_auth = "ERROR authenticate first: the primary sub-protocol must be auth";
    assert_eq!(guest_verdict(&message(5, &[])), not_auth);
    assert_eq!(guest_verdict(&empty_response(5)), not_auth);
    assert_eq!(guest_verdict(b"GET / HTTP/1.1"), "close");
}

#[test]
fn each_token_that_no_guest_has_is_counted_before_it_is_compared() {
    let known = directory().with_guests([guest_id(b"known")].into());
    // Whether it was counted, and whether it is refused when no more may be tried.
    let check = |token: &str, is_counted: bool| {
        let entries = [ProtocolEntry::octets(AUTH, b""), ProtocolEntry::text(AUTH_TOKEN, token)];
        let (frame, mut counted) = (message(5, &entries), false);
        let verdict = read_guest_frame(&frame, &known, || {
            counted = true;
            false
        });
        assert_eq!(counted, is_counted, "{token}");
        let why = AuthError::Guest(GuestRefusal::TooManyNewcomers);
        let refused = GuestFrame::Refused { request_id: RequestId(5), why };
        assert_eq!(verdict == refused, is_counted, "{token}: {verdict:?}");
    };
    check("secret", true);
    check("any", true);
    check("known", false);
}

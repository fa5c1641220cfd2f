//! Which texts are URLs of peers, and their parts.

use super::*;

/// The parts of a URL as one line: `ws|wss host port authority path user token`, with `-` for an absent part.
fn check(text: &str, expected: &str) {
    let url: BtpUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let line = format!(
        "{} {} {} {} {} {} {}",
        if url.is_tls() { "wss" } else { "ws" },
        url.host(),
        url.port(),
        url.authority(),
        url.path_and_query(),
        url.username().map_or("-".to_owned(), |user| format!("'{user}'")),
        url.token().map_or("-".to_owned(), |token| format!("'{token}'")),
    );
    assert_eq!(line, expected, "{text}");
}

fn check_refused(text: &str, expected: UrlError) {
    match text.parse::<BtpUrl>() {
        Ok(url) => panic!("{text}: accepted as {url}"),
        Err(error) => assert_eq!(error, expected, "{text}"),
    }
}

#[test]
fn accepted_urls() {
    for (text, expected) in [
        ("ws://b", "ws b 80 b / - -"),
        ("ws://b:3000", "ws b 3000 b:3000 / - -"),
        ("btp+ws://b:3000", "ws b 3000 b:3000 / - -"),
        ("BTP+WS://B:3000/", "ws b 3000 b:3000 / - -"),
        ("wss://b.example", "wss b.example 443 b.example / - -"),
        ("wss://b.example:443/x", "wss b.example 443 b.example /x - -"),
        ("btp+wss://b.example/a/b?c=d", "wss b.example 443 b.example /a/b?c=d - -"),
        ("ws://127.0.0.1:1", "ws 127.0.0.1 1 127.0.0.1:1 / - -"),
        ("ws://[::1]:3000/p", "ws [::1] 3000 [::1]:3000 /p - -"),
        ("btp+ws://u:t@[2001:db8::1]", "ws [2001:db8::1] 80 [2001:db8::1] / 'u' 't'"),
        ("btp+ws://alice:secret@b:3000", "ws b 3000 b:3000 / 'alice' 'secret'"),
        ("btp+ws://alice@b", "ws b 80 b / 'alice' -"),
        ("btp+ws://alice:@b", "ws b 80 b / 'alice' -"),
        ("btp+ws://:secret@b", "ws b 80 b / '' 'secret'"),
        // RFC 3986: percent-decoded, so that a token may contain any character.
        ("btp+ws://al%40ice:p%3A%2F%25@b", "ws b 80 b / 'al@ice' 'p:/%'"),
        // Characters that the URL standard encodes come back unchanged.
        ("btp+ws://a:abc=;|@b", "ws b 80 b / 'a' 'abc=;|'"),
        ("btp+ws://a:p%2540@b", "ws b 80 b / 'a' 'p%40'"),
        ("btp+ws://a:b@c@d", "ws d 80 d / 'a' 'b@c'"),
    ] {
        check(text, expected);
    }
}

#[test]
fn refused_urls() {
    for (text, expected) in [
        ("", UrlError::Scheme(BTP_SCHEMES)),
        ("b:3000", UrlError::Scheme(BTP_SCHEMES)),
        ("http://b:3000", UrlError::Scheme(BTP_SCHEMES)),
        ("btp+http://b", UrlError::Scheme(BTP_SCHEMES)),
        ("btp+btp+ws://b", UrlError::Scheme(BTP_SCHEMES)),
        ("btp://b", UrlError::Scheme(BTP_SCHEMES)),
        ("ws:b", UrlError::Scheme(BTP_SCHEMES)),
        ("ws://", UrlError::NoHost),
        ("ws:///b", UrlError::NoHost),
        ("ws://:3000", UrlError::NoHost),
        ("ws://user:token@", UrlError::NoHost),
        ("ws://b:0", UrlError::Port),
        ("ws://b:65536", UrlError::Port),
        ("ws://b:abc", UrlError::Port),
        ("ws://[::1", UrlError::Host),
        ("ws://1.2.3.4.5", UrlError::Host),
        ("ws://b%zz", UrlError::Host),
        ("ws://b/#x", UrlError::Fragment),
        ("ws://b b", UrlError::Character),
        (" ws://b", UrlError::Character),
        ("ws://b\n", UrlError::Character),
        ("ws://u:%ff@b", UrlError::CredentialsNotUtf8),
        ("ws://u:t%0A@b", UrlError::CredentialsCharacter),
        ("ws://u:%20t@b", UrlError::CredentialsCharacter),
        ("ws://u:gr%C3%BCn@b", UrlError::CredentialsCharacter),
        ("ws://u%1b:t@b", UrlError::CredentialsCharacter),
    ] {
        check_refused(text, expected);
    }
    check_refused(&format!("ws://u:{}@b", "x".repeat(1025)), UrlError::CredentialsTooLong);
    check_refused(&format!("ws://b/{}", "x".repeat(9000)), UrlError::TooLong);
}

#[test]
fn the_token_is_never_shown() {
    for (text, shown) in [
        ("btp+ws://alice:S3CRET@b:3000/x", "ws://alice:***@b:3000/x"),
        ("btp+ws://:S3CRET@b", "ws://:***@b/"),
        // A user alone may be a token, and so may a segment of the path.
        ("ws://S3CRET@b", "ws://***@b/"),
        ("ws://b:3000/S3CRET?token=S3CRET", "ws://b:3000/***?***"),
        ("wss://b/accounts/alice/ilp", "wss://b/accounts/alice/ilp"),
        ("wss://b", "wss://b/"),
        ("ws://a%C3%BCb:S3CRET@c", "ws://a\\u{fc}b:***@c/"),
    ] {
        let url: BtpUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), shown);
        assert_eq!(format!("{url:?}"), format!("BtpUrl({shown})"));
    }
}

#[test]
fn a_token_in_the_place_of_the_user_is_not_shown() {
    let shown = |text: &str| text.parse::<BtpUrl>().unwrap().to_string();
    assert_eq!(shown("btp+ws://7f3ac91e5b08d264:x@b:1"), "ws://***:***@b:1/");
    assert_eq!(shown("btp+ws://alice-2:x@b:1"), "ws://alice-2:***@b:1/");
}

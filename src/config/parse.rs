//! Texts -> typed values. Errors say what is wrong with the text; messages add what the key allows.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use crate::account::{AccountId, AccountIdError, AssetError, check_asset_code};
use crate::net::{HttpUrl, StorePlace};
use crate::wire::Timestamp;
use crate::wire::address::is_segment;

/// Bytes of a token, which every authentication frame contains.
const SECRET_BYTES_MAX: usize = 1024;
/// Bytes of any other text.
const TEXT_BYTES_MAX: usize = 4096;

/// A value, or what is wrong with the text.
pub type Parsed<T> = Result<T, String>;

/// A whole number from `min` to `max`.
pub fn integer(text: &str, min: u64, max: u64) -> Parsed<u64> {
    let number = whole_number(text, false)?;
    match u64::try_from(number) {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err("out of range".into()),
    }
}

/// A date, or a date and a time, in UTC: RFC 3339 with `Z`.
pub fn moment(text: &str) -> Parsed<Timestamp> {
    let (date, time) = match text.split_once(['T', ' ']) {
        None => (text, "00:00:00"),
        Some((date, time)) => match time.strip_suffix('Z') {
            Some(time) => (date, time),
            None => return Err("is not in UTC, with Z at the end".to_owned()),
        },
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let has_form = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == form,
            })
    };
    let is_fraction =
        (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !has_form(date, "0000-00-00") || !has_form(time, "00:00:00") || !is_fraction {
        return Err("is not a date and a time".to_owned());
    }
    let digits = format!("{date}{time}{fraction:0<3.3}").replace(['-', ':'], "");
    let digits = digits.as_bytes().try_into().expect("the form has 17 digits");
    Timestamp::read17(digits).map_err(|error| error.to_string())
}

/// A port to listen on.
pub fn port(text: &str) -> Parsed<u16> {
    let port = integer(text, 0, u16::MAX.into())?;
    Ok(u16::try_from(port).expect("the range is that of a u16"))
}

/// A whole number of any sign.
pub fn balance(text: &str) -> Parsed<i128> {
    whole_number(text, true)
}

/// A route's priority.
pub fn priority(text: &str) -> Parsed<i32> {
    i32::try_from(whole_number(text, true)?).map_err(|_| "out of range".into())
}

fn whole_number(text: &str, negative: bool) -> Parsed<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(why_not_whole(text).into());
    }
    // Some readers of YAML take a leading zero for an octal number.
    if digits.len() > 1 && digits.starts_with('0') {
        return Err("a number with a leading zero can be read in two ways".into());
    }
    if digits.len() < text.len() && !negative {
        return Err("out of range".into());
    }
    text.parse().map_err(|_| "out of range".into())
}

fn why_not_whole(text: &str) -> &'static str {
    if text.is_empty() {
        "is empty"
    } else if text.parse::<f64>().is_ok_and(f64::is_finite) {
        "not a whole number"
    } else if text.starts_with(|c: char| c.is_ascii_digit()) {
        "not a number; write it without units, separators or spaces"
    } else if text.trim_matches([' ', '"', '\'']).bytes().all(|byte| byte.is_ascii_digit()) {
        // `docker run --env-file` keeps quotes in the value.
        "not a number; leave out the quotes and spaces around it"
    } else {
        "not a number"
    }
}

pub fn boolean(text: &str) -> Parsed<bool> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err("neither true nor false".into()),
    }
}

pub fn text(text: &str) -> Parsed<&str> {
    match text.len() {
        0 => Err("is empty".into()),
        1..=TEXT_BYTES_MAX => Ok(text),
        _ => Err("is too long".into()),
    }
}

/// A token or shared secret, in characters that a BTP login, an HTTP header and a line of a file can all carry.
pub fn secret(text: &str) -> Parsed<&str> {
    match text.len() {
        0 => return Err("is empty".into()),
        1..=SECRET_BYTES_MAX => {}
        _ => return Err("is too long".into()),
    }
    if text.contains(['\n', '\r']) {
        return Err("holds a line break, which no header and no login can carry".into());
    }
    if text.chars().any(char::is_control) {
        return Err("holds a control character, which no header and no login can carry".into());
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err("begins or ends with a space, which headers lose".into());
    }
    if !text.is_ascii() {
        return Err("holds a character that is not ASCII, which headers cannot carry".into());
    }
    Ok(text)
}

pub fn id(text: &str) -> Parsed<AccountId> {
    text.parse().map_err(|error| match error {
        AccountIdError::BadCharacter(c) => format!("holds the character {c:?}"),
        AccountIdError::TooLong(length) => format!("has {length} characters"),
        AccountIdError::Empty => "is empty".into(),
    })
}

pub fn segment(text: &str) -> Parsed<&str> {
    match text {
        "" => Err("is empty".into()),
        _ if text.len() > 64 => Err("has more than 64 characters".into()),
        _ if is_segment(text) => Ok(text),
        _ => Err("is not one segment of an address".into()),
    }
}

/// A type whose own errors say what is wrong with the text.
pub fn value<T: FromStr<Err: Display>>(text: &str) -> Parsed<T> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

pub fn asset_code(text: &str) -> Parsed<&str> {
    check_asset_code(text).map(|()| text).map_err(|error| match error {
        AssetError::Empty => "is empty".into(),
        AssetError::TooLong => "is too long".into(),
        AssetError::NotACode | AssetError::Scale(_) => "is not a code".into(),
    })
}

/// The URL of our own server, without credentials.
pub fn http_url(text: &str) -> Parsed<HttpUrl> {
    let url: HttpUrl = value(text)?;
    match url.username().is_some() || url.path_and_query().contains('?') {
        true => Err("must not hold a user, a token or a query".to_owned()),
        false => Ok(url),
    }
}

/// The path of a file, or the URL of a database.
pub fn store_place(place: &str) -> Parsed<StorePlace> {
    value(text(place)?)
}

/// A host name, in a list of them.
pub fn host_name(text: &str) -> Parsed<String> {
    // A dot at the end only marks the name as complete.
    host(text.strip_suffix('.').unwrap_or(text)).map(str::to_owned)
}

/// An address or host name to listen on.
pub fn host(text: &str) -> Parsed<&str> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return Ok(bare);
    }
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.contains("://") {
        return Err("is a URL".into());
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && !host.contains(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err("has a port".into());
    }
    // Digits and dots only are an attempt at an IPv4 address.
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let numeric = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if numeric || text.len() > 253 || !text.trim_end_matches('.').split('.').all(label) {
        return Err("is neither an IP address nor a host name".into());
    }
    Ok(text)
}

/// A level, or `target=level` pairs; in lower case, as the log's filter reads it.
pub fn log_level(text: &str) -> Parsed<String> {
    // The next line of the file ends up here if it lost its colon.
    let words = text.split(',').map(str::trim);
    if words.clone().any(|word| word.contains(char::is_whitespace)) {
        return Err("levels hold no space".into());
    }
    let levels = crate::telemetry::parse_level(text).map_err(|error| error.to_string())?;
    Ok(levels.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        let check = |text: &str, expected: Result<u64, &str>| {
            assert_eq!(integer(text, 1, u64::MAX), expected.map_err(str::to_owned), "{text}");
        };
        check("1", Ok(1));
        check("9007199254740993", Ok(9_007_199_254_740_993));
        check("18446744073709551615", Ok(u64::MAX));
        check("18446744073709551616", Err("out of range"));
        check("99999999999999999999999999999999999999999999", Err("out of range"));
        check("0", Err("out of range"));
        check("-1", Err("out of range"));
        check("", Err("is empty"));
        check("-", Err("not a number"));
        check("abc", Err("not a number"));
        check("\"3000\"", Err("not a number; leave out the quotes and spaces around it"));
        check(" 3000", Err("not a number; leave out the quotes and spaces around it"));
        check("1.5", Err("not a whole number"));
        check("1e3", Err("not a whole number"));
        check("30s", Err("not a number; write it without units, separators or spaces"));
        check("1_000", Err("not a number; write it without units, separators or spaces"));
        check("0x10", Err("not a number; write it without units, separators or spaces"));
        check("010", Err("a number with a leading zero can be read in two ways"));
        assert_eq!(balance("-170141183460469231731687303715884105728"), Ok(i128::MIN));
        assert_eq!(priority("-2147483649"), Err("out of range".into()));
    }

    #[test]
    fn hosts() {
        let check = |text: &str, expected: Result<&str, &str>| {
            assert_eq!(host(text), expected.map_err(str::to_owned), "{text}");
        };
        check("0.0.0.0", Ok("0.0.0.0"));
        check("::", Ok("::"));
        check("[::1]", Ok("::1"));
        check("localhost", Ok("localhost"));
        check("node-1.example.com", Ok("node-1.example.com"));
        check("", Err("is empty"));
        check("http://x", Err("is a URL"));
        check("127.0.0.1:80", Err("has a port"));
        check("999.1.1.1", Err("is neither an IP address nor a host name"));
        check("1.2.3", Err("is neither an IP address nor a host name"));
        check("a b", Err("is neither an IP address nor a host name"));
        check("-a", Err("is neither an IP address nor a host name"));
    }

    #[test]
    fn secrets() {
        let check = |text: &str, expected: &str| {
            let found = secret(text).err().unwrap_or_else(|| "ok".into());
            assert!(found.starts_with(expected), "{text:?}: {found}");
        };
        check("hunter2", "ok");
        check("a b+c/d=!~", "ok");
        check(&"x".repeat(1024), "ok");
        check(&"x".repeat(1025), "is too long");
        check("", "is empty");
        check("abc\n", "holds a line break");
        check("a\r\nbc", "holds a line break");
        check("abc\t", "holds a control character");
        check("a\u{7f}", "holds a control character");
        check("a\u{85}", "holds a control character");
        check(" abc", "begins or ends");
        check("abc ", "begins or ends");
        check("gr\u{fc}n", "holds a character");
        check("abc\u{a0}", "holds a character");
    }

    #[test]
    fn levels() {
        let check = |text: &str, expected: Result<&str, &str>| {
            assert_eq!(log_level(text), expected.map(Into::into).map_err(str::to_owned), "{text}");
        };
        check("info", Ok("info"));
        check("DEBUG", Ok("debug"));
        check("info, ilp_connector::btp=Trace", Ok("info,ilp_connector::btp=trace"));
        check("off", Ok("off"));
        check("", Err("is empty"));
        check("verbose", Err("\"verbose\" is no level"));
        check("warning", Err("\"warning\" is no level; did you mean warn?"));
        check("info,", Err("\"\" is no level"));
        check("a b=info", Err("levels hold no space"));
        check("x=", Err("\"\" is no level"));
    }
}

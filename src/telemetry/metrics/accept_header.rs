//! The `Accept` header: which of two media types a client would rather have (RFC 9110, 12.5.1).

/// A weight in thousandths; 0 means not acceptable.
type Weight = u16;

/// How much a client wants one media type, by the most specific range that covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The weight; 0 where no range covers the type.
    pub(super) weight: Weight,
    /// The type itself is named, and not only a range like `*/*`.
    pub(super) is_named: bool,
}

/// How much a client with this header wants `kind/sub`, of which we have the versions `versions`.
pub(super) fn wanted(accept: &str, kind: &str, sub: &str, versions: &[&str]) -> Wanted {
    let mut best: Option<(u8, Weight)> = None;
    for range in split(accept, ',') {
        let mut parts = split(range, ';');
        let Some((its_kind, its_sub)) = parts.next().unwrap_or_default().trim().split_once('/')
        else {
            continue;
        };
        let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
        let specific = match (its_kind, its_sub) {
            ("*", "*") => 1,
            (its_kind, "*") if is(its_kind, kind) => 2,
            (its_kind, its_sub) if is(its_kind, kind) && is(its_sub, sub) => 3,
            _ => continue,
        };
        let (mut weight, mut fits) = (1000, true);
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"');
            if is(name.trim(), "q") {
                weight = read_weight(value);
            } else if is(name.trim(), "version") {
                fits &= versions.contains(&value);
            }
        }
        // Of equals the one that wants more: one version of several is enough.
        if fits {
            best = best.max(Some((specific, weight)));
        }
    }
    let (specific, weight) = best.unwrap_or_default();
    Wanted { weight, is_named: specific == 3 }
}

/// The parts between separators that do not stand in quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

/// `0.25` as thousandths. What is no weight is as good as none.
fn read_weight(text: &str) -> Weight {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, format!("{fraction:0<3}").parse::<Weight>()) {
        ("0", Ok(thousandths)) if digits => thousandths,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str, weight: Weight, is_named: bool) {
        let found = wanted(accept, "text", "plain", &["0.0.4"]);
        assert_eq!(found, Wanted { weight, is_named }, "{accept}");
    }

    #[test]
    fn the_most_specific_range_counts() {
        check("", 0, false);
        check("text/plain", 1000, true);
        check("TEXT/Plain ; Q=0.5", 500, true);
        check("text/plain;q=0", 0, true);
        check("text/plain;q=0.000, */*", 0, true);
        check("*/*;q=0.1", 100, false);
        check("*/*;q=0.1, text/*;q=0.25, text/html", 250, false);
        check("text/*;q=0.2, text/plain;q=0.1, */*", 100, true);
        check("text/plain;version=0.0.4;q=0.3", 300, true);
        check("text/plain;version=1.0.0;q=0.3, text/*;q=0.1", 100, false);
        check("text/plain;version=1.0.0;q=0.3, text/plain;version=\"0.0.4\";q=0.2", 200, true);
        check("text/html;x=\"a,text/plain;q=1\", text/plain;q=0.125", 125, true);
        check("application/json", 0, false);
        for nonsense in ["text/plain;q=2", "text/plain;q=x", "text/plain;q=0.1234", "text/plain;q"]
        {
            check(nonsense, 1000, true);
        }
    }
}

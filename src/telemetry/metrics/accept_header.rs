//! The `Accept` header: how much a client prefers a media type (RFC 9110, 12.5.1).

/// A weight in thousandths; 0 means not acceptable.
type Weight = u16;

/// A client's preference for one media type, from the most specific range that covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Preference {
    /// 0 if no range covers the type.
    pub(super) weight: Weight,
    /// The header names the type itself, and not only a range like `*/*`.
    pub(super) is_named: bool,
}

/// The preference for `kind/subtype`, of which we offer `versions`.
pub(super) fn preference(accept: &str, kind: &str, subtype: &str, versions: &[&str]) -> Preference {
    let mut best: Option<(u8, Weight)> = None;
    for range in split_unquoted(accept, ',') {
        let mut parts = split_unquoted(range, ';');
        let Some((range_kind, range_subtype)) =
            parts.next().unwrap_or_default().trim().split_once('/')
        else {
            continue;
        };
        let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
        let specificity = match (range_kind, range_subtype) {
            ("*", "*") => 1,
            (_, "*") if is(range_kind, kind) => 2,
            _ if is(range_kind, kind) && is(range_subtype, subtype) => 3,
            _ => continue,
        };
        let (mut weight, mut fits) = (1000, true);
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"');
            if is(name.trim(), "q") {
                weight = parse_weight(value);
            } else if is(name.trim(), "version") {
                fits &= versions.contains(&value);
            }
        }
        // The higher weight of equally specific ranges: one of several versions is enough.
        if fits {
            best = best.max(Some((specificity, weight)));
        }
    }
    // No range covers the type: weight 0.
    let (specificity, weight) = best.unwrap_or_default();
    Preference { weight, is_named: specificity == 3 }
}

/// Splits at the separators outside of quotes.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

/// `0.25` in thousandths. An invalid weight counts as 1, like a missing one.
fn parse_weight(text: &str) -> Weight {
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
        let found = preference(accept, "text", "plain", &["0.0.4"]);
        assert_eq!(found, Preference { weight, is_named }, "{accept}");
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
        for invalid in ["text/plain;q=2", "text/plain;q=x", "text/plain;q=0.1234", "text/plain;q"] {
            check(invalid, 1000, true);
        }
    }
}

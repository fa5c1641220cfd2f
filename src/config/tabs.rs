//! A tab behind the colon of a key: `nodeId:<tab>a`.
//!
//! Tabs may separate the parts of a line (YAML 1.2.2, section 6.2), but the parser refuses a tab directly after the
//! colon. Only there, it becomes a space. Texts in quotes and block texts (`|`, `>`) keep their tabs.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

/// Whether the parser stopped at such a tab.
pub(super) fn is_cause(error: &ScanError) -> bool {
    error.info().starts_with("':' must be followed by")
}

/// The same text with a space for every such tab. Lines and columns stay.
///
/// One pass with all tabs replaced finds the texts that must keep them: a replaced tab changes the content of a text,
/// but not its end.
pub(super) fn replaced(text: &str) -> String {
    let everywhere = replace(text, |_| true);
    let mut kept: Vec<(usize, usize)> = Vec::new();
    for event in Parser::new_from_str(&everywhere) {
        match event {
            Ok((Event::Scalar(_, style, ..), span)) if style != ScalarStyle::Plain => {
                kept.push((span.start.index(), span.end.index()));
            }
            Ok(_) => {}
            // The second parse reports it.
            Err(_) => break,
        }
    }
    let mut kept = kept.into_iter().peekable();
    replace(text, |index| {
        while kept.next_if(|(_, end)| *end <= index).is_some() {}
        kept.peek().is_none_or(|(start, _)| index < *start)
    })
}

/// Replaces each tab after a colon with a space, if `wanted` agrees. Its argument is the index among the characters, in
/// rising order.
fn replace(text: &str, mut wanted: impl FnMut(usize) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = '\n';
    for (index, character) in text.chars().enumerate() {
        let tab = before == ':' && character == '\t' && wanted(index);
        out.push(if tab { ' ' } else { character });
        before = character;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_their_tabs() {
        let check = |text: &str, expected: &str| assert_eq!(replaced(text), expected, "{text}");
        check("a:\tb\n", "a: b\n");
        check("a:\t\tb\n", "a: \tb\n");
        check("\"a:\tb\":\tc\n", "\"a:\tb\": c\n");
        check("a: 'x:\ty'\nb:\tz\n", "a: 'x:\ty'\nb: z\n");
        check("ü: \"x:\ty\"\nb:\tz\n", "ü: \"x:\ty\"\nb: z\n");
        check("a: |\n  x:\ty\n  z:\t\nb:\tc\n", "a: |\n  x:\ty\n  z:\t\nb: c\n");
        check("a: >-\n\n  x:\ty\n\nb:\tc\n", "a: >-\n\n  x:\ty\n\nb: c\n");
        check("a:\t|+\n  x:\ty\nb:\tc\n", "a: |+\n  x:\ty\nb: c\n");
        check("{a:\tb, \"c:\td\":\te}\n", "{a: b, \"c:\td\": e}\n");
        check("- a:\tb # c:\td\n", "- a: b # c: d\n");
    }
}

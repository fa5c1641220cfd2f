//! YAML 1.2: white space, line breaks, markers, directives, comments, texts of several lines, tags.

use crate::config::diagnostics::DiagnosticSink;
use crate::config::value::{Map, Value, ValueData};
use crate::config::yaml;

/// `{key: "text", list: [null]}`.
fn dump(value: &Value) -> String {
    match &value.data {
        ValueData::Null => "null".into(),
        ValueData::Broken => "broken".into(),
        ValueData::Text(text) => format!("{text:?}"),
        ValueData::List(list) => {
            format!("[{}]", list.iter().map(dump).collect::<Vec<_>>().join(", "))
        }
        ValueData::Map(Map(entries)) => {
            let entry = |(name, value): &(_, Value)| {
                let name: &crate::config::value::Name = name;
                format!("{}: {}", name.text, dump(value))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The value of a text, or its first mistake as `line: what`.
fn read(text: &str) -> String {
    let mut report = DiagnosticSink::new(None);
    let value = yaml::read(text, &mut report);
    match (report.finish(), value) {
        (Ok(_), Some(value)) => dump(&value),
        (Ok(_), None) => "nothing".into(),
        (Err(problems), _) => {
            let first = &problems.problems[0];
            format!("{}: {}", first.place.line.unwrap_or(0), first.what)
        }
    }
}

fn check(text: &str, expected: &str) {
    let found = read(text);
    let fits = match expected.strip_suffix("...") {
        Some(start) => found.starts_with(start),
        None => found == expected,
    };
    assert!(fits, "{text:?}\n   found {found}\nexpected {expected}");
}

#[test]
fn white_space_between_tokens_may_be_tabs() {
    let a = "{a: \"b\"}";
    for text in [
        "a:\tb\n",
        "a:\t\tb\n",
        "a: \tb\n",
        "a:\t b\n",
        "a\t:\tb\n",
        "a:\tb\t\n",
        "a:\tb # c\n",
        "a:\tb\t# c\n",
        "\"a\":\tb\n",
        "a:\t\"b\"\n",
        "a:\t'b'\n",
        "a:\tb",
        "{a:\tb}\n",
        "{\ta\t:\tb\t}\n",
        "a:\t!!str b\n",
        "a:\t&x b\n",
        "---\na:\tb\n",
        "a:\n\tb\n",
    ] {
        // Indentation is spaces: the last of them is a mistake.
        let expected = if text == "a:\n\tb\n" { "2: not valid YAML..." } else { a };
        check(text, expected);
    }
    check("a:\t-1\n", "{a: \"-1\"}");
    check("a: b\nc:\t3000\nd:\te\n", "{a: \"b\", c: \"3000\", d: \"e\"}");
    check("a:\n- b:\tc\n  d:\te\n", "{a: [{b: \"c\", d: \"e\"}]}");
    check("-\ta\n-\tb\n", "[\"a\", \"b\"]");
    check("[a,\tb,\t{c:\td}]", "[\"a\", \"b\", {c: \"d\"}]");
    // Tabs within a text are a part of it.
    check("a: \"x:\ty\"\nb:\tz\n", "{a: \"x:\\ty\", b: \"z\"}");
    check("a: |\n  x:\ty\nb:\tz\n", "{a: \"x:\\ty\\n\", b: \"z\"}");
    // A tab does not replace the line break that a list or a mapping needs.
    check("a:\t- b\n", "1: not valid YAML...");
    check("a:\tb:\tc\n", "1: not valid YAML...");
    // Without white space there is no mapping.
    check("a:b\n", "\"a:b\"");
    check("a:\n  b\n", a);
}

#[test]
fn line_breaks_and_the_byte_order_mark() {
    let expected = "{a: \"b\", c: [\"d\", \"e\"]}";
    let text = "a: b\nc:\n  - d\n  - e\n";
    check(text, expected);
    check(&text.replace('\n', "\r\n"), expected);
    check(&text.replace('\n', "\r"), expected);
    check(&format!("\u{feff}{text}"), expected);
    check(&format!("\u{feff}{}", text.replace('\n', "\r\n")), expected);
    check("a:\tb\r\nc:\td\r\n", "{a: \"b\", c: \"d\"}");
    check("a: |\r\n  x\r\n  y\r\n", "{a: \"x\\ny\\n\"}");
}

#[test]
fn markers_and_directives() {
    check("---\na: b\n", "{a: \"b\"}");
    check("--- # c\na: b\n...\n", "{a: \"b\"}");
    check("---\n", "null");
    check("...\n", "nothing");
    check("%YAML 1.2\n---\na: b\n", "{a: \"b\"}");
    check("%YAML 1.1\n---\na: b\n", "{a: \"b\"}");
    check("# c\n%YAML 2.0\n---\na: b\n", "2: not YAML 1");
    check("%FUTURE x\n---\na: b\n", "{a: \"b\"}");
    check("%TAG ! tag:yaml.org,2002:\n---\na: !str b\n", "{a: \"b\"}");
    check(
        "%TAG !! tag:example.com,2000:\n---\na: !!str b\n",
        "3: a tag (!...) has no meaning here",
    );
    check("a: b\n---\nc: d\n", "2: a second document (---) starts here");
    check("a: ---\n", "{a: \"---\"}");
}

#[test]
fn comments_and_plain_texts() {
    check("a: b # c\n", "{a: \"b\"}");
    check("a: b#c\n", "{a: \"b#c\"}");
    check("a: # c\n  b\n", "{a: \"b\"}");
    check("a: http://b:1/#c\n", "{a: \"http://b:1/#c\"}");
    check("a: b\n  c\n\n  d\n", "{a: \"b c\\nd\"}");
    check("a: null\nb: ~\nc:\nd: \"null\"\n", "{a: null, b: null, c: null, d: \"null\"}");
    check(
        "a: yes\nb: 0x10\nc: 2026-01-01\nd: 1e3\n",
        "{a: \"yes\", b: \"0x10\", c: \"2026-01-01\", d: \"1e3\"}",
    );
}

#[test]
fn texts_of_several_lines() {
    check("a: |\n  x\n  y\n", "{a: \"x\\ny\\n\"}");
    check("a: |-\n  x\n  y\n", "{a: \"x\\ny\"}");
    check("a: |+\n  x\n\nb: c\n", "{a: \"x\\n\\n\", b: \"c\"}");
    check("a: >\n  x\n  y\n", "{a: \"x y\\n\"}");
    check("a: >-\n  x\n  y\n\n  z\n", "{a: \"x y\\nz\"}");
    check("a: |2\n    x\n", "{a: \"  x\\n\"}");
    check("a: |2- # c\n    x\n", "{a: \"  x\"}");
    check("a: \"x\n  y\"\n", "{a: \"x y\"}");
    check("a: 'it''s'\n", "{a: \"it's\"}");
    check("a: \"\\t\\u00fc\\x41\"\n", "{a: \"\\tüA\"}");
    check("a: [b,\n  c,\n  {d:\n    e}]\n", "{a: [\"b\", \"c\", {d: \"e\"}]}");
    check("{a: b,\n c: d,\n}\n", "{a: \"b\", c: \"d\"}");
    check("? a\n: b\n", "{a: \"b\"}");
}

#[test]
fn tags_that_agree_have_no_effect_and_all_others_are_mistakes() {
    for (text, expected) in [
        ("a: !!str b", "{a: \"b\"}"),
        ("a: !!str null", "{a: \"null\"}"),
        ("a: !!str", "{a: \"\"}"),
        ("a: ! b", "{a: \"b\"}"),
        ("a: ! ~", "{a: \"~\"}"),
        ("a: !<tag:yaml.org,2002:str> b", "{a: \"b\"}"),
        ("a: !!null", "{a: null}"),
        ("a: !!null ~", "{a: null}"),
        ("a: !!int 3000", "{a: \"3000\"}"),
        ("a: !!bool true", "{a: \"true\"}"),
        ("a: !!float 1.5", "{a: \"1.5\"}"),
        ("a: !!seq [b]", "{a: [\"b\"]}"),
        ("a: !!map {b: c}", "{a: {b: \"c\"}}"),
        ("!!map\na: b", "{a: \"b\"}"),
        ("!!str a: b", "{a: \"b\"}"),
        ("a: &x {b: c}\nd:\n  !!merge <<: *x", "{a: {b: \"c\"}, d: {b: \"c\"}}"),
        ("a: &x {b: c}\nd:\n  !!str <<: e", "{a: {b: \"c\"}, d: {<<: \"e\"}}"),
    ] {
        check(text, expected);
    }
    let named = [
        "!!binary YWJj",
        "!!null x",
        "!!int x",
        "!!int 0x10",
        "!!bool yes",
        "!!float x",
        "!!map b",
        "!!seq b",
        "!!set {b}",
        "!!omap [b: c]",
        "!!timestamp 2026-01-01",
        "!!str [b]",
        "!!str {b: c}",
        "!!seq {b: c}",
        "!!map [b]",
        "!<tag:yaml.org,2002:binary> YWJj",
    ];
    for tag in named {
        check(&format!("x: y\na: {tag}\n"), "2: the tag !!...");
        check(&format!("- {tag}\n"), "1: the tag !!...");
    }
    for tag in [
        "!local b",
        "!hunter2",
        "!!hunter2 b",
        "!<x> b",
        "!<tag:example.com,2026:x> b",
        "!local [b]",
        "!local {b: c}",
    ] {
        check(&format!("x: y\na: {tag}\n"), "2: a tag (!...) has no meaning here");
    }
    check("x: y\n!!int a: b", "2: the tag !!int is not what stands here");
    check("x: y\n!local a: b", "2: a tag (!...) has no meaning here");
    check("!!seq\na: b", "1: the tag !!seq is not what stands here");
    check("a: &x b\nc: !!str *x", "2: not valid YAML...");
    check("a: !e!x b", "1: not valid YAML...");
}

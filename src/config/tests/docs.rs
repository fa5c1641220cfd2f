//! The tables of docs/CONFIG.md are those of the parser. With BLESS=1 in the environment they are rewritten.

use crate::config::keys::{self, Key, Kind};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIG.md");

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Id => "id".into(),
        Kind::Text => "text".into(),
        Kind::Secret => "secret".into(),
        Kind::Secrets => "list of secrets".into(),
        Kind::SecretFile => "path".into(),
        Kind::SecretFiles => "list of paths".into(),
        Kind::Bool => "true, false".into(),
        Kind::Integer(min, max) => format!("{min} to {max}"),
        Kind::Millis(min, max) => format!("ms, {min} to {max}"),
        Kind::Port => "0 to 65535".into(),
        Kind::Host => "host".into(),
        Kind::Url | Kind::HttpUrl => "URL".into(),
        Kind::Address => "ILP address".into(),
        Kind::Prefix => "ILP prefix".into(),
        Kind::HostNames => "list of host names".into(),
        Kind::Prefixes => "list of ILP prefixes".into(),
        Kind::Segment => "segment".into(),
        Kind::AssetCode => "asset code".into(),
        Kind::Amount => "0 to 2^64-1".into(),
        Kind::Balance => "integer".into(),
        Kind::Priority => "32-bit integer".into(),
        Kind::Rate => "decimal".into(),
        Kind::File => "path".into(),
        Kind::LogLevel => "levels".into(),
        Kind::Choice(words) => words.join(", "),
        Kind::Map(_) | Kind::Defaults => "mapping".into(),
        Kind::List(_) => "list".into(),
    }
}

fn table(keys: &[Key], variables: bool) -> String {
    let mut out = match variables {
        true => "| key | type | default | variable | live | meaning |\n|---|---|---|---|---|---|\n"
            .to_owned(),
        false => "| key | type | default | meaning |\n|---|---|---|---|\n".to_owned(),
    };
    for key in keys {
        let default = key.default.map_or(String::new(), |default| format!("`{default}`"));
        let mut cells = vec![format!("`{}`", key.name), kind(key.kind), default];
        if variables {
            let variable = key.variable().map_or(String::new(), |name| format!("`{name}`"));
            cells.extend([variable, if key.live { "yes" } else { "no" }.to_owned()]);
        }
        cells.push(key.about.to_owned());
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out
}

#[test]
fn tables_are_those_of_the_parser() {
    let text = std::fs::read_to_string(PATH).unwrap();
    let mut new = text.clone();
    let tables = [
        ("node", keys::NODE, true),
        ("peers", keys::PEER, false),
        ("receivers", keys::RECEIVER, false),
        ("routes", keys::ROUTE, false),
        ("rates", keys::RATE, false),
        ("ping", keys::PING, false),
        ("tls", keys::TLS, false),
        ("topology", keys::TOPOLOGY, false),
        ("nodes", keys::TOPOLOGY_NODE, false),
        ("links", keys::LINK, false),
    ];
    for (name, keys, variables) in tables {
        let (start, end) = (format!("<!-- keys: {name} -->\n"), "<!-- end of keys -->");
        let (before, rest) =
            new.split_once(&start).unwrap_or_else(|| panic!("no {start} in docs/CONFIG.md"));
        let (_, after) = rest.split_once(end).unwrap();
        new = format!("{before}{start}{}{end}{after}", table(keys, variables));
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(PATH, &new).unwrap();
    } else {
        assert!(
            new == text,
            "docs/CONFIG.md has other tables than the parser; run with BLESS=1 and look at it"
        );
    }
}

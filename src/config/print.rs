//! `check --print`: the effective configuration as YAML, each value with its origin, secrets masked.

use std::fmt::Write as _;

use super::key_types::KeySet;
use super::keys::KeyInfo;
use super::loaded::Loaded;
use super::location::{ValueOrigin, ValuePlace};
use super::node_keys::{NODE, NodeSettings};
use super::redact;
use super::value::{Map, ValueData};
use super::value_kind::ValueKind;
use crate::net::MASK;

/// Routes that are printed. The others are counted.
const ROUTES_SHOWN: usize = 200;
/// The origin of a value that no file, variable or flag sets.
pub(super) const DEFAULT: &str = "default";
/// The column that origins start at.
const COLUMN: usize = 44;

impl Loaded {
    /// The node as YAML: values of the file, the environment and the command line, and defaults for all other keys.
    pub fn print(&self) -> String {
        let mut printer = Printer { file: self.file_name(), out: String::new() };
        if let Some(map) = self.tree.as_map() {
            let address = self.config.address.as_ref().map(ToString::to_string);
            printer.print_keys(map, NodeSettings::KEYS, &[(NODE.ilp_address.name, address)], 0, "");
        }
        printer.out
    }
}

struct Printer {
    /// The name of the file in origins.
    file: String,
    out: String,
}

impl Printer {
    /// The keys of one mapping in the order of the table. `derived`: values that follow from others.
    fn print_keys(
        &mut self,
        map: &Map,
        keys: &'static [KeyInfo],
        derived: &[(&str, Option<String>)],
        indent: usize,
        first: &str,
    ) {
        let mut lead = first.to_owned();
        for key in keys {
            let before = self.out.len();
            self.print_key(map, key, derived, indent, &lead);
            if self.out.len() > before {
                lead.clear();
            }
        }
    }

    fn print_key(
        &mut self,
        map: &Map,
        key: &'static KeyInfo,
        derived: &[(&str, Option<String>)],
        indent: usize,
        lead: &str,
    ) {
        let start = match lead.is_empty() {
            true => " ".repeat(indent),
            false => format!("{}{lead}", " ".repeat(indent.saturating_sub(lead.len()))),
        };
        let start = format!("{start}{}:", key.name);
        let value = map.get(key.name);
        match (key.kind, value.map(|value| (&value.data, &value.at))) {
            (ValueKind::Map(keys), found)
            | (ValueKind::WordOrMap(_, keys), found @ Some((ValueData::Map(_), _))) => {
                let empty = Map::default();
                let (inner, at) = match found {
                    Some((ValueData::Map(inner), at)) => (inner, Some(at)),
                    _ => (&empty, None),
                };
                if at.is_none() && key.is_switch {
                    return;
                }
                self.print_line(&start, &origin(&self.file, at));
                self.print_keys(inner, keys, &[], indent + 2, "");
            }
            (ValueKind::List(keys), Some((ValueData::List(list), at))) => {
                self.print_line(
                    &format!("{start}{}", if list.is_empty() { " []" } else { "" }),
                    &origin(&self.file, Some(at)),
                );
                for item in list.iter().take(ROUTES_SHOWN) {
                    if let Some(item) = item.as_map() {
                        self.print_keys(item, keys, &[], indent + 4, "- ");
                    }
                }
                if let Some(more) = list.len().checked_sub(ROUTES_SHOWN).filter(|more| *more > 0) {
                    self.print_line(
                        &format!("{}# ... and {more} more", " ".repeat(indent + 2)),
                        "",
                    );
                }
            }
            (ValueKind::Secrets, Some((ValueData::List(list), at))) => {
                let masks = vec![format!("\"{MASK}\""); list.len()];
                self.print_line(
                    &format!("{start} [{}]", masks.join(", ")),
                    &origin(&self.file, Some(at)),
                );
            }
            (_, Some((ValueData::List(list), at))) => {
                let texts: Vec<&str> = list.iter().filter_map(|text| text.as_text()).collect();
                let shown = format!("{start} [{}]", texts.join(", "));
                self.print_line(&shown, &origin(&self.file, Some(at)));
            }
            (ValueKind::List(_), _) => self.print_line(&format!("{start} []"), "default"),
            (_, Some((ValueData::Text(text), at))) => {
                let shown = yaml_text(key, text);
                self.print_line(&format!("{start} {shown}"), &origin(&self.file, Some(at)));
            }
            (_, _) => {
                let derived = derived.iter().find(|(name, _)| *name == key.name);
                let derived = derived.and_then(|(_, value)| value.as_deref());
                match (key.default, derived) {
                    (Some(default), _) => {
                        self.print_line(&format!("{start} {}", yaml_text(key, default)), "default");
                    }
                    (None, Some(value)) => self.print_line(&format!("{start} {value}"), "default"),
                    (None, None) => {}
                }
            }
        }
    }

    fn print_line(&mut self, text: &str, origin: &str) {
        self.out.push_str(text);
        if !origin.is_empty() {
            let gap = COLUMN.saturating_sub(text.chars().count()).max(1);
            // Writing to a string cannot fail.
            let _ = write!(self.out, "{}# {origin}", " ".repeat(gap));
        }
        self.out.push('\n');
    }
}

/// The origin of a value of this file.
pub(super) fn origin(file: &str, at: Option<&ValuePlace>) -> String {
    let Some(at) = at else { return DEFAULT.into() };
    let line = match at.line {
        0 => file.to_owned(),
        line => format!("{file}:{line}"),
    };
    match at.origin() {
        ValueOrigin::CommandLine(flag) => format!("command line {flag}"),
        ValueOrigin::Environment(variable) => format!("environment {variable}"),
        ValueOrigin::Default => DEFAULT.into(),
        ValueOrigin::Computed => match at.line {
            0 => "computed".into(),
            _ => format!("computed from {line}"),
        },
        ValueOrigin::File if at.more.as_ref().is_some_and(|more| more.file.is_some()) => {
            format!("{line}, a file of its own")
        }
        ValueOrigin::File => match at.more.as_ref().filter(|more| !more.variables.is_empty()) {
            Some(more) => {
                let names = more.variables.iter().map(|name| redact::variable(name));
                let names: Vec<&str> = names.map(|name| name.unwrap_or(MASK)).collect();
                format!("{line}, environment {}", names.join(", "))
            }
            None => line,
        },
    }
}

/// A value as YAML that reads back as the same text.
fn yaml_text(key: &KeyInfo, text: &str) -> String {
    if key.kind == ValueKind::Secret {
        return format!("\"{MASK}\"");
    }
    let text = shown_text(key, text);
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '~' | '=' | ':');
    let safe = text.chars().all(plain)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '/')
        && !text.starts_with("--")
        && text != "-"
        && !text.ends_with(':');
    if safe { text } else { quoted(&text) }
}

/// A value as people read it, without secrets.
pub(super) fn shown_text(key: &KeyInfo, text: &str) -> String {
    match key.kind {
        ValueKind::Secret => MASK.to_owned(),
        // Shows user and host, but not the token.
        ValueKind::Url | ValueKind::HttpUrl => match text.parse::<crate::net::PeerUrl>() {
            Ok(url) => url.to_string(),
            Err(_) => MASK.to_owned(),
        },
        ValueKind::Store => match text.parse::<crate::net::StorePlace>() {
            Ok(place) => place.to_string(),
            Err(_) => MASK.to_owned(),
        },
        _ => text.to_owned(),
    }
}

/// A text in double quotes, as YAML and JSON write it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use crate::config::tests::loaded;

    #[test]
    fn every_value_with_its_origin() {
        let file = "nodeId: a\nbtpServerPort: ${PORT:-3005}\napiToken: hunter2\npeers:\n  - id: b\n    \
            url: btp+ws://me:hunter2@b:3000\nroutes:\n  - {prefix: \"\", nextHop: b}\n";
        let variables =
            [("HEALTH_CHECK_PORT", "9000"), ("BTP_PEER_B_SECRET", "hunter3"), ("PORT", "3006")];
        let printed = loaded(file, &variables).print();
        assert!(!printed.contains("hunter"), "{printed}");
        for line in [
            "nodeId: a                                   # c.yaml:1",
            "ilpAddress: test.a                          # default",
            "btpServerPort: 3006                         # c.yaml:2, environment PORT",
            "healthCheckPort: 9000                       # environment HEALTH_CHECK_PORT",
            "apiToken: \"***\"                             # c.yaml:3",
            "peers:                                      # c.yaml:5",
            "  - id: b                                   # c.yaml:5",
            "    url: \"ws://me:***@b:3000/\"              # c.yaml:6",
            "    authToken: \"***\"                        # environment BTP_PEER_B_SECRET",
            "    relation: peer                          # default",
            "  - prefix: \"\"                              # c.yaml:8",
            "    priority: 0                             # default",
            "ping:                                       # default",
            "  echo: true                                # default",
            "rates: []                                   # default",
        ] {
            assert!(printed.lines().any(|printed| printed == line), "{line}\nin\n{printed}");
        }
    }

    #[test]
    fn a_printed_configuration_reads_back_as_the_same() {
        let file = "nodeId: a\npeers:\n  - {id: b, authToken: x, maxBalance: -5}\n";
        let first = loaded(file, &[]);
        let again = loaded(&first.print().replace("***", "x"), &[]);
        // Defaults are now set explicitly. Nothing else may differ.
        let mut expected = first.config.clone();
        expected.asset_unset = again.config.asset_unset;
        expected.settings.ilp_address = expected.address.clone();
        assert_eq!(again.config, expected);
    }
}

//! The tables of docs/CONFIG.md list the keys. BLESS=1 in the environment rewrites them.

use crate::config::guests::GuestSettings;
use crate::config::key_types::KeySet;
use crate::config::keys::KeyInfo;
use crate::config::node_keys::{
    ApiTokenSettings, NodeSettings, PingToggles, ProxySettings, TlsFiles, WebhookSettings,
};
use crate::config::peer_keys::{PeerSettings, ReceiverSettings};
use crate::config::route_keys::{RateSettings, RateSourceSettings, RouteSettings};
use crate::config::settlement::EngineKeySet;
use crate::config::topology_keys::{LinkSettings, TopologyNodeSettings, TopologySettings};
use crate::config::value_kind::ValueKind;
use crate::testing::check_block;

fn kind(kind: ValueKind) -> String {
    match kind {
        ValueKind::Id => "id".into(),
        ValueKind::Text => "text".into(),
        ValueKind::Secret => "secret".into(),
        ValueKind::Secrets => "list of secrets".into(),
        ValueKind::SecretFile => "path".into(),
        ValueKind::SecretFiles => "list of paths".into(),
        ValueKind::Bool => "true, false".into(),
        ValueKind::Integer(min, max) => format!("{min} to {max}"),
        ValueKind::Millis(min, max) => format!("ms, {min} to {max}"),
        ValueKind::Moment => "date and time".into(),
        ValueKind::Scopes => "list of scopes".into(),
        ValueKind::EventKinds => "list of events".into(),
        ValueKind::Port => "0 to 65535".into(),
        ValueKind::Host => "host".into(),
        ValueKind::Url | ValueKind::HttpUrl => "URL".into(),
        ValueKind::Address => "ILP address".into(),
        ValueKind::Prefix => "ILP prefix".into(),
        ValueKind::Network => "IP address or network".into(),
        ValueKind::HostNames => "list of host names".into(),
        ValueKind::Prefixes => "list of ILP prefixes".into(),
        ValueKind::Segment => "segment".into(),
        ValueKind::AssetCode => "asset code".into(),
        ValueKind::Amount => "0 to 2^64-1".into(),
        ValueKind::Balance => "integer".into(),
        ValueKind::Priority => "32-bit integer".into(),
        ValueKind::Rate => "decimal".into(),
        ValueKind::Share => "decimal below 1".into(),
        ValueKind::File => "path".into(),
        ValueKind::Store => "path, URL".into(),
        ValueKind::LogLevel => "levels".into(),
        ValueKind::Choice(words) => words.join(", "),
        ValueKind::WordOrMap(word, _) => format!("{word}, mapping"),
        ValueKind::Map(_) | ValueKind::Defaults => "mapping".into(),
        ValueKind::List(_) => "list".into(),
    }
}

fn table(keys: &[KeyInfo], variables: bool) -> String {
    let mut out = match variables {
        true => "| key | type | default | variable | live | meaning |\n|---|---|---|---|---|---|\n"
            .to_owned(),
        false => "| key | type | default | meaning |\n|---|---|---|---|\n".to_owned(),
    };
    for key in keys {
        let default = match key.default {
            Some(default) => format!("`{default}`"),
            None if key.required => "required".to_owned(),
            None => String::new(),
        };
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
fn tables_list_the_keys() {
    let tables = [
        ("node", NodeSettings::KEYS, true),
        ("apiTokens", ApiTokenSettings::KEYS, false),
        ("webhooks", WebhookSettings::KEYS, false),
        ("proxies", ProxySettings::KEYS, false),
        ("peers", PeerSettings::KEYS, false),
        ("settlement", EngineKeySet::KEYS, false),
        ("receivers", ReceiverSettings::KEYS, false),
        ("routes", RouteSettings::KEYS, false),
        ("rates", RateSettings::KEYS, false),
        ("rateSources", RateSourceSettings::KEYS, false),
        ("guests", GuestSettings::KEYS, false),
        ("ping", PingToggles::KEYS, false),
        ("tls", TlsFiles::KEYS, false),
        ("topology", TopologySettings::KEYS, false),
        ("nodes", TopologyNodeSettings::KEYS, false),
        ("links", LinkSettings::KEYS, false),
    ];
    for (name, keys, variables) in tables {
        let begin = format!("<!-- keys: {name} -->\n");
        check_block("docs/CONFIG.md", (&begin, "<!-- end of keys -->"), &table(keys, variables));
    }
}

//! `rates`: the exchange rates of nodes, and where they come from; `rates accept`: the use of a quote that jumped.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use super::args::{AcceptRateArguments, NodeTargets, RatesArguments, RatesCommand};
use super::asked_nodes::{find_nodes_by_target, given_token};
use super::observed::{ObservedNodes, json_text};
use super::verbs;
use crate::config::Environment;
use crate::console::{
    Cell, Failure, Table, block_on, exit_result, format_duration, sanitize, shell_quote,
};
use crate::observe::{
    AcceptedRateBody, ExchangeRateBody, ExchangeRatesBody, NodeExchangeRatesBody, RateSourceBody,
};
use crate::remote::AskedNode;

/// Assets that the state of a source names.
const NAMED_MAX: usize = 3;

/// Prints the rates. A failure if one of them is not used.
pub(super) fn run(
    arguments: &RatesArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    if let Some(RatesCommand::Accept(arguments)) = &arguments.command {
        return accept(arguments, environment, out);
    }
    let targets = arguments.named.targets()?;
    let named = find_nodes_by_target(&targets, given_token(&targets)?, environment)?;
    let mut nodes = ObservedNodes::new(named.iter().map(|(_, node)| node.clone()).collect())?;
    let pages = block_on(async {
        let mut note = |text: String| Ok(writeln!(err, "note: {text}")?);
        nodes.ask::<ExchangeRatesBody>("api/v1/exchange-rates", &mut note).await
    })?;
    let is_well =
        pages.iter().flat_map(|page| &page.nodes).flat_map(|node| &node.rates).all(is_used);
    if arguments.json {
        let nodes = pages.into_iter().flat_map(|page| page.nodes).collect();
        writeln!(out, "{}", json_text(&ExchangeRatesBody { nodes }, true)?)?;
    } else {
        let asked = nodes.nodes.iter().zip(pages);
        let shown = asked.flat_map(|(asked, page)| {
            let flags = accept_flags(&named, asked);
            page.nodes.into_iter().map(move |node| (node, flags.clone()))
        });
        let lines = lines(&shown.collect::<Vec<_>>());
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    out.flush()?;
    exit_result(is_well)
}

fn is_used(rate: &ExchangeRateBody) -> bool {
    rate.state == "used"
}

fn accept(
    arguments: &AcceptRateArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let AcceptRateArguments { source, asset, quote, node } = arguments;
    let body = json!({ "source": source, "asset": asset, "quote": quote });
    let path = "exchange-rates/accept";
    verbs::run::<AcceptedRateBody>(node, environment, path, body, out, |done| {
        let AcceptedRateBody { node, source, asset, from, quote } = done;
        format!("{node}: {asset} in {source} is {quote} from now on; it was {from}")
    })
}

/// The flags with which `rates accept`, which asks one node, finds the one that was asked, as a shell reads them.
fn accept_flags(named: &[(NodeTargets, AskedNode)], asked: &AskedNode) -> String {
    let found = named.iter().find(|(_, node)| node.url == asked.url);
    found.map(|(one, _)| one.as_flags()).unwrap_or_default()
}

/// Each node with the flags of the command that accepts a quote there.
fn lines(nodes: &[(NodeExchangeRatesBody, String)]) -> Vec<String> {
    let mut rates = Table::new(&["NODE", "FROM", "TO", "RATE", "SPREAD", "STATE", "SOURCE"]);
    let mut sources = Table::new(&["NODE", "SOURCE", "BASE", "ASSETS", "AGE", "STATE"]);
    let mut notes = Vec::new();
    for (node, flags) in nodes {
        for rate in &node.rates {
            rates.add_row(rate_row(&node.node, rate));
        }
        for source in &node.sources {
            sources.add_row(source_row(&node.node, source));
            let name = sanitize(&source.name);
            notes.extend(source.jumped.iter().map(|jumped| {
                let (asset, quote) = (sanitize(&jumped.asset), sanitize(&jumped.quote));
                let from = sanitize(&jumped.from);
                format!(
                    "{asset} in {name} jumped from {from} to {quote}, which is not used; if it is right: \
                     ilp-connector rates accept {} {asset} --quote {quote} --node {}{flags}",
                    shell_quote(&name),
                    sanitize(&node.node)
                )
            }));
            notes.extend(source.error.iter().map(|error| format!("{name}: {}", sanitize(error))));
        }
    }
    let has_sources = nodes.iter().any(|(node, _)| !node.sources.is_empty());
    let mut lines = match nodes.iter().any(|(node, _)| !node.rates.is_empty()) {
        true => rates.lines(usize::MAX),
        false => vec!["all accounts are in one asset, so no rate is needed".to_owned()],
    };
    if has_sources {
        lines.push(String::new());
        lines.extend(sources.lines(usize::MAX));
    }
    lines.extend(notes);
    lines
}

fn rate_row(node: &str, body: &ExchangeRateBody) -> [Cell; 7] {
    let or_dash = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), sanitize);
    let source = match (&body.source, &body.rate) {
        (Some(source), _) => sanitize(source),
        (None, Some(_)) => "configuration".to_owned(),
        (None, None) => "-".to_owned(),
    };
    let state = match &body.as_of {
        Some(as_of) => format!("{} since {}", sanitize(&body.state), sanitize(as_of)),
        None => sanitize(&body.state),
    };
    [
        Cell::left(sanitize(node)),
        Cell::left(sanitize(&body.from)),
        Cell::left(sanitize(&body.to)),
        Cell::right(or_dash(&body.rate)),
        Cell::right(or_dash(&body.spread)),
        Cell::left(state),
        Cell::left(source),
    ]
}

fn source_row(node: &str, body: &RateSourceBody) -> [Cell; 6] {
    let age = match body.age_seconds {
        Some(age) => format!("{} of {}", shown_age(age), shown_age(body.max_age_seconds)),
        None => "-".to_owned(),
    };
    [
        Cell::left(sanitize(node)),
        Cell::left(sanitize(&body.name)),
        Cell::left(body.base.as_deref().map_or("-".to_owned(), sanitize)),
        Cell::right(body.assets.to_string()),
        Cell::right(age),
        Cell::left(source_state(body)),
    ]
}

fn shown_age(seconds: u64) -> String {
    match seconds {
        0 => "0 s".to_owned(),
        seconds => format_duration(Duration::from_secs(seconds)),
    }
}

fn source_state(body: &RateSourceBody) -> String {
    match (body.fresh, body.age_seconds, body.jumped.as_slice()) {
        (false, None, _) => "missing".to_owned(),
        (false, Some(_), _) => "too old".to_owned(),
        (true, _, []) => "used".to_owned(),
        (true, _, jumped) => {
            let named = jumped.iter().take(NAMED_MAX).map(|one| sanitize(&one.asset));
            let named = named.collect::<Vec<_>>().join(", ");
            match jumped.len().saturating_sub(NAMED_MAX) {
                0 => format!("used, but for {named}"),
                more => format!("used, but for {named} and {more} more"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::JumpedAssetBody;

    #[test]
    fn a_table_of_rates_and_one_of_sources() {
        let rate =
            |to: &str, rate: Option<&str>, source: Option<&str>, state: &str| ExchangeRateBody {
                from: "USD".to_owned(),
                to: to.to_owned(),
                rate: rate.map(str::to_owned),
                spread: rate.map(|_| "0.002".to_owned()),
                source: source.map(str::to_owned),
                state: state.to_owned(),
                as_of: (state == "stale").then(|| "2026-11-27T12:00:00.000Z".to_owned()),
            };
        let source = RateSourceBody {
            name: "rates\u{1b}.json".to_owned(),
            base: Some("USD".to_owned()),
            age_seconds: Some(12),
            max_age_seconds: 300,
            fresh: true,
            assets: 3,
            unusable: 0,
            jumped: vec![JumpedAssetBody {
                asset: "XRP".to_owned(),
                quote: "20".to_owned(),
                from: "2".to_owned(),
            }],
            error: Some("no answer".to_owned()),
        };
        let node = NodeExchangeRatesBody {
            node: "b".to_owned(),
            rates: vec![
                rate("EUR", Some("0.92"), Some("rates.json"), "used"),
                rate("JPY", Some("150"), None, "used"),
                rate("XAU", None, None, "missing"),
                rate("XRP", None, Some("rates.json"), "stale"),
            ],
            sources: vec![source.clone()],
        };
        let state = |fresh, age_seconds, jumped: usize| {
            let jumped = vec![source.jumped[0].clone(); jumped];
            source_state(&RateSourceBody { fresh, age_seconds, jumped, ..source.clone() })
        };
        assert_eq!(state(false, None, 0), "missing");
        assert_eq!(state(false, Some(9), 1), "too old");
        assert_eq!(state(true, Some(9), 0), "used");
        assert_eq!(state(true, Some(9), 5), "used, but for XRP, XRP, XRP and 2 more");
        let lines = lines(&[(node, " --config 'my network.yaml'".to_owned())]);
        let words: Vec<Vec<&str>> = lines
            .iter()
            .map(|line| line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect())
            .collect();
        assert_eq!(words[1], ["b", "USD", "EUR", "0.92", "0.002", "used", "rates.json"]);
        assert_eq!(words[2], ["b", "USD", "JPY", "150", "0.002", "used", "configuration"]);
        assert_eq!(words[3], ["b", "USD", "XAU", "-", "-", "missing", "-"]);
        let since = "stale since 2026-11-27T12:00:00.000Z";
        assert_eq!(words[4], ["b", "USD", "XRP", "-", "-", since, "rates.json"]);
        let state = "used, but for XRP";
        assert_eq!(words[7], ["b", "rates\\u{1b}.json", "USD", "3", "12 s of 5 min", state]);
        assert_eq!(
            lines[8],
            "XRP in rates\\u{1b}.json jumped from 2 to 20, which is not used; if it is right: ilp-connector rates \
             accept 'rates\\u{1b}.json' XRP --quote 20 --node b --config 'my network.yaml'"
        );
        assert_eq!(lines[9], "rates\\u{1b}.json: no answer");
        let one_asset = [(NodeExchangeRatesBody::default(), String::new())];
        assert_eq!(
            super::lines(&one_asset),
            ["all accounts are in one asset, so no rate is needed"]
        );
    }
}

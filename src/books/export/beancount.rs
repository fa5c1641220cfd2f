//! The language of beancount.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Result, Write};

use super::{Decimal, account_parts};
use crate::books::date::date;
use crate::books::journal::{Journal, Posting};

/// Before the first entry: accounts are open from here on.
const OPENED: &str = "1970-01-01";
const DAY_MS: u64 = 86_400_000;
/// The longest name of a commodity.
const COMMODITY_MAX: usize = 24;

pub(super) fn write(journal: &Journal, out: &mut String) -> Result {
    writeln!(out, "; books {}, times in UTC", journal.books_id)?;
    writeln!(out, "option \"title\" \"books {}\"", journal.books_id)?;
    let entries = || journal.entries.iter().flat_map(|entry| &entry.postings);
    let postings = || entries().chain(&journal.balances);
    let codes: BTreeMap<_, _> =
        postings().map(|posting| (commodity(&posting.asset.code), &posting.asset.code)).collect();
    for (commodity, code) in codes {
        writeln!(out, "{OPENED} commodity {commodity}\n  asset-code: \"{code}\"")?;
    }
    let accounts: BTreeSet<_> =
        postings().map(|posting| (account(posting), commodity(&posting.asset.code))).collect();
    for (account, commodity) in accounts {
        writeln!(out, "{OPENED} open {account} {commodity}")?;
    }
    for entry in &journal.entries {
        writeln!(out, "\n{} * \"{}\"", date(entry.at), escape(&entry.text))?;
        for posting in &entry.postings {
            let decimal = Decimal { units: posting.amount, scale: posting.asset.scale };
            writeln!(out, "  {} {decimal} {}", account(posting), commodity(&posting.asset.code))?;
        }
    }
    // A balance is that of the beginning of its day.
    let after = date(journal.closed_at.saturating_add_millis(DAY_MS));
    out.push('\n');
    for balance in &journal.balances {
        let decimal = Decimal { units: balance.amount, scale: balance.asset.scale };
        let (account, commodity) = (account(balance), commodity(&balance.asset.code));
        writeln!(out, "{after} balance {account} {decimal} ~ 0 {commodity}")?;
    }
    Ok(())
}

/// The asset and scale end the name, so that accounts of the node are never mixed up.
fn account(Posting { account, asset, .. }: &Posting) -> String {
    let (parent, name) = account_parts(account);
    let name = name.map(|name| format!(":{}", component(name))).unwrap_or_default();
    let code: String = commodity(&asset.code).chars().map(escape_character).collect();
    format!("{parent}{name}:{code}-{}", asset.scale)
}

/// A name as a component of an account: letters, digits and `-`, of which a capital or digit is first. Different names
/// have different components: `-` begins an escape, and only names that do not begin with a small letter or digit begin
/// with `X-x`.
fn component(name: &str) -> String {
    let mut characters = name.chars();
    match characters.next() {
        Some(first) if first.is_ascii_lowercase() || first.is_ascii_digit() => {
            let rest = characters.map(escape_character);
            std::iter::once(first.to_ascii_uppercase().to_string()).chain(rest).collect()
        }
        _ => format!("X-x{}", name.chars().map(escape_character).collect::<String>()),
    }
}

fn escape_character(character: char) -> String {
    match character {
        '-' => "--".to_owned(),
        '_' => "-u".to_owned(),
        '~' => "-t".to_owned(),
        '.' => "-d".to_owned(),
        letter if letter.is_ascii_alphanumeric() => letter.to_string(),
        // No id or asset has another character; a row that was changed by other means may.
        other => format!("-c{:x}-", u32::from(other)),
    }
}

/// An asset code as a commodity: itself where the language allows it and it is shorter than the longest name, otherwise
/// such a longest name made of its hash.
fn commodity(code: &str) -> String {
    let is_capital_or_digit = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let is_valid = code.starts_with(|c: char| c.is_ascii_uppercase())
        && code.ends_with(is_capital_or_digit)
        && code.chars().all(|c| is_capital_or_digit(c) || matches!(c, '.' | '_' | '-'))
        && (2..COMMODITY_MAX).contains(&code.len());
    if is_valid {
        return code.to_owned();
    }
    let hash = ring::digest::digest(&ring::digest::SHA256, code.as_bytes());
    let digits = hash.as_ref().iter().map(|byte| format!("{byte:02X}"));
    let name: String = std::iter::once("X".to_owned()).chain(digits).collect();
    name.chars().take(COMMODITY_MAX).collect()
}

/// A text between quotation marks.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_are_different_components() {
        for (name, expected) in [
            ("alice", "Alice"),
            ("Alice", "X-xAlice"),
            ("x-xalice", "X--xalice"),
            ("x_xalice", "X-uxalice"),
            ("9a", "9a"),
            ("a.b~c-d_e", "A-db-tc--d-ue"),
            ("aé/", "A-ce9--c2f-"),
            ("-", "X-x--"),
            ("", "X-x"),
        ] {
            assert_eq!(component(name), expected);
        }
        let alphabet = ['a', 'A', 'x', 'X', '-', '_', '~', 'u', '1'];
        let pairs = alphabet.iter().flat_map(|a| alphabet.map(|b| format!("{a}{b}")));
        let names: Vec<_> = pairs.flat_map(|pair| alphabet.map(|c| format!("{pair}{c}"))).collect();
        let components: BTreeSet<_> = names.iter().map(|name| component(name)).collect();
        assert_eq!(components.len(), names.len());
    }

    #[test]
    fn asset_codes_that_the_language_does_not_allow_are_hashed() {
        for code in ["USD", "USDC.E", "A1", "A-B_C"] {
            assert_eq!(commodity(code), code);
        }
        for code in ["usd", "U", "1INCH", "A-", "X".repeat(24).as_str(), "X".repeat(32).as_str()] {
            let name = commodity(code);
            assert_eq!(name.len(), COMMODITY_MAX, "{code}");
            assert!(name.starts_with('X') && name != code, "{code}: {name}");
        }
    }
}

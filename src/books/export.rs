//! A journal as text for other programs: CSV, beancount, hledger (which `ledger` reads too).
//!
//! Amounts are exact decimals with all places of the asset's scale. An asset code is one commodity, whatever the scales
//! of its accounts. Each account of the node is an account of its own for each asset and scale, and its balance at the
//! end is asserted, so that the programs verify it.

mod beancount;
mod csv;
mod hledger;

use std::fmt;
use std::str::FromStr;

use super::journal::{Journal, JournalAccount};
use super::row::AccountKind;
use super::statement::Statement;

/// The program that reads an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// A table of postings with a header.
    Csv,
    /// A ledger of beancount.
    Beancount,
    /// A journal of hledger and ledger.
    Hledger,
}

/// Not a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not csv, beancount or hledger")]
pub struct NotAFormat;

impl FromStr for ExportFormat {
    type Err = NotAFormat;

    fn from_str(text: &str) -> Result<Self, NotAFormat> {
        match text {
            "csv" => Ok(Self::Csv),
            "beancount" => Ok(Self::Beancount),
            "hledger" => Ok(Self::Hledger),
            _ => Err(NotAFormat),
        }
    }
}

impl ExportFormat {
    /// The text of a journal.
    pub fn write(self, journal: &Journal) -> String {
        let mut out = String::new();
        let written = match self {
            Self::Csv => csv::write(journal, &mut out),
            Self::Beancount => beancount::write(journal, &mut out),
            Self::Hledger => hledger::write(journal, &mut out),
        };
        written.expect("writing to a String never fails");
        out
    }
}

/// CSV (RFC 4180) of statements: a row for each line, between the opening and the closing balance of each.
pub fn statements_as_csv(statements: &[Statement]) -> String {
    let mut out = String::new();
    csv::write_statements(statements, &mut out).expect("writing to a String never fails");
    out
}

/// Units of an asset as a decimal number with all places of the scale.
struct Decimal {
    units: i128,
    scale: u8,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.units < 0 { "-" } else { "" };
        let point = if scale == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

/// The first parts of an account's name, which all formats share, and the rest, if it is an account of the node.
fn account_parts(account: &JournalAccount) -> (&'static str, Option<&str>) {
    match account {
        JournalAccount::Node(AccountKind::Peer, name) => ("Assets:Peers", Some(name)),
        JournalAccount::Node(AccountKind::Receiver, name) => ("Liabilities:Receivers", Some(name)),
        // Its name is its asset, which follows in any case.
        JournalAccount::Node(AccountKind::Own, _) => ("Equity:Own", None),
        JournalAccount::Adjustments => ("Equity:Adjustments", None),
        JournalAccount::Concessions => ("Equity:Concessions", None),
        JournalAccount::Settlements => ("Assets:Settlement", None),
        JournalAccount::Unbalanced => ("Equity:Unbalanced", None),
    }
}

#[cfg(test)]
mod tests;

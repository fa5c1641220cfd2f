//! Arguments of `ledger`.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::books::{ChangeId, ExportFormat};
use crate::config::Secret;
use crate::console::SourceArguments;
use crate::wire::Timestamp;

#[derive(Debug, Args)]
#[command(after_help = "\
The store is the one of a configuration (`store`), or a file named with --store. Reading works while the node runs. What \
changes a balance works while the node runs if the configuration is named and has an `apiToken`: then the node makes the \
change. Amounts are whole units of the account (10^-scale of its asset).

Examples:
  ilp-connector ledger balances --config node.yaml
  ilp-connector ledger payments wallet --config node.yaml
  ilp-connector ledger statement c --month 2026-11 --store b.db
  ilp-connector ledger income --from 2026-11-01 --to 2026-12-01 --store b.db
  ilp-connector ledger verify --store /var/lib/ilp/b.db
  ilp-connector ledger resolve c --concede 120 --reason \"agreed by phone\" --config node.yaml
  ilp-connector ledger adjust c -5 --reason \"fee of the bank\" --store b.db
  ilp-connector ledger export --format hledger --store b.db
  ilp-connector ledger backup /backup/b.db --store b.db
  ilp-connector ledger restore /backup/b.db --store b.db")]
pub(in crate::cli) struct LedgerArguments {
    #[command(subcommand)]
    pub(in crate::cli) command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LedgerCommand {
    /// Print the balance of each account as of the last cut
    Balances(BalancesArguments),
    /// Print which payments have reached the receivers, by STREAM connection
    Payments(PaymentsArguments),
    /// Print what changed the balance of an account within a month
    Statement(StatementArguments),
    /// Print what was paid between accounts, and what the node earned with it
    Income(IncomeArguments),
    /// Check the file, and that every balance is the sum of its causes
    Verify(StoreArguments),
    /// Say how much of an uncertain amount the peer is owed
    Resolve(ResolveArguments),
    /// Change a balance by an amount that no packet moved
    Adjust(AdjustArguments),
    /// Print the books in double entry, for other programs
    Export(ExportArguments),
    /// Copy the store to a new file, also while the node runs
    Backup(BackupArguments),
    /// Put a backup in the place of the store; what was there stays beside it
    Restore(BackupArguments),
}

/// Which store.
#[derive(Debug, Args)]
pub(in crate::cli) struct StoreArguments {
    #[command(flatten)]
    pub(in crate::cli) source: SourceArguments,
    /// The file or database of the store [default: that of the configuration]
    // Parsed later: the message of a mistake would repeat it, with its password.
    #[arg(long, value_name = "FILE|URL", value_parser = secret, value_hint = ValueHint::FilePath, conflicts_with_all = ["config", "node"])]
    pub(in crate::cli) store: Option<Secret>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BalancesArguments {
    #[command(flatten)]
    pub(in crate::cli) store: StoreArguments,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PaymentsArguments {
    /// Only the payments to this receiver
    #[arg(value_name = "RECEIVER")]
    pub(in crate::cli) receiver: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) store: StoreArguments,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StatementArguments {
    /// The account: the id of a peer or receiver, or an own account such as own:USD/9
    #[arg(value_name = "ACCOUNT")]
    pub(in crate::cli) account: String,
    /// The month, in UTC, such as 2026-11
    #[arg(long, value_name = "MONTH", value_parser = parse_month)]
    pub(in crate::cli) month: (Timestamp, Timestamp),
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    pub(in crate::cli) csv: bool,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct IncomeArguments {
    /// The first day, in UTC [default: the first day of the books]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub(in crate::cli) from: Option<Timestamp>,
    /// The day after the last one, in UTC [default: no end]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub(in crate::cli) to: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ResolveArguments {
    #[command(flatten)]
    pub(in crate::cli) change: ChangeArguments,
    /// The peer fulfilled this much of it, which is owed to the peer now
    #[arg(long, value_name = "UNITS", value_parser = parse_units, required_unless_present = "release")]
    pub(in crate::cli) concede: Option<i128>,
    /// The peer fulfilled none of it
    #[arg(long, conflicts_with = "concede")]
    pub(in crate::cli) release: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AdjustArguments {
    #[command(flatten)]
    pub(in crate::cli) change: ChangeArguments,
    /// By how much the balance rises: above zero, the peer owes more
    #[arg(value_name = "UNITS", value_parser = parse_units, allow_negative_numbers = true)]
    pub(in crate::cli) amount: i128,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArguments {
    /// csv, beancount, or hledger, which `ledger` reads too
    #[arg(long, value_name = "FORMAT")]
    pub(in crate::cli) format: ExportFormat,
    /// The first day, in UTC; what was before is one entry [default: the first day of the books]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub(in crate::cli) from: Option<Timestamp>,
    /// The day after the last one, in UTC [default: no end]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub(in crate::cli) to: Option<Timestamp>,
    #[command(flatten)]
    pub(in crate::cli) store: StoreArguments,
}

/// The beginning of a day in UTC, such as 2026-11-27.
fn parse_date(text: &str) -> Result<Timestamp, String> {
    const FORM: &str = "is not a date such as 2026-11-27";
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let digits = format!("{}000000000", parts.concat());
    match <&[u8; 17]>::try_from(digits.as_bytes()) {
        Ok(digits) if lengths == [4, 2, 2] => {
            Timestamp::read17(digits).map_err(|error| error.to_string())
        }
        _ => Err(FORM.to_owned()),
    }
}

/// The beginnings of a month in UTC, such as 2026-11, and of the next one.
fn parse_month(text: &str) -> Result<(Timestamp, Timestamp), String> {
    let wrong = || "is not a month such as 2026-11".to_owned();
    let (year, month) = text.split_once('-').ok_or_else(wrong)?;
    let first = parse_date(&format!("{text}-01")).map_err(|_| wrong())?;
    let (year, month): (u32, u32) =
        (year.parse().map_err(|_| wrong())?, month.parse().map_err(|_| wrong())?);
    let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let next = parse_date(&format!("{year:04}-{month:02}-01")).map_err(|_| wrong())?;
    Ok((first, next))
}

/// Which account is changed, and why.
#[derive(Debug, Args)]
pub(in crate::cli) struct ChangeArguments {
    /// The account: the id of a peer or receiver
    #[arg(value_name = "ACCOUNT")]
    pub(in crate::cli) account: String,
    /// Asset and scale, such as USD/9, if the account has had several
    #[arg(long, value_name = "ASSET")]
    pub(in crate::cli) asset: Option<String>,
    /// Why; it is kept with the change
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: String,
    /// Identifies the change: the same id again is the same change, made once [default: random]
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) id: Option<ChangeId>,
    #[command(flatten)]
    pub(in crate::cli) store: StoreArguments,
}

/// Which backup of which store.
#[derive(Debug, Args)]
pub(in crate::cli) struct BackupArguments {
    /// The file of the backup
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) file: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) store: StoreArguments,
}

/// An amount in units of an account.
fn parse_units(text: &str) -> Result<i128, String> {
    let wrong = "is not a whole number of units, such as 120 or -5; at scale 9, 0.00000012 is 120";
    text.parse().map_err(|_| wrong.to_owned())
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_whole_numbers() {
        assert_eq!(parse_units("-5"), Ok(-5));
        assert_eq!(parse_units(&i128::MAX.to_string()), Ok(i128::MAX));
        for wrong in ["", "five", "1.5", "1e3", "1 000"] {
            assert!(parse_units(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn months_end_where_the_next_ones_begin() {
        let day = |text| parse_date(text).unwrap();
        assert_eq!(parse_month("2026-11"), Ok((day("2026-11-01"), day("2026-12-01"))));
        assert_eq!(parse_month("2027-12"), Ok((day("2027-12-01"), day("2028-01-01"))));
        for wrong in ["", "2026", "2026-13", "2026-1", "2026-11-01", "+026-11", "9999-12"] {
            assert!(parse_month(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_are_days_of_the_calendar() {
        let millis = |text| parse_date(text).map(Timestamp::as_millis);
        assert_eq!(millis("1970-01-02"), Ok(86_400_000));
        assert_eq!(millis("2026-11-27"), Ok(1_795_737_600_000));
        for wrong in
            ["", "2026-11", "2026-1-27", "20261127", "2026-02-29", "2026-11-2x", "2026-11-27-"]
        {
            assert!(parse_date(wrong).is_err(), "{wrong}");
        }
    }
}

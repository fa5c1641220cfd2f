//! The exported books, read by the programs that they are for: each accepts them and has our balances.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use ilp_connector::internals::account::{Asset, Totals};
use ilp_connector::internals::books::{
    AccountKind, AccountRow, Adjustment, BalanceChange, Cut, CutRecords, FlowEnd, FlowRow,
    FlowSums, Quantity, Settlement, SettlementDirection, SettlementState,
};
use ilp_connector::internals::link::CutNumber;
use ilp_connector::internals::net::Clock;
use ilp_connector::internals::store::{Store, StoreIdentity};
use ilp_connector::wire::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{path_text, temp_folder};
use crate::support::{PROGRAM, run, run_successfully, skip};

/// 2026-11-27 in UTC.
const DAY: u64 = 1_795_737_600_000;
/// An amount beyond 64 bits, which beancount adds up exactly too.
const LARGE: i128 = 123_456_789_012_345_678_901;
const LARGER: i128 = 10_i128.pow(25);

/// Names, assets and amounts that are hard to spell, with one asset at three scales. The last two numbers are what the
/// packets add up to, and what was adjusted.
#[rustfmt::skip]
fn accounts() -> Vec<AccountRow> {
    use AccountKind::{Own, Peer, Receiver};
    let account = |name: &str, kind, code, scale, packets: i128, adjusted| AccountRow {
        name: name.into(),
        kind,
        asset: Asset::new(code, scale),
        totals: Totals { fulfilled_in: packets.max(0), fulfilled_out: -packets.min(0), adjusted, ..Totals::default() },
        held_out: 3,
        uncertain: 0,
        uncertain_since: None,
    };
    vec![
        account("alice", Peer, "USD", 9, LARGE, -1),
        account("Alice", Peer, "USD", 9, -LARGE + 7, 0),
        account("-~_x", Receiver, "USD", 9, -6, 0),
        account("-~_x", Peer, "USD", 2, 12_345, 0),
        account("0b", Peer, "USD", 0, -7, 0),
        account("bob", Peer, "usd.e-1_", 18, LARGER + 1, 99),
        account("own:USD/9", Own, "USD", 9, -1, 0),
        account("own:USD/2", Own, "USD", 2, -12_345, 0),
        account("own:USD/0", Own, "USD", 0, 7, 0),
        account("own:usd.e-1_/18", Own, "usd.e-1_", 18, -LARGER - 1, 0),
    ]
}

/// The record of what was adjusted.
fn adjustment_of(account: &AccountRow) -> Adjustment {
    let (change, reason) = match account.totals.adjusted {
        -1 => (BalanceChange::Resolve { conceded: 1 }, "both agree \\ \"yes\""),
        amount => (BalanceChange::Adjust(amount), "paid; by bank, = * ( [ | {"),
    };
    Adjustment {
        id: account.name.parse().unwrap(),
        at: Timestamp::from_millis(DAY - 1),
        account: account.name.clone(),
        asset: account.asset.clone(),
        change,
        balance: 0,
        reason: reason.to_owned(),
        by: "o'hara; \"op\"".to_owned(),
    }
}

/// The last packets of the day before: a part of those of the accounts.
fn flows() -> Vec<FlowRow> {
    let end = |name: &str, scale| FlowEnd { name: name.into(), asset: Asset::new("USD", scale) };
    let flow = |from, to, amount_in, amount_out| FlowRow {
        hour: Timestamp::from_millis(DAY - 3_600_000),
        from,
        to,
        sums: FlowSums { amount_in, ..FlowSums::at_par(1, amount_out) },
    };
    vec![flow(end("alice", 9), end("Alice", 9), 5, 5), flow(end("-~_x", 2), end("0b", 0), 705, 7)]
}

/// What Alice paid us, and what we pay her, in units.
const SETTLED: [(SettlementDirection, u128); 2] =
    [(SettlementDirection::Incoming, 40), (SettlementDirection::Outgoing, 1_000_000_007)];

/// The settlements of an account, whose totals get their sums.
fn settle(account: &mut AccountRow) -> Vec<Settlement> {
    let settlements = SETTLED.map(|(direction, units)| Settlement {
        key: format!("key-of-{direction}").parse().unwrap(),
        account: account.name.clone(),
        asset: account.asset.clone(),
        direction,
        quantity: Quantity::of_units(units, account.asset.scale),
        units,
        leftover: "0.5".parse().unwrap(),
        state: SettlementState::Done,
        attempts: 1,
        created_at: Timestamp::from_millis(DAY - 2),
        updated_at: Timestamp::from_millis(DAY - 2),
        reference: "SEPA; \"77\"".to_owned(),
        by: "engine".to_owned(),
    });
    (account.totals.settled_in, account.totals.settled_out) = (40, 1_000_000_007);
    settlements.to_vec()
}

/// A folder with a store of these accounts, and with what is exported from it.
struct Books {
    folder: TempDir,
    accounts: Vec<AccountRow>,
}

impl Books {
    fn new() -> Self {
        let mut books = Self { folder: temp_folder(), accounts: accounts() };
        let (mut store, _) =
            Store::open(&books.store().into(), &StoreIdentity { node: None }, Clock::start())
                .unwrap();
        let settlements = settle(&mut books.accounts[1]);
        let accounts = books.accounts.clone();
        let adjusted = accounts.iter().filter(|account| account.totals.adjusted != 0);
        let adjustments = adjusted.map(adjustment_of).collect();
        let at = Timestamp::from_millis(DAY);
        store
            .write_last(
                &Cut { number: CutNumber(1), at, accounts, flows: flows(), ..Cut::default() }
                    .with_records(CutRecords { adjustments, settlements, ..CutRecords::default() }),
            )
            .unwrap();
        books
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("n.db")
    }

    fn export(&self, format: &str, more: &[&str]) -> String {
        let mut command = Command::new(PROGRAM);
        command.args(["ledger", "export", "--format", format]);
        command.args(["--store", path_text(&self.store())]).args(more);
        run_successfully(&mut command)
    }

    /// Exports to a file, and returns its path.
    fn export_to_file(&self, format: &str, more: &[&str]) -> PathBuf {
        let file = self.folder.path().join("books").with_extension(format);
        std::fs::write(&file, self.export(format, more)).unwrap();
        file
    }

    /// Our balances by asset code, each as whole and fraction, sorted.
    fn expected(&self) -> BTreeMap<String, Vec<String>> {
        let accounts = self.accounts.iter().map(|account| {
            let (units, scale) = (account.totals.balance(), usize::from(account.asset.scale));
            let digits = format!("{:0>1$}", units.unsigned_abs(), scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            let sign = if units < 0 { "-" } else { "" };
            (account.asset.code.to_string(), normal(&format!("{sign}{whole}.{fraction}")))
        });
        by_code(accounts)
    }
}

/// The amounts of each asset code, sorted.
fn by_code(amounts: impl Iterator<Item = (String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (code, amount) in amounts {
        all.entry(code).or_default().push(amount);
    }
    all.values_mut().for_each(|amounts| amounts.sort());
    all
}

/// A decimal number without zeros at its end. `bean-query` prints small ones with an exponent, such as `-6E-9`.
fn normal(number: &str) -> String {
    if let Some((digit, exponent)) = number.split_once("E-") {
        let places: usize = exponent.parse().unwrap();
        let (sign, digit) = digit.strip_prefix('-').map_or(("", digit), |digit| ("-", digit));
        assert_eq!(digit.len(), 1, "{number}");
        return format!("{sign}0.{digit:0>places$}");
    }
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number.to_owned(),
    }
}

/// The amounts of the node's accounts in lines of `account<TAB>amount commodity`.
fn balances_in(text: &str, code_of: impl Fn(&str) -> String) -> BTreeMap<String, Vec<String>> {
    by_code(text.lines().filter_map(|line| {
        let (account, amount) = line.split_once('\t').unwrap_or_else(|| panic!("{text}"));
        let is_of_node = ["Assets:Peers:", "Liabilities:Receivers:", "Equity:Own:"]
            .iter()
            .any(|parent| account.starts_with(parent));
        let (number, commodity) = amount.trim().split_once(' ').unwrap();
        is_of_node.then(|| (code_of(commodity.trim()), normal(number)))
    }))
}

/// Whether a program can be run; if not, the test is skipped.
fn has_program(name: &str) -> bool {
    match Command::new(name).arg("--version").output() {
        Ok(_) => true,
        Err(error) => {
            skip("an export", &format!("`{name}` does not run: {error}"));
            false
        }
    }
}

/// Periods: everything, all after the adjustments, none but the adjustments.
const PERIODS: [&[&str]; 3] = [&[], &["--from", "2026-11-27"], &["--to", "2026-11-27"]];

#[test]
fn hledger_and_ledger_verify_the_books() {
    if !has_program("hledger") || !has_program("ledger") {
        return;
    }
    let books = Books::new();
    for more in PERIODS {
        let journal = books.export_to_file("hledger", more);
        let journal = path_text(&journal);
        run_successfully(Command::new("hledger").args(["-f", journal, "check", "--strict"]));
        run_successfully(Command::new("ledger").args(["-f", journal, "--strict", "balance"]));
    }
    let journal = books.export_to_file("hledger", &[]);
    let journal = path_text(&journal);
    let unquoted = |commodity: &str| commodity.trim_matches('"').to_owned();
    let text = run_successfully(
        Command::new("hledger").args(["-f", journal, "balance", "--flat", "-N", "-O", "csv"]),
    );
    let text: Vec<_> = text
        .lines()
        .skip(1)
        .map(|line| line.trim_matches('"').replace("\",\"", "\t").replace("\"\"", "\""))
        .collect();
    let found = balances_in(&text.join("\n"), unquoted);
    assert_eq!(found, books.expected(), "{}", text.join("\n"));
    let format = "%A\t%(scrub(display_total))\n";
    let text = run_successfully(Command::new("ledger").args([
        "-f",
        journal,
        "balance",
        "--flat",
        "--no-total",
        "--format",
        format,
    ]));
    assert_eq!(balances_in(&text, unquoted), books.expected(), "{text}");
    // A wrong balance is noticed.
    let wrong = std::fs::read_to_string(journal).unwrap().replace(" = -7 USD", " = -8 USD");
    std::fs::write(journal, wrong).unwrap();
    let check = run(Command::new("hledger").args(["-f", journal, "check"]));
    assert!(!check.status.success());
    assert!(!run(Command::new("ledger").args(["-f", journal, "balance"])).status.success());
}

#[test]
fn beancount_verifies_the_books() {
    if !has_program("bean-check") || !has_program("bean-query") {
        return;
    }
    let books = Books::new();
    for more in PERIODS {
        let file = books.export_to_file("beancount", more);
        run_successfully(Command::new("bean-check").arg(file));
    }
    let file = books.export_to_file("beancount", &[]);
    let text = std::fs::read_to_string(&file).unwrap();
    let code_of = |commodity: &str| {
        let declared = format!("commodity {commodity}\n  asset-code: \"");
        let (_, rest) = text.split_once(&declared).unwrap_or_else(|| panic!("{commodity}"));
        rest.split_once('"').unwrap().0.to_owned()
    };
    let query = "SELECT account, sum(number), currency GROUP BY account, currency";
    let rows = run_successfully(Command::new("bean-query").args([
        "-q",
        "-f",
        "csv",
        path_text(&file),
        query,
    ]));
    let rows: Vec<_> = rows
        .lines()
        .skip(1)
        .map(|line| {
            let parts: Vec<_> = line.split(',').map(str::trim).collect();
            let [account, number, currency] = parts[..] else { panic!("{line}") };
            format!("{account}\t{number} {currency}")
        })
        .collect();
    assert_eq!(balances_in(&rows.join("\n"), code_of), books.expected());
    std::fs::write(&file, text.replace(" -7 ~ 0 USD", " -8 ~ 0 USD")).unwrap();
    assert!(!run(Command::new("bean-check").arg(&file)).status.success());
}

#[test]
fn csv_has_every_posting_and_balance() {
    let books = Books::new();
    let text = books.export("csv", &[]);
    let balances: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("balance,"))
        .map(|line| {
            let parts: Vec<_> = line.split(',').collect();
            let [.., account, code, _, amount] = parts[..] else { panic!("{line}") };
            format!("{account}:\t{amount} {code}")
        })
        .collect();
    assert_eq!(balances_in(&balances.join("\n"), str::to_owned), books.expected(), "{text}");
    // Two adjustments, two settlements, one flow within an asset and one between two, and the other packets of eight
    // accounts.
    let postings = text.lines().filter(|line| line.starts_with("posting,"));
    assert_eq!(postings.count(), 4 + 4 + 2 + 4 + 8);
}

impl Books {
    fn ledger(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(PROGRAM);
        command.arg("ledger").args(arguments).args(["--store", path_text(&self.store())]);
        run_successfully(&mut command)
    }
}

#[test]
fn a_statement_has_each_change_between_two_balances() {
    let books = Books::new();
    let of_month = |month| books.ledger(&["statement", "alice", "--month", month, "--csv"]);
    let text = of_month("2026-11");
    let balances: Vec<_> =
        text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
    let closing = "123456789012.345678900";
    let expected = ["0.000000000", "0.000000005", "0.000000004", closing, closing];
    assert_eq!(balances, expected, "{text}");
    assert!(text.contains("2026-11-26,1 packet from alice to Alice,alice,USD,9,0.000000005,"));
    assert_eq!(of_month("2026-12").lines().count(), 3, "an opening and a closing balance");
    let text = books.ledger(&["statement", "alice", "--month", "2026-12", "--json"]);
    let statements: Value = serde_json::from_str(&text).unwrap();
    let units = (LARGE - 1).to_string();
    assert_eq!(
        (&statements[0]["opening"], &statements[0]["closing"]),
        (&json!(units), &json!(units))
    );
    let text = books.ledger(&["statement", "alice", "--month", "2026-11"]);
    assert!(text.contains("closing balance") && text.contains("123,456,789,012.3456789"), "{text}");
    let text = books.ledger(&["statement", "Alice", "--month", "2026-11", "--csv"]);
    let received = "\"received from Alice, by engine: SEPA; \"\"77\"\"\",Alice,USD,9,-0.000000040,";
    assert!(text.contains(received), "{text}");
    assert!(
        text.contains("\"paid to Alice, by engine: ") && text.contains(",1.000000007,"),
        "{text}"
    );
    let mut unknown = Command::new(PROGRAM);
    unknown.args(["ledger", "statement", "carol", "--month", "2026-11", "--store"]);
    assert!(!run(unknown.arg(books.store())).status.success());
}

#[test]
fn income_counts_for_both_peers_and_shows_what_it_cannot_attribute() {
    let books = Books::new();
    let of_period = |from, to| -> Value {
        let text = books.ledger(&["income", "--from", from, "--to", to, "--json"]);
        serde_json::from_str(&text).unwrap()
    };
    let income = of_period("2026-11-26", "2026-11-27");
    let earned = json!({ "assetCode": "USD", "assetScale": 2, "amount": "5" });
    assert_eq!(income["byAccount"].as_array().unwrap().len(), 2, "{income}");
    assert_eq!(income["byAccount"][0]["amount"], earned["amount"], "{income}");
    assert_eq!(income["flows"].as_array().unwrap().len(), 2);
    assert_eq!(income["total"][0]["amount"], "50000000", "at scale 9");
    let unattributed = &income["unattributed"];
    assert_eq!(unattributed[0]["amount"], "116400000001", "{income}");
    assert_eq!(unattributed[1]["amount"], (LARGER + 1).to_string());
    let later = of_period("2026-11-27", "2026-11-28");
    assert_eq!((&later["flows"], &later["total"]), (&json!([]), &json!([])));
    assert_eq!(&later["unattributed"], unattributed);
    let text = books.ledger(&["income"]);
    assert!(text.contains("7.05 USD") && text.contains("unattributed"), "{text}");
    let line = |begin: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(begin)).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(line("ACCOUNT")[..3], ["ACCOUNT", "ASSET", "SPREAD"], "{text}");
    assert_eq!(line("(total)")[1], "USD", "{text}");
    for (from, to) in [("2026-12-01", "2026-11-01"), ("2026-11-01", "2026-11-01")] {
        for command in [&["income"][..], &["export", "--format", "csv"]] {
            let mut wrong = Command::new(PROGRAM);
            wrong.arg("ledger").args(command).args(["--from", from, "--to", to]);
            let ended = run(wrong.arg("--store").arg(books.store()));
            assert_eq!(ended.status.code(), Some(64), "{command:?}");
            let said = String::from_utf8_lossy(&ended.stderr);
            assert!(said.contains("--to: the period begins at "), "{said}");
        }
    }
}

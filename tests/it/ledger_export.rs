//! The exported books, read by the programs that they are for: each accepts them and has our balances.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::{Connection, params};

use crate::peer::{TestNode, config_of};
use crate::process::{path_text, temp_folder};
use crate::support::{PROGRAM, run, run_successfully, skip};

/// 2026-11-27 in UTC.
const DAY: i64 = 1_795_737_600_000;
/// An amount beyond 64 bits, which beancount adds up exactly too.
const LARGE: i128 = 123_456_789_012_345_678_901;
const LARGER: i128 = 10_i128.pow(25);

/// An account, with what its packets add up to and what was adjusted.
struct SavedAccount {
    name: &'static str,
    kind: &'static str,
    code: &'static str,
    scale: u8,
    packets: i128,
    adjusted: i128,
}

impl SavedAccount {
    fn balance(&self) -> i128 {
        self.packets + self.adjusted
    }

    fn save(&self, store: &Connection) {
        let [fulfilled_in, fulfilled_out] = [self.packets.max(0), -self.packets.min(0)];
        let amounts = [self.balance(), fulfilled_in, fulfilled_out, self.adjusted];
        let [balance, fulfilled_in, fulfilled_out, adjusted] = amounts.map(|n| n.to_string());
        let insert = "INSERT INTO account (name, asset, scale, kind, balance, fulfilled_in, \
            fulfilled_out, adjusted, held_out, uncertain, cut) \
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, '3', '0', 1)";
        let values = params![
            self.name,
            self.code,
            self.scale,
            self.kind,
            balance,
            fulfilled_in,
            fulfilled_out,
            adjusted
        ];
        store.execute(insert, values).unwrap();
    }

    fn save_adjustment(&self, store: &Connection, kind: &str, reason: &str) {
        let insert = "INSERT INTO adjustment (id, at, account, asset, scale, kind, amount, balance, reason, \
            made_by) VALUES (hex(randomblob(8)), ?, ?, ?, ?, ?, ?, '0', ?, 'o''hara; \"op\"')";
        let (at, amount) = (DAY - 1, self.adjusted.to_string());
        let values = params![at, self.name, self.code, self.scale, kind, amount, reason];
        store.execute(insert, values).unwrap();
    }
}

/// Names, assets and amounts that are hard to spell, with one asset at three scales.
#[rustfmt::skip]
fn accounts() -> Vec<SavedAccount> {
    let account = |name, kind, code, scale, packets, adjusted| SavedAccount {
        name, kind, code, scale, packets, adjusted,
    };
    vec![
        account("alice", "peer", "USD", 9, LARGE, -1),
        account("Alice", "peer", "USD", 9, -LARGE + 7, 0),
        account("-~_x", "receiver", "USD", 9, -6, 0),
        account("-~_x", "peer", "USD", 2, 12_345, 0),
        account("0b", "peer", "USD", 0, -7, 0),
        account("bob", "peer", "usd.e-1_", 18, LARGER + 1, 99),
        account("own:USD/9", "own", "USD", 9, -1, 0),
        account("own:USD/2", "own", "USD", 2, -12_345, 0),
        account("own:USD/0", "own", "USD", 0, 7, 0),
        account("own:usd.e-1_/18", "own", "usd.e-1_", 18, -LARGER - 1, 0),
    ]
}

/// A store of a node that has stopped, with these accounts.
fn write_store(file: &Path) -> Vec<SavedAccount> {
    let store = format!("store: {}\n", file.display());
    TestNode::start(&config_of(&["alice", "bob"], &store)).stop("TERM");
    let store = Connection::open(file).unwrap();
    store.execute("UPDATE meta SET value = ? WHERE key = 'cut_at'", [DAY.to_string()]).unwrap();
    store.execute("DELETE FROM account", []).unwrap();
    let accounts = accounts();
    for account in &accounts {
        account.save(&store);
        match account.adjusted {
            0 => {}
            -1 => account.save_adjustment(&store, "resolve", "both agree \\ \"yes\""),
            _ => account.save_adjustment(&store, "adjust", "paid; by bank, = * ( [ | {"),
        }
    }
    accounts
}

/// Our balances by asset code, each as whole and fraction, sorted.
fn expected(accounts: &[SavedAccount]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for account in accounts {
        let (units, scale) = (account.balance(), usize::from(account.scale));
        let digits = format!("{:0>1$}", units.unsigned_abs(), scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if units < 0 { "-" } else { "" };
        all.entry(account.code.to_owned())
            .or_default()
            .push(normal(&format!("{sign}{whole}.{fraction}")));
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
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let (account, amount) = line.split_once('\t').unwrap_or_else(|| panic!("{text}"));
        let is_of_node = ["Assets:Peers:", "Liabilities:Receivers:", "Equity:Own:"]
            .iter()
            .any(|parent| account.starts_with(parent));
        if is_of_node {
            let (number, commodity) = amount.trim().split_once(' ').unwrap();
            all.entry(code_of(commodity.trim())).or_default().push(normal(number));
        }
    }
    all.values_mut().for_each(|amounts| amounts.sort());
    all
}

fn export(store: &Path, format: &str, more: &[&str]) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["ledger", "export", "--format", format, "--store", path_text(store)]).args(more);
    run_successfully(&mut command)
}

fn export_to(file: &Path, store: &Path, format: &str, more: &[&str]) -> PathBuf {
    std::fs::write(file, export(store, format, more)).unwrap();
    file.to_owned()
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
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let accounts = write_store(&store);
    for more in PERIODS {
        let journal = export_to(&folder.path().join("n.journal"), &store, "hledger", more);
        let journal = path_text(&journal);
        run_successfully(Command::new("hledger").args(["-f", journal, "check", "--strict"]));
        run_successfully(Command::new("ledger").args(["-f", journal, "--strict", "balance"]));
    }
    let journal = export_to(&folder.path().join("n.journal"), &store, "hledger", &[]);
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
    assert_eq!(found, expected(&accounts), "{}", text.join("\n"));
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
    assert_eq!(balances_in(&text, unquoted), expected(&accounts), "{text}");
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
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let accounts = write_store(&store);
    for more in PERIODS {
        let file = export_to(&folder.path().join("n.beancount"), &store, "beancount", more);
        run_successfully(Command::new("bean-check").arg(file));
    }
    let file = export_to(&folder.path().join("n.beancount"), &store, "beancount", &[]);
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
    assert_eq!(balances_in(&rows.join("\n"), code_of), expected(&accounts));
    std::fs::write(&file, text.replace(" -7 ~ 0 USD", " -8 ~ 0 USD")).unwrap();
    assert!(!run(Command::new("bean-check").arg(&file)).status.success());
}

#[test]
fn csv_has_every_posting_and_balance() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let accounts = write_store(&store);
    let text = export(&store, "csv", &[]);
    let balances: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("balance,"))
        .map(|line| {
            let parts: Vec<_> = line.split(',').collect();
            let [.., account, code, _, amount] = parts[..] else { panic!("{line}") };
            format!("{account}:\t{amount} {code}")
        })
        .collect();
    assert_eq!(balances_in(&balances.join("\n"), str::to_owned), expected(&accounts), "{text}");
    // Two adjustments of two postings each, and one for the packets of each account.
    assert_eq!(text.lines().filter(|line| line.starts_with("posting,")).count(), 4 + 10);
}

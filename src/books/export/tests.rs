//! The texts of one journal in each format, to the letter. Other programs read them in `tests/it/ledger_export.rs`.

use super::*;
use crate::account::Asset;
use crate::books::journal::{JournalEntry, Posting};
use crate::books::statement::StatementLine;
use crate::wire::Timestamp;

#[test]
fn decimals_have_all_places_of_the_scale() {
    for (units, scale, expected) in [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (-5, 0, "-5"),
        (-5, 3, "-0.005"),
        (1_234_567, 3, "1234.567"),
        (i128::MIN, 38, "-1.70141183460469231731687303715884105728"),
    ] {
        assert_eq!(Decimal { units, scale }.to_string(), expected);
    }
}

fn journal() -> Journal {
    let peer = JournalAccount::Node(AccountKind::Peer, "al_ice".into());
    let posting = |account, amount| Posting { account, asset: Asset::new("usd", 2), amount };
    let balances = vec![posting(peer.clone(), -500)];
    let postings = vec![posting(peer, -500), posting(JournalAccount::Adjustments, 500)];
    let at = Timestamp::from_millis(1_795_737_599_999);
    let entry = JournalEntry { at, text: "a \"fee\", paid; \\o/".to_owned(), postings };
    Journal { books_id: "b".to_owned(), entries: vec![entry], closed_at: at, balances }
}

#[test]
fn csv_has_a_row_for_each_posting() {
    assert_eq!(
        ExportFormat::Csv.write(&journal()),
        "kind,number,date,text,account,asset,scale,amount\r\n\
        posting,1,2026-11-26,\"a \"\"fee\"\", paid; \\o/\",Assets:Peers:al_ice,usd,2,-5.00\r\n\
        posting,1,2026-11-26,\"a \"\"fee\"\", paid; \\o/\",Equity:Adjustments,usd,2,5.00\r\n\
        balance,,2026-11-26,,Assets:Peers:al_ice,usd,2,-5.00\r\n"
    );
}

#[test]
fn hledger_asserts_balances_on_the_last_day() {
    assert_eq!(
        ExportFormat::Hledger.write(&journal()),
        "; books b, times in UTC\n\
        commodity usd\n\
        account Assets:Peers:al_ice:usd/2\n\
        account Equity:Adjustments:usd/2\n\
        \n\
        2026-11-26 * a \"fee\", paid, \\o/\n    \
            Assets:Peers:al_ice:usd/2  -5.00 usd\n    \
            Equity:Adjustments:usd/2  5.00 usd\n\
        \n\
        2026-11-26 * closing balances\n    \
            Assets:Peers:al_ice:usd/2  0.00 usd = -5.00 usd\n"
    );
}

#[test]
fn beancount_asserts_balances_on_the_day_after() {
    let text = ExportFormat::Beancount.write(&journal());
    let usd = text.split("commodity ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    assert_eq!(
        text.replace(usd, "CODE"),
        "; books b, times in UTC\n\
        option \"title\" \"books b\"\n\
        1970-01-01 commodity CODE\n  asset-code: \"usd\"\n\
        1970-01-01 open Assets:Peers:Al-uice:CODE-2 CODE\n\
        1970-01-01 open Equity:Adjustments:CODE-2 CODE\n\
        \n\
        2026-11-26 * \"a \\\"fee\\\", paid; \\\\o/\"\n  \
          Assets:Peers:Al-uice:CODE-2 -5.00 CODE\n  \
          Equity:Adjustments:CODE-2 5.00 CODE\n\
        \n\
        2026-11-27 balance Assets:Peers:Al-uice:CODE-2 -5.00 ~ 0 CODE\n"
    );
}

#[test]
fn formats_have_the_names_of_their_programs() {
    for (name, format) in [
        ("csv", ExportFormat::Csv),
        ("beancount", ExportFormat::Beancount),
        ("hledger", ExportFormat::Hledger),
    ] {
        assert_eq!(name.parse(), Ok(format));
    }
    for name in ["", "CSV", "ledger"] {
        assert_eq!(name.parse::<ExportFormat>(), Err(NotAFormat), "{name}");
    }
}

#[test]
fn csv_of_a_statement_goes_from_the_opening_to_the_closing_balance() {
    let at = Timestamp::from_millis(1_795_737_599_999);
    let line = StatementLine { at, text: "a \"fee\", paid".to_owned(), amount: -500, balance: 500 };
    let asset = Asset::new("usd", 2);
    let statement =
        Statement { account: "al_ice".into(), asset, opening: 1_000, lines: vec![line] };
    assert_eq!(
        statements_as_csv(&[statement]),
        "date,text,account,asset,scale,amount,balance\r\n\
        ,opening balance,al_ice,usd,2,,10.00\r\n\
        2026-11-26,\"a \"\"fee\"\", paid\",al_ice,usd,2,-5.00,5.00\r\n\
        ,closing balance,al_ice,usd,2,,5.00\r\n"
    );
}

//! CSV (RFC 4180): a row for each posting, then one for each balance at the end.

use std::fmt::{Result, Write};

use super::{Decimal, account_parts};
use crate::account::Asset;
use crate::books::Statement;
use crate::books::date::date;
use crate::books::journal::{Journal, Posting};

pub(super) fn write(journal: &Journal, out: &mut String) -> Result {
    out.push_str("kind,number,date,text,account,asset,scale,amount\r\n");
    for (index, entry) in journal.entries.iter().enumerate() {
        let (number, day, text) = (index + 1, date(entry.at), quote(&entry.text));
        for posting in &entry.postings {
            write!(out, "posting,{number},{day},{text},")?;
            write_amount(posting, out)?;
        }
    }
    let day = date(journal.closed_at);
    for balance in &journal.balances {
        write!(out, "balance,,{day},,")?;
        write_amount(balance, out)?;
    }
    Ok(())
}

pub(super) fn write_statements(statements: &[Statement], out: &mut String) -> Result {
    out.push_str("date,text,account,asset,scale,amount,balance\r\n");
    for statement in statements {
        let Statement { account, asset, opening, lines } = statement;
        let mut row = |day: &str, text: &str, amount: Option<i128>, balance: i128| {
            let decimal = |units| Decimal { units, scale: asset.scale };
            let amount = amount.map(|amount| decimal(amount).to_string()).unwrap_or_default();
            let (account, text, balance) = (quote(account), quote(text), decimal(balance));
            let Asset { code, scale } = asset;
            write!(out, "{day},{text},{account},{code},{scale},{amount},{balance}\r\n")
        };
        row("", "opening balance", None, *opening)?;
        for line in lines {
            row(&date(line.at), &line.text, Some(line.amount), line.balance)?;
        }
        row("", "closing balance", None, statement.closing())?;
    }
    Ok(())
}

fn write_amount(Posting { account, asset, amount }: &Posting, out: &mut String) -> Result {
    let (parent, name) = account_parts(account);
    let (colon, name) = name.map_or(("", ""), |name| (":", name));
    let account = format!("{parent}{colon}{name}");
    let (code, scale, units) = (&asset.code, asset.scale, *amount);
    write!(out, "{},{code},{scale},{}\r\n", quote(&account), Decimal { units, scale })
}

/// The text in quotation marks, if it needs them.
fn quote(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

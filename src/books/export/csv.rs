//! CSV (RFC 4180): a row for each posting, then one for each balance at the end.

use std::fmt::{Result, Write};

use super::{Decimal, account_parts, date};
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

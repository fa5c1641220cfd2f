//! The statement of one account: what changed its balance in a period, and the balance after each change.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::history::BooksHistory;
use super::journal::{Journal, JournalAccount, Period};
use crate::account::Asset;
use crate::wire::Timestamp;

/// The statement of an account in one asset. Amounts are in its units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The account.
    pub account: Arc<str>,
    /// Its asset and scale.
    pub asset: Asset,
    /// The balance when the period begins.
    pub opening: i128,
    /// The changes in the period, the oldest first.
    pub lines: Vec<StatementLine>,
}

/// One change of a balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// When it happened; packets have the beginning of their day.
    pub at: Timestamp,
    /// What happened, on one line.
    pub text: String,
    /// By how much the balance rose.
    pub amount: i128,
    /// The balance after it.
    pub balance: i128,
}

impl Statement {
    /// The statements of an account, one for each asset that it has had. Empty: there is no such account.
    pub fn of_account(history: &BooksHistory, account: &str, period: Period) -> Vec<Self> {
        let rows = history.books.accounts.iter().map(|account| &account.row);
        let mut statements: BTreeMap<_, Self> = BTreeMap::new();
        for row in rows.filter(|row| &*row.name == account) {
            let (account, asset) = (Arc::clone(&row.name), row.asset.clone());
            let key = (Arc::clone(&asset.code), asset.scale);
            statements.insert(key, Self { account, asset, opening: 0, lines: Vec::new() });
        }
        let until_end = Period { from: None, to: period.to };
        for entry in Journal::new(history, until_end).entries {
            for posting in entry.postings {
                let key = (Arc::clone(&posting.asset.code), posting.asset.scale);
                if let JournalAccount::Node(_, name) = &posting.account
                    && &**name == account
                    && let Some(statement) = statements.get_mut(&key)
                {
                    let is_before = Some(entry.at) < period.from;
                    statement.add(entry.at, &entry.text, posting.amount, is_before);
                }
            }
        }
        statements.into_values().collect()
    }

    /// The balance when the period ends.
    pub fn closing(&self) -> i128 {
        self.lines.last().map_or(self.opening, |line| line.balance)
    }

    fn add(&mut self, at: Timestamp, text: &str, amount: i128, is_before: bool) {
        let balance = self.closing().saturating_add(amount);
        match is_before {
            true => self.opening = balance,
            false => self.lines.push(StatementLine { at, text: text.to_owned(), amount, balance }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::journal::tests::{at, flow, history, period};

    #[test]
    fn a_statement_goes_from_the_opening_to_the_closing_balance() {
        let mut history = history();
        // The last hour of one day, and the first of the next.
        history.flows = vec![flow(9 * 24 + 23, "a", "c", 10), flow(10 * 24, "a", "c", 20)];
        let statements = Statement::of_account(&history, "a", period(Some(10), Some(30)));
        let [statement] = &*statements else { panic!("{statements:?}") };
        assert_eq!((statement.opening, statement.closing()), (10, 30));
        let lines: Vec<_> =
            statement.lines.iter().map(|line| (line.at, line.amount, line.balance)).collect();
        assert_eq!(lines, [(at(10), 20, 30)]);
        let all = Statement::of_account(&history, "a", Period::default());
        assert_eq!((all[0].opening, all[0].closing()), (0, 100), "as the store has it");
        assert_eq!(Statement::of_account(&history, "x", Period::default()), []);
    }
}

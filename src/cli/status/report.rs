//! The text of `status`: plain data in, lines out.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::network_view::{NodeRow, ViewState, problem_lines};
use super::look::{AccountLook, NodeLook};
use super::settlements;
use crate::console::{
    Cell, Table, count, format_duration, group_digits, shorten_name, truncate, wrap,
};
use crate::wire::Timestamp;

/// Columns of a name on a terminal. Longer ones are shortened in the middle.
const NAME_WIDTH_MAX: usize = 24;

/// The most uncertain amounts that are named.
const UNCERTAIN_MAX: usize = 8;

/// What is written.
#[derive(Debug)]
pub(super) struct StatusReport<'l> {
    pub(super) looks: &'l [NodeLook],
    /// Unused accounts, too.
    pub(super) all: bool,
    pub(super) now: Timestamp,
    /// The width of the terminal; `usize::MAX` for files and pipes, where nothing is shortened.
    pub(super) columns: usize,
}

impl StatusReport<'_> {
    /// Problems first, then a table of the nodes, one of their peers, and notes.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.head();
        lines.push(String::new());
        lines.extend(self.nodes());
        let (peers, left_out) = self.peers();
        if !peers.is_empty() {
            lines.push(String::new());
            lines.extend(peers);
        }
        let notes = self.notes(left_out);
        if !notes.is_empty() {
            lines.push(String::new());
            lines.extend(notes.iter().flat_map(|note| wrap(note, self.columns, "  ")));
        }
        lines.iter().map(|line| truncate(line, self.columns)).collect()
    }

    /// What a user must know first.
    fn head(&self) -> Vec<String> {
        let rows: Vec<NodeRow> = self.looks.iter().map(|look| look.row.clone()).collect();
        let mut lines = problem_lines(&rows);
        for (what, ids) in self.by_text(|look| look.refused_configuration.as_deref()) {
            lines.push(format!("configuration refused by {ids}, the old one stays: {what}"));
        }
        lines.extend(self.uncertain());
        lines.extend(settlements::problems(self.looks));
        lines.extend(self.books_that_differ());
        lines.iter().flat_map(|line| wrap(line, self.columns, "    ")).collect()
    }

    /// Amounts that peers may have fulfilled when a node crashed.
    fn uncertain(&self) -> Option<String> {
        let accounts = self.looks.iter().flat_map(|look| {
            let uncertain = look.accounts.iter().filter(|account| account.is_uncertain());
            uncertain.map(move |account| (look, account))
        });
        let named = accounts.clone().take(UNCERTAIN_MAX).map(|(look, account)| {
            let amount = account.uncertain.as_deref().map_or("-".to_owned(), group_digits);
            let asset = account.asset().unwrap_or_default();
            format!("{amount} {asset} to {} at {}", account.id, look.row.id)
        });
        let mut named: Vec<String> = named.collect();
        let more = accounts.count() - named.len();
        if more > 0 {
            named.push(format!("{more} more"));
        }
        let named = named.join(", ");
        (!named.is_empty()).then(|| {
            format!("uncertain after a crash, see `ilp-connector ledger resolve --help`: {named}")
        })
    }

    /// Peers whose books differ from those of a node.
    fn books_that_differ(&self) -> Vec<String> {
        let accounts = self.looks.iter().flat_map(|look| {
            let found = look.accounts.iter().filter_map(|one| Some((one, one.books_differ()?)));
            found.map(move |(account, text)| {
                let asset = account.asset().unwrap_or_default();
                format!("the books of {} and {} differ ({asset}): {text}", look.row.id, account.id)
            })
        });
        accounts.take(UNCERTAIN_MAX).collect()
    }

    fn name(&self, name: &str) -> String {
        if self.columns == usize::MAX {
            name.to_owned()
        } else {
            shorten_name(name, NAME_WIDTH_MAX)
        }
    }

    /// Problems first, else in the order of the file.
    fn sorted(&self) -> Vec<&NodeLook> {
        let mut looks: Vec<&NodeLook> = self.looks.iter().collect();
        looks.sort_by_key(|look| look.row.state.rank());
        looks
    }

    fn nodes(&self) -> Vec<String> {
        let mut table = Table::new(&["NODE", "STATE", "PEERS", "ADDRESS", "UP", "URL"]);
        for look in self.sorted() {
            let row = &look.row;
            let answers = look.uptime_s.is_some();
            let peers = format!("{}/{}", row.peers_connected, row.peers);
            let address = row.address.as_deref().map(|address| self.name(address));
            let uptime = look.uptime_s.map(whole_seconds);
            table.add_row([
                Cell::left(self.name(&row.id)),
                row.state.cell(),
                Cell::right(if answers { peers.as_str() } else { "-" }),
                Cell::left(address.as_deref().unwrap_or("-")),
                Cell::right(uptime.as_deref().unwrap_or("-")),
                Cell::left(&look.url),
            ]);
        }
        table.lines(self.columns)
    }

    /// The accounts in use, and how many are left out.
    fn peers(&self) -> (Vec<String>, usize) {
        let ids: BTreeSet<&str> = self.looks.iter().map(|look| look.row.id.as_str()).collect();
        let mut left_out = 0;
        let mut rows: Vec<(&NodeLook, &AccountLook, ViewState)> = Vec::new();
        for look in self.sorted() {
            for account in &look.accounts {
                if self.all || account.is_in_use(ids.contains(account.id.as_str())) {
                    rows.push((look, account, account.view_state()));
                } else {
                    left_out += 1;
                }
            }
        }
        if rows.is_empty() {
            return (Vec::new(), left_out);
        }
        rows.sort_by_key(|(_, _, state)| u8::from(state.rank() > 0));
        let headings = ["NODE", "PEER", "STATE", "FOR", "BALANCE", "ASSET", "LAST ERROR"];
        let mut table = Table::new(&headings).ending_with_text();
        for (look, account, state) in rows {
            let seconds = account.seconds_in_state(self.now);
            let time = seconds.map(whole_seconds);
            table.add_row([
                Cell::left(self.name(&look.row.id)),
                Cell::left(self.name(&account.id)),
                state.cell(),
                Cell::right(time.as_deref().unwrap_or("-")),
                Cell::right(account.balance.as_deref().map_or("-".to_owned(), group_digits)),
                Cell::left(account.asset().as_deref().unwrap_or("-")),
                Cell::left(account.shown_error().unwrap_or("-")),
            ]);
        }
        (table.lines(self.columns), left_out)
    }

    fn notes(&self, left_out: usize) -> Vec<String> {
        let mut notes = Vec::new();
        let compared = self.looks.iter().flat_map(|look| {
            let found = look.accounts.iter().filter_map(|one| Some((one, one.books(self.now)?)));
            found.map(move |(account, books)| format!("{} and {} {books}", look.row.id, account.id))
        });
        let compared: Vec<String> = compared.take(UNCERTAIN_MAX).collect();
        let settlements = settlements::under_way(self.looks);
        if !settlements.is_empty() {
            notes.push(format!("settlements: {}", settlements.join(", ")));
        }
        if !compared.is_empty() {
            notes.push(format!("books: {}", compared.join(", ")));
        }
        for (what, ids) in self.by_text(|look| look.no_balances.as_deref()) {
            notes.push(format!("no balances of {ids}: {what}"));
        }
        if left_out > 0 {
            let (accounts, are) =
                (count(left_out, "unused account"), if left_out == 1 { "is" } else { "are" });
            notes.push(format!("{accounts} {are} not shown; see --all"));
        }
        notes
    }

    /// Texts that several nodes have in common, with the ids of these nodes.
    fn by_text<'s>(
        &'s self,
        text: impl Fn(&'s NodeLook) -> Option<&'s str>,
    ) -> Vec<(&'s str, String)> {
        let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
        for look in self.looks {
            let Some(text) = text(look) else { continue };
            match found.iter_mut().find(|(known, _)| *known == text) {
                Some((_, ids)) => ids.push(&look.row.id),
                None => found.push((text, vec![&look.row.id])),
            }
        }
        let all = self.looks.len();
        let named = |ids: Vec<&str>| match ids.len() {
            n if n == all && n > 1 => "all nodes".to_owned(),
            _ => ids.join(", "),
        };
        found.into_iter().map(|(text, ids)| (text, named(ids))).collect()
    }
}

fn whole_seconds(seconds: u64) -> String {
    if seconds == 0 { "0 s".to_owned() } else { format_duration(Duration::from_secs(seconds)) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::network_view::tests::node_row;
    use super::*;
    use crate::console::apply_colours;
    use crate::observe::ReconcileBody;

    const NOW: u64 = 1_772_366_400_000;

    pub(in crate::cli::status) fn account(id: &str, state: &str, balance: &str) -> AccountLook {
        AccountLook {
            id: id.to_owned(),
            kind: "peer".to_owned(),
            state: state.to_owned(),
            since: (state != "waiting").then(|| "2026-03-01T11:59:18.500Z".to_owned()),
            balance: Some(balance.to_owned()),
            asset_code: Some("USD".to_owned()),
            asset_scale: Some(9),
            ..AccountLook::default()
        }
    }

    pub(in crate::cli::status) fn look(
        id: &str,
        status: &str,
        reasons: &[&str],
        accounts: Vec<AccountLook>,
    ) -> NodeLook {
        let answers = status != "no answer";
        NodeLook {
            row: NodeRow {
                peers: accounts.len(),
                address: answers.then(|| format!("test.{id}")),
                ..node_row(id, status, reasons)
            },
            url: format!("http://127.0.0.1:80{}", id.len()),
            uptime_s: answers.then_some(72),
            version: answers.then(|| "0.1.0".to_owned()),
            refused_configuration: None,
            accounts,
            no_balances: None,
        }
    }

    fn looks() -> Vec<NodeLook> {
        let refused = "cannot connect: connection refused (os error 111)";
        let mut down = account("a-node-with-quite-a-long-name-02", "down", "0");
        down.last_error = Some(refused.to_owned());
        let cli = AccountLook { balance: Some("0".to_owned()), ..account("cli", "waiting", "0") };
        let mut wallet = account("wallet", "receiving", "-1010000");
        (wallet.kind, wallet.since) = ("receiver".to_owned(), None);
        vec![
            look("a", "healthy", &[], vec![account("b", "connected", "-1234567"), cli, wallet]),
            look(
                "b",
                "unhealthy",
                &["required peer a-node-with-quite-a-long-name-02 is not connected"],
                vec![account("a", "connected", "1234567"), down],
            ),
            look(
                "a-node-with-quite-a-long-name-02",
                "no answer",
                &[
                    "cannot connect to 127.0.0.1:8082: connection refused; start it with `ilp-connector up net.yaml`",
                ],
                vec![],
            ),
        ]
    }

    pub(in crate::cli::status) fn text(looks: &[NodeLook], columns: usize) -> String {
        let report = StatusReport { looks, all: false, now: Timestamp::from_millis(NOW), columns };
        let lines = report.lines();
        lines.iter().map(|line| apply_colours(line, false) + "\n").collect()
    }

    #[test]
    fn a_terminal_of_80_columns() {
        let text = text(&looks(), 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text, @r"
        2 of 3 unhealthy:
          b: required peer a-node-with-quite-a-long-name-02 is not connected
          a-node-with-quite-a-long-name-02: no answer: cannot connect to 127.0.0.1:8082:
            connection refused; start it with `ilp-connector up net.yaml`

        NODE                      STATE      PEERS  ADDRESS          UP
        b                         unhealthy    1/2  test.b   1 min 12 s
        a-node-with…long-name-02  no answer      -  -                 -
        a                         healthy      1/3  test.a   1 min 12 s

        NODE  PEER                      STATE       FOR     BALANCE  ASSET  LAST ERROR
        b     a-node-with…long-name-02  down       41 s           0  USD/9  cannot conn…
        b     a                         connected  41 s   1,234,567  USD/9  -
        a     b                         connected  41 s  -1,234,567  USD/9  -
        a     wallet                    receiving     -  -1,010,000  USD/9  -

        1 unused account is not shown; see --all
        ");
    }

    #[test]
    fn a_pipe_gets_everything() {
        let text = text(&looks(), usize::MAX);
        let whole = [
            "\na-node-with-quite-a-long-name-02  no answer      -  -                 -  http://127.0.0.1:8032\n",
            "  0  USD/9  cannot connect: connection refused (os error 111)\n",
            "  a-node-with-quite-a-long-name-02: no answer: cannot connect to 127.0.0.1:8082: connection \
             refused; start it with `ilp-connector up net.yaml`\n",
        ];
        for line in whole {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
    }

    #[test]
    fn books_are_named_and_differences_come_first() {
        let compared = |verdict: &str, text: &str| {
            Some(ReconcileBody {
                verdict: verdict.to_owned(),
                text: text.to_owned(),
                compared_at: Some("2026-03-01T11:59:48.000Z".to_owned()),
                ..ReconcileBody::default()
            })
        };
        let mut looks = [look("a", "healthy", &[], vec![account("b", "connected", "5")])];
        looks[0].accounts[0].reconcile = compared("agrees", "the books agree");
        assert!(text(&looks, usize::MAX).contains("\nbooks: a and b agree (12 s ago)"));
        let but = "the books agree, but for 18 USD that this node paid";
        looks[0].accounts[0].reconcile = compared("agrees", but);
        let shown = text(&looks, usize::MAX);
        assert!(shown.contains("\nbooks: a and b agree, but for 18 USD that this node paid (12 s"));
        for verdict in ["unsupported", "unknown"] {
            looks[0].accounts[0].reconcile =
                compared(verdict, "the peer does not know the question");
            assert!(!text(&looks, usize::MAX).contains("books"));
        }
        looks[0].accounts[0].reconcile = compared("differs", "the peer claims 120 more");
        let shown = text(&looks, usize::MAX);
        assert!(shown.contains("the books of a and b differ (USD/9): the peer claims 120 more"));
    }

    #[test]
    fn uncertain_amounts_are_named() {
        let mut looks = looks();
        looks[0].accounts[0].uncertain = Some("0".to_owned());
        assert!(!text(&looks, usize::MAX).contains("uncertain"));
        looks[0].accounts[0].uncertain = Some("1200".to_owned());
        // Never connected again: it is shown because of the amount.
        looks[0].accounts[1].uncertain = Some("7".to_owned());
        let said = text(&looks, usize::MAX);
        let line = "\nuncertain after a crash, see `ilp-connector ledger resolve --help`: 1,200 USD/9 to b at a, 7 USD/9 to cli at a\n";
        assert!(said.contains(line), "{said}");
        assert!(!said.contains("not shown"), "{said}");
        let more = vec![looks[0].accounts[0].clone(); UNCERTAIN_MAX];
        looks[1].accounts.extend(more);
        assert!(text(&looks, usize::MAX).contains(" to b at b, 2 more\n"));
    }

    #[test]
    fn what_several_nodes_have_in_common_is_said_once() {
        let mut looks = looks();
        looks.truncate(2);
        looks[0].no_balances = Some("it has an apiToken".to_owned());
        looks[1].refused_configuration = Some("net.yaml:3: links: is no list".to_owned());
        let said = text(&looks, usize::MAX);
        let refused =
            "\nconfiguration refused by b, the old one stays: net.yaml:3: links: is no list\n";
        assert!(said.contains(refused), "{said}");
        assert!(said.contains("\nno balances of a: it has an apiToken\n"), "{said}");
        looks[1].no_balances = looks[0].no_balances.clone();
        assert!(text(&looks, usize::MAX).contains("\nno balances of all nodes: "));
    }
}

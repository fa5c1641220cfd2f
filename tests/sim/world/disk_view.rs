//! What a store has on the disk, read beside the node, as another process would.

use std::collections::BTreeSet;
use std::path::Path;

use ilp_connector::internals::account::Totals;
use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;

/// A saved account, as far as the checks want it.
#[derive(Clone, Debug)]
pub struct SavedAccount {
    pub name: String,
    /// As the store has it, beside its causes.
    pub balance: i128,
    pub totals: Totals,
    pub held_out: i128,
    pub uncertain: i128,
}

/// Looks at the store of a node. It stays open between looks only while the node runs: a node that starts or stops has the
/// files for itself, and a crash replaces them.
#[derive(Debug, Default)]
pub struct DiskView(Mutex<Option<Connection>>);

impl DiskView {
    /// The accounts of peers in the newest durable cut. None before the store was made.
    pub fn saved_accounts(&self, file: &Path, is_running: bool) -> Vec<SavedAccount> {
        let mut store = self.0.lock();
        let store = if is_running { &mut *store } else { &mut None };
        if store.is_none() {
            *store = open(file);
        }
        store.as_ref().map(accounts_of).unwrap_or_default()
    }

    pub fn close(&self) {
        *self.0.lock() = None;
    }
}

/// A look at a store, if there is one.
fn open(file: &Path) -> Option<Connection> {
    if !file.exists() {
        return None;
    }
    let store = Connection::open(file).unwrap();
    // The next node finds what a crash has left, and not what a look has tidied up.
    store.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    Some(store)
}

fn accounts_of(store: &Connection) -> Vec<SavedAccount> {
    let mut accounts = store
        .prepare_cached(
            "SELECT name, fulfilled_in, fulfilled_out, settled_in, settled_out, adjusted, held_out, uncertain, \
             balance FROM account WHERE kind = 'peer'",
        )
        .unwrap();
    let rows = accounts.query_map((), |row| {
        let number = |at| row.get::<_, String>(at).map(|text| text.parse().unwrap());
        Ok(SavedAccount {
            name: row.get(0)?,
            totals: Totals {
                fulfilled_in: number(1)?,
                fulfilled_out: number(2)?,
                settled_in: number(3)?,
                settled_out: number(4)?,
                adjusted: number(5)?,
            },
            held_out: number(6)?,
            uncertain: number(7)?,
            balance: number(8)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Each row of each table, with the name of the table, as a node would find them after a crash at this moment.
pub fn all_rows(file: &Path) -> BTreeSet<String> {
    let Some(store) = open(file) else { return BTreeSet::new() };
    let mut tables = store.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables: Vec<String> =
        tables.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows_of = |table: String| {
        let mut all = store.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = all.column_count();
        let rows = all.query_map((), |row| {
            let values: Result<Vec<Value>, _> = (0..columns).map(|at| row.get(at)).collect();
            Ok(format!("{table}: {:?}", values?))
        });
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    tables.into_iter().flat_map(rows_of).collect()
}

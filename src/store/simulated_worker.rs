//! The work of a store's thread on a simulated machine: as a task, with the failures of that machine's disk.

use super::error::WriteError;
use super::worker::{Handled, StoreRequest, StoreWorker};
use crate::machine::simulated::{DiskAnswer, Machine};

impl StoreWorker {
    /// Handles requests as [`StoreWorker::run`] does.
    pub async fn run_on(self, machine: std::sync::Arc<dyn Machine>) {
        let Self { mut store, mut requests } = self;
        while let Some(request) = requests.recv().await {
            let handled = match machine.begin_disk_work().await {
                DiskAnswer::Works => request.handle(&mut store),
                DiskAnswer::Fails => request.fail(),
                DiskAnswer::FailsAfterwards => request.do_and_fail(&mut store),
            };
            machine.end_disk_work().await;
            let Some(open) = handled.reply(store) else { return };
            store = open;
        }
    }
}

/// What a full disk makes of a request.
fn no_space() -> WriteError {
    let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    WriteError::Sqlite(rusqlite::Error::SqliteFailure(full, None))
}

impl StoreRequest {
    /// Does nothing, and answers that it failed.
    fn fail(self) -> Handled {
        match self {
            Self::Write(_, reply) | Self::WriteLast(_, reply) | Self::Reopen(reply) => {
                Handled::new(Err(no_space()), reply)
            }
            Self::FindAdjustment(_, reply) => Handled::new(Err(no_space()), reply),
            Self::FindSettlement(_, _, _, reply) => Handled::new(Err(no_space()), reply),
            Self::ListSettlements(_, _, reply) => Handled::new(Err(no_space()), reply),
            Self::FindDeliveries(_, reply) => Handled::new(Err(no_space()), reply),
            Self::FindEvents(_, reply) => Handled::new(Err(no_space()), reply),
        }
    }

    /// Does what is requested, and answers that it failed.
    fn do_and_fail(self, store: &mut super::engine::Store) -> Handled {
        let written = match &self {
            Self::Write(cut, _) => store.write(cut),
            Self::WriteLast(cut, _) => store.write_last(cut),
            _ => Ok(()),
        };
        drop(written);
        self.fail()
    }
}

//! What two neighbours know of the packets between them, and what must hold between both.

use ilp_connector::internals::books::AccountRow;

/// The parties, in the order of the chain. A link is between each two neighbours.
pub(super) const PARTIES: [&str; 5] = ["alice", "a", "b", "c", "bob"];

/// What one party has on record about a neighbour: sums of amounts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    /// Its own packets that the neighbour fulfilled.
    pub(super) paid: i128,
    /// Its own packets that the neighbour may have fulfilled.
    pub(super) open: i128,
    /// The neighbour's packets that it fulfilled.
    pub(super) received: i128,
}

impl Record {
    pub(super) fn of_row(row: &AccountRow) -> Self {
        Self {
            paid: row.totals.fulfilled_out,
            open: row.held_out + row.uncertain,
            received: row.totals.fulfilled_in,
        }
    }
}

/// The records of both ends of each link, at one time.
pub(super) type Records = [[Record; 2]; 4];

/// Checks the promises of `strict` between two readings. A payer has no proof that the payee's books lack, and a payee
/// can claim no more than the payer has on record. A record is read early where it must be the smaller one, so that
/// packets that move between both readings do no harm.
pub(super) fn check_links(early: &Records, late: &Records) -> Result<(), String> {
    for (link, names) in PARTIES.windows(2).enumerate() {
        for (payer, payee) in [(0, 1), (1, 0)] {
            let (before, after) = (early[link], late[link]);
            let names =
                format!("{} pays {}: {before:?}, then {after:?}", names[payer], names[payee]);
            if before[payer].paid > after[payee].received {
                return Err(format!("the payer has a proof that the payee's books lack; {names}"));
            }
            if before[payee].received > after[payer].paid + after[payer].open {
                return Err(format!("the payee can claim more than is on record; {names}"));
            }
        }
    }
    Ok(())
}

//! What an attacker says about its books (`peer.reconcile`).

use ilp_connector::wire::reconcile::{AMOUNT_MAX, PeerAmounts, PeerBooks};
use rand::RngExt;
use rand::rngs::StdRng;

use super::plan::Lie;
use super::tally::PlaceTally;
use crate::assets::Asset;

/// What it shows as the newest cut of the node's books, if it lies about that.
const LATE_CUT: u64 = 1 << 40;

/// The data of a question or of an answer. `None`: it does not answer.
pub(super) fn data_of_books(
    (lie, asset): (Lie, Asset),
    truth: &PlaceTally,
    held: (i128, i128),
    rng: &mut StdRng,
) -> Option<Vec<u8>> {
    let mut books = PeerBooks {
        books: b"books of the attacker",
        run: 1,
        cut: 7,
        seen_cut: 0,
        is_recovering: false,
        is_durable: true,
        asset_code: asset.code(),
        asset_scale: asset.scale(),
        amounts: PeerAmounts {
            asked: truth.proven,
            answered: truth.fulfilled,
            in_flight_out: held.0,
            in_flight_in: held.1,
            ..PeerAmounts::default()
        },
        credit_places: None,
    };
    let mut data = Vec::new();
    match lie {
        Lie::Truth => {}
        Lie::More { amount, knows_newer } => {
            books.amounts.answered += i128::from(amount);
            books.seen_cut = if knows_newer { LATE_CUT } else { 0 };
        }
        Lie::Less { amount } => books.amounts.asked -= i128::from(amount),
        Lie::Nonsense => {
            let mut any = || rng.random_range(-AMOUNT_MAX..=AMOUNT_MAX);
            books.amounts = PeerAmounts {
                asked: any(),
                answered: any(),
                paid: any(),
                received: any(),
                adjusted: any(),
                in_flight_out: any().abs(),
                in_flight_in: any().abs(),
                uncertain: any().abs(),
                unanswered: any().abs(),
                conceded: any(),
                written_off: any(),
            };
        }
        Lie::OtherAsset => (books.asset_code, books.asset_scale) = ("XYZ", 2),
        Lie::OtherRun => (books.run, books.cut, books.is_recovering) = (rng.random(), 1, true),
        Lie::Garbage => {
            data.resize(rng.random_range(0..100), 0);
            rng.fill(data.as_mut_slice());
            return Some(data);
        }
        Lie::Silence => return None,
    }
    books.encode(&mut data);
    Some(data)
}

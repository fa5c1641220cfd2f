//! Counts how often each class of differences occurred, and prints the counts from time to time, so that a class that
//! never occurs is noticed.

use std::sync::Mutex;

use super::classes::{CLASSES, Theirs};

/// The number of inputs before the first table. The next one follows when it has doubled, and later every `EVERY`
/// inputs.
const FIRST: u64 = 1 << 10;
const EVERY: u64 = 1 << 22;

struct Tally {
    inputs: u64,
    /// In the order of the table.
    met: [u64; CLASSES.len()],
}

static TALLY: Mutex<Tally> = Mutex::new(Tally { inputs: 0, met: [0; CLASSES.len()] });

/// Counts a difference.
pub(super) fn listed(classes: &[&'static str]) {
    let mut tally = TALLY.lock().expect("nothing panics while it is held");
    for class in classes {
        let index = CLASSES.iter().position(|known| known.id == *class).expect("in the table");
        tally.met[index] += 1;
    }
}

/// Counts an input.
pub(super) fn input() {
    let mut tally = TALLY.lock().expect("nothing panics while it is held");
    tally.inputs += 1;
    let doubled = tally.inputs >= FIRST && tally.inputs.is_power_of_two();
    if doubled || tally.inputs.is_multiple_of(EVERY) {
        eprintln!("{} inputs; times that each class was met:", tally.inputs);
        for (class, met) in CLASSES.iter().zip(tally.met) {
            if class.theirs == Theirs::InterledgerRs {
                eprintln!("  {}: {met}{}", class.id, if met == 0 { " (never)" } else { "" });
            }
        }
    }
}

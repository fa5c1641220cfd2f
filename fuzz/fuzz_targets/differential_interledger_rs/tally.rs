//! How often each class was met. Printed now and then, so that a class that nothing meets is seen.

use std::sync::Mutex;

use super::classes::{CLASSES, Theirs};

/// Inputs before the first table; then whenever there are twice as many, and at last after as many as `EVERY`.
const FIRST: u64 = 1 << 10;
const EVERY: u64 = 1 << 22;

struct Tally {
    inputs: u64,
    /// By their places in the table.
    met: [u64; CLASSES.len()],
}

static TALLY: Mutex<Tally> = Mutex::new(Tally { inputs: 0, met: [0; CLASSES.len()] });

/// Counts a difference.
pub(super) fn listed(classes: &[&'static str]) {
    let mut tally = TALLY.lock().expect("nothing panics while it is held");
    for class in classes {
        let place = CLASSES.iter().position(|known| known.id == *class).expect("in the table");
        tally.met[place] += 1;
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

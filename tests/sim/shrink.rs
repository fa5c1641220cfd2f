//! Makes a failing plan smaller: fewer nodes, faults and payments, as long as it still fails in the same way.

use std::collections::BTreeSet;

use crate::plan::{Kept, Plan};

/// Runs in search of a smaller plan.
const RUNS_MAX: usize = 300;

/// What two failures have in common, if they are the same: their words, without numbers.
fn kind_of(error: &str) -> String {
    error.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// A small plan, and its failure. `run`: the failure of a plan, if it fails.
pub fn shrink(
    plan: Plan,
    error: String,
    mut run: impl FnMut(&Plan) -> Option<String>,
) -> (Plan, String) {
    let mut search = Search { kind: kind_of(&error), plan, error, runs: 0, run: &mut run };
    loop {
        let before = search.plan.kept.clone();
        search.leave_out(|kept| &mut kept.nodes);
        search.leave_out(|kept| &mut kept.faults);
        search.leave_out(|kept| &mut kept.moves);
        search.leave_out(|kept| &mut kept.payments);
        if search.plan.kept == before || search.runs >= RUNS_MAX {
            return (search.plan, search.error);
        }
    }
}

struct Search<'r> {
    kind: String,
    plan: Plan,
    error: String,
    runs: usize,
    run: &'r mut dyn FnMut(&Plan) -> Option<String>,
}

impl Search<'_> {
    /// Leaves out halves of a part, then quarters, and so on.
    fn leave_out(&mut self, part: fn(&mut Kept) -> &mut BTreeSet<usize>) {
        let mut size = part(&mut self.plan.kept).len().div_ceil(2);
        while size > 0 {
            let all: Vec<usize> = part(&mut self.plan.kept).iter().copied().collect();
            for chunk in all.chunks(size) {
                if self.runs >= RUNS_MAX {
                    return;
                }
                let mut smaller = self.plan.clone();
                part(&mut smaller.kept).retain(|number| !chunk.contains(number));
                // In two halves, something else would fail.
                if !smaller.is_connected() {
                    continue;
                }
                self.runs += 1;
                if let Some(error) = (self.run)(&smaller).filter(|one| kind_of(one) == self.kind) {
                    (self.plan, self.error) = (smaller, error);
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}

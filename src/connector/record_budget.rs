//! How many records of one kind are made in a second, so that a flood of packets costs no flood of records.

use crate::time::MonoTime;

const SECOND_NS: u64 = 1_000_000_000;

/// Counts within seconds of the batches' clock. A peer's flood changes only two numbers.
#[derive(Debug)]
pub(super) struct RecordBudget {
    per_second: u32,
    second: u64,
    used: u32,
}

impl RecordBudget {
    pub(super) const fn new(per_second: u32) -> Self {
        Self { per_second, second: 0, used: 0 }
    }

    /// Takes one record of this second, if one is left.
    pub(super) fn try_take(&mut self, now: MonoTime) -> bool {
        let second = now.0 / SECOND_NS;
        if second != self.second {
            (self.second, self.used) = (second, 0);
        }
        let is_left = self.used < self.per_second;
        self.used += u32::from(is_left);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_records_and_no_more() {
        let mut budget = RecordBudget::new(3);
        let mut take = |ms: u64, times: usize| {
            (0..times).filter(|_| budget.try_take(MonoTime(ms * 1_000_000))).count()
        };
        assert_eq!(take(0, 5), 3);
        assert_eq!(take(999, 5), 0);
        assert_eq!(take(1_000, 2), 2);
        assert_eq!(take(1_999, 2), 1);
        assert_eq!(take(9_000, 9), 3);
    }
}

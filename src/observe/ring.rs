//! The newest items of a kind, with rising numbers.

use std::collections::VecDeque;
use std::sync::Arc;

/// A bounded list: one more drops the oldest.
#[derive(Debug)]
pub struct Ring<T> {
    items: VecDeque<(u64, Arc<T>)>,
    capacity: usize,
    dropped: u64,
    /// The number of the newest dropped item; 0: none.
    dropped_last: u64,
}

/// Items after a number.
#[derive(Debug)]
pub struct Resumed<T> {
    /// The oldest first.
    pub items: Vec<(u64, Arc<T>)>,
    /// How many of those after the number are no longer kept, at most.
    pub lost: u64,
    /// The number of the newest that is no longer kept, if one is missing.
    pub lost_last: Option<u64>,
}

impl<T> Ring<T> {
    /// An empty ring for `capacity` items.
    pub fn new(capacity: usize) -> Self {
        Self { items: VecDeque::new(), capacity: capacity.max(1), dropped: 0, dropped_last: 0 }
    }

    /// Adds an item, whose number is above those of all others.
    pub fn push(&mut self, number: u64, item: Arc<T>) {
        if self.items.len() >= self.capacity
            && let Some((oldest, _)) = self.items.pop_front()
        {
            self.dropped += 1;
            self.dropped_last = oldest;
        }
        self.items.push_back((number, item));
    }

    /// How many items have been dropped for others.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The items with a number above `number`.
    pub fn after(&self, number: u64) -> Resumed<T> {
        let first = self.items.partition_point(|(known, _)| *known <= number);
        let is_whole = self.dropped_last <= number;
        Resumed {
            items: self.items.iter().skip(first).cloned().collect(),
            // Numbers are shared with other rings, so that some between belong to them.
            lost: if is_whole { 0 } else { self.dropped.min(self.dropped_last - number) },
            lost_last: (!is_whole).then_some(self.dropped_last),
        }
    }

    /// All items, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &(u64, Arc<T>)> {
        self.items.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resume_neither_repeats_nor_skips() {
        for capacity in [1, 3, 10] {
            let mut ring = Ring::new(capacity);
            // Every third number belongs to another ring.
            let numbers: Vec<u64> = (1..=30).filter(|number| number % 3 != 0).collect();
            for (index, number) in numbers.iter().enumerate() {
                ring.push(*number, Arc::new(*number));
                for after in 0..=*number {
                    let resumed = ring.after(after);
                    let expected: Vec<u64> =
                        numbers[..=index].iter().copied().filter(|n| *n > after).collect();
                    let found: Vec<u64> = resumed.items.iter().map(|(n, _)| *n).collect();
                    assert!(expected.ends_with(&found), "{after}: {found:?}");
                    let lost = (expected.len() - found.len()) as u64;
                    assert!(resumed.lost >= lost, "{after}: {resumed:?}");
                    assert_eq!(resumed.lost == 0, lost == 0, "{after}: {resumed:?}");
                    let last = expected.iter().rev().nth(found.len());
                    assert_eq!(resumed.lost_last.as_ref(), last);
                }
            }
            assert_eq!(ring.iter().count() as u64 + ring.dropped(), numbers.len() as u64);
        }
    }
}

//! Counts the inputs and their results.

use std::collections::BTreeMap;
use std::fmt;

use super::classes::{CLASSES, Theirs};
use super::generate::Input;
use super::{Codec, Verdict};

#[derive(Default)]
struct Counts {
    both_accept: u64,
    both_refuse: u64,
    listed: u64,
}

#[derive(Default)]
pub(super) struct Tally {
    codecs: BTreeMap<Codec, Counts>,
    /// Inputs of each class; one input may be of several.
    classes: BTreeMap<&'static str, u64>,
    inputs: u64,
}

impl Tally {
    pub(super) fn add(&mut self, input: &Input, verdict: &Verdict) {
        self.inputs += 1;
        let counts = self.codecs.entry(input.codec).or_default();
        match verdict {
            Verdict::BothAccept => counts.both_accept += 1,
            Verdict::BothRefuse => counts.both_refuse += 1,
            Verdict::Listed(classes) => {
                counts.listed += 1;
                for class in classes {
                    *self.classes.entry(class).or_default() += 1;
                }
            }
        }
    }

    pub(super) const fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Without an input of a class, either the class is wrong or the inputs are.
    pub(super) fn every_class_was_met(&self) {
        let unmet: Vec<_> = javascript().filter(|id| !self.classes.contains_key(id)).collect();
        assert!(unmet.is_empty(), "no input had these classes: {unmet:?}");
    }
}

fn javascript() -> impl Iterator<Item = &'static str> {
    CLASSES.iter().filter(|class| class.theirs == Theirs::JavaScript).map(|class| class.id)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} inputs; codec: both accept, both refuse, listed difference", self.inputs)?;
        for (codec, Counts { both_accept, both_refuse, listed }) in &self.codecs {
            writeln!(f, "  {codec:?}: {both_accept}, {both_refuse}, {listed}")?;
        }
        writeln!(f, "inputs of each class:")?;
        for id in javascript() {
            let count = self.classes.get(id).copied().unwrap_or_default();
            writeln!(f, "  {id}: {count}")?;
        }
        Ok(())
    }
}

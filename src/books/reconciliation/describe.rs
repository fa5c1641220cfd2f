//! The result of a comparison in words.

use super::state::{BooksVerdict, ReconcileState};

impl ReconcileState {
    /// What is found, for people. Amounts are in units of the account.
    pub fn describe(&self) -> String {
        match self.verdict {
            BooksVerdict::Unknown => "not compared yet".to_owned(),
            BooksVerdict::Unsupported => "the peer does not compare books".to_owned(),
            BooksVerdict::Begins => {
                "the comparison begins when nothing is in flight or uncertain".to_owned()
            }
            BooksVerdict::Agrees => "the books agree".to_owned(),
            BooksVerdict::Recovering => {
                "this node finds out what it lost at its unclean end".to_owned()
            }
            BooksVerdict::OtherAsset => "the peer counts in another asset or scale".to_owned(),
            BooksVerdict::Differs | BooksVerdict::Overdue => self.describe_difference(),
        }
    }

    fn describe_difference(&self) -> String {
        let say = |amount: i128, above: &str, below: &str| {
            let text = if amount > 0 { above } else { below };
            (amount != 0).then(|| text.replace('#', &amount.unsigned_abs().to_string()))
        };
        let difference = &self.difference;
        let found = [
            say(
                difference.asked,
                "the peer claims # more than this node accepts for its packets",
                "the peer claims # less than this node owes for its packets",
            ),
            say(
                difference.answered,
                "this node claims # more than the peer accepts for its packets",
                "the peer admits # more for its packets than this node claims",
            ),
            say(
                difference.paid,
                "# that this node paid has not been credited by the peer",
                "the peer was credited for # more than this node paid",
            ),
            say(
                difference.received,
                "# that the peer paid has not been credited here",
                "this node was credited for # more than the peer paid",
            ),
            say(
                difference.adjusted,
                "changes by operators leave # that both ends claim",
                "changes by operators leave # that no end claims",
            ),
        ];
        let found: Vec<_> = found.into_iter().flatten().collect();
        let causes: Vec<_> = self.causes.iter().map(ToString::to_string).collect();
        match causes.is_empty() {
            true => found.join("; "),
            false => format!("{} ({})", found.join("; "), causes.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge::DifferenceCause;
    use super::*;
    use crate::books::Parts;

    #[test]
    fn each_difference_has_its_direction_and_likely_cause() {
        let mut state = ReconcileState {
            verdict: BooksVerdict::Differs,
            difference: Parts { asked: 120, received: -5, ..Parts::default() },
            causes: vec![DifferenceCause::AnswersLost],
            ..ReconcileState::default()
        };
        assert_eq!(
            state.describe(),
            "the peer claims 120 more than this node accepts for its packets; this node was credited for 5 more than \
             the peer paid (answers of the peer were lost or came too late)"
        );
        state.verdict = BooksVerdict::Agrees;
        assert_eq!(state.describe(), "the books agree");
    }
}

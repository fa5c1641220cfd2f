//! The result of a comparison in words.

use super::state::{BooksVerdict, NotCredited, ReconcileState};
use crate::account::Asset;

/// Packets, and changes by operators. `#`: the change that makes the books equal, whichever end makes it.
const CORRECT_ONE: &str = "agree with the operator of the peer which number is right, and correct the other one, only there, \
                           with `ledger adjust PEER #`";
/// The same, if the parts add up to nothing.
const CANCELLED: &str = "in all they cancel each other out, so no balance has to change";
/// Settlements that are missing.
const FIND: &str = "it is lost, stuck, or less than the settlement engines can pay; compare `settlement list` of both \
                    ends, look at the engines, and record by hand what was paid by hand";
/// Settlements that were credited and not paid.
const COMPARE: &str = "it was recorded at one end only, or credited twice; compare `settlement list` of both ends, \
                       record what is missing, and undo what is wrong by its opposite";
const UNDO: &str = "make the opposite change at the other end, or undo the one that was made";

impl ReconcileState {
    /// What is found, for people, and what to do. `asset` is that of the account.
    pub fn describe(&self, asset: &Asset) -> String {
        match self.verdict {
            BooksVerdict::Unknown => "not compared yet".to_owned(),
            BooksVerdict::Unsupported => "the peer does not compare books".to_owned(),
            BooksVerdict::Begins => {
                "the comparison begins when nothing is in flight or uncertain".to_owned()
            }
            BooksVerdict::Agrees => match self.describe_not_credited(asset) {
                Some(text) => format!("the books agree, but for {text}"),
                None => "the books agree".to_owned(),
            },
            BooksVerdict::Recovering => {
                "this node finds out what it lost at its unclean end".to_owned()
            }
            BooksVerdict::OtherAsset => "the peer counts in another asset or scale".to_owned(),
            BooksVerdict::Differs | BooksVerdict::Overdue => {
                let found = self.describe_difference(asset);
                match self.describe_not_credited(asset) {
                    Some(text) => format!("{found}. Besides, there are {text}"),
                    None => found,
                }
            }
        }
    }

    /// Settlements that are on their way, or are less than the engines pay.
    fn describe_not_credited(&self, asset: &Asset) -> Option<String> {
        let NotCredited { paid, received } = self.pending;
        let dust = self.dust.paid.saturating_add(self.dust.received);
        let say = |units: i128, what: &str| {
            (units != 0).then(|| format!("{} {what}", amount(units, asset)))
        };
        let parts = [
            say(paid, "that this node paid and the peer has not credited yet"),
            say(received, "that the peer paid and this node has not credited yet"),
            say(
                dust,
                "that the settlement engines keep for the next settlement, because they cannot pay less",
            ),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", and "))
    }

    fn describe_difference(&self, asset: &Asset) -> String {
        let say = |units: i128, (above, below): (&str, &str), advice: (&str, &str)| {
            let (text, advice) = if units > 0 { (above, advice.0) } else { (below, advice.1) };
            (units != 0).then(|| (text.replace('#', &amount(units, asset)), advice.to_owned()))
        };
        let difference = &self.difference;
        let causes: Vec<_> = self.causes.iter().map(ToString::to_string).collect();
        // What operators have changed to correct packets counts with them: only the sum is left to correct.
        let parts = [difference.asked, difference.answered, difference.adjusted];
        let total = parts.into_iter().fold(0, i128::saturating_add);
        let correct_one = match total.saturating_neg() {
            0 => CANCELLED.to_owned(),
            change => CORRECT_ONE.replace('#', &change.to_string()),
        };
        let of_packets = match causes.is_empty() {
            true => correct_one,
            false => format!("{}; {correct_one}", causes.join("; ")),
        };
        let of_packets = (&*of_packets, &*of_packets);
        let of_operators = match (difference.asked, difference.answered) {
            (0, 0) => (UNDO, UNDO),
            _ => of_packets,
        };
        let found = [
            say(
                difference.asked,
                (
                    "the peer claims # more than this node accepts for its packets",
                    "the peer claims # less than this node owes for its packets",
                ),
                of_packets,
            ),
            say(
                difference.answered,
                (
                    "this node claims # more than the peer accepts for its packets",
                    "the peer admits # more for its packets than this node claims",
                ),
                of_packets,
            ),
            say(
                difference.paid,
                (
                    "# that this node paid has not been credited by the peer",
                    "the peer was credited for # more than this node paid",
                ),
                (FIND, COMPARE),
            ),
            say(
                difference.received,
                (
                    "# that the peer paid has not been credited here",
                    "this node was credited for # more than the peer paid",
                ),
                (FIND, COMPARE),
            ),
            say(
                difference.adjusted,
                (
                    "changes by operators leave # that both ends claim",
                    "changes by operators leave # that no end claims",
                ),
                of_operators,
            ),
        ];
        let mut texts: Vec<String> = Vec::new();
        let mut advices: Vec<String> = Vec::new();
        for (text, advice) in found.into_iter().flatten() {
            texts.push(text);
            if !advices.contains(&advice) {
                advices.push(advice);
            }
        }
        let sum = match parts.iter().filter(|part| **part != 0).count() {
            0 | 1 => String::new(),
            _ => format!("{} in all: ", amount(total, asset)),
        };
        format!("{sum}{} ({})", texts.join("; "), advices.join(". Of the others: "))
    }
}

/// An amount as people read it, and in the units that commands take: `0.00000012 USD (120 units)`.
fn amount(units: i128, asset: &Asset) -> String {
    let (units, scale) = (units.unsigned_abs(), usize::from(asset.scale));
    let digits = format!("{units:0>width$}", width = scale.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let code = &asset.code;
    match scale {
        0 => format!("{units} {code}"),
        _ => format!("{whole}{point}{fraction} {code} ({units} units)"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge::DifferenceCause;
    use super::*;
    use crate::books::Parts;

    #[test]
    fn each_difference_has_its_direction_its_likely_cause_and_a_next_step() {
        let (usd, yen) = (Asset::default(), Asset::new("JPY", 0));
        let mut state = ReconcileState {
            verdict: BooksVerdict::Differs,
            difference: Parts { asked: 120, ..Parts::default() },
            causes: vec![DifferenceCause::AnswersLost],
            ..ReconcileState::default()
        };
        assert_eq!(
            state.describe(&usd),
            "the peer claims 0.00000012 USD (120 units) more than this node accepts for its packets (answers of the \
             peer were lost or came too late; agree with the operator of the peer which number is right, and correct \
             the other one, only there, with `ledger adjust PEER -120`)"
        );
        // An operator has corrected most of it.
        state.causes = vec![DifferenceCause::OwnPacketsForgotten];
        state.difference =
            Parts { asked: 1_000_153_480, adjusted: -1_000_149_260, ..Parts::default() };
        assert_eq!(
            state.describe(&usd),
            "0.00000422 USD (4220 units) in all: the peer claims 1.00015348 USD (1000153480 units) more than this node \
             accepts for its packets; changes by operators leave 1.00014926 USD (1000149260 units) that no end claims (the \
             books of this node lack packets that the peer fulfilled: this node ended without a clean stop, or a backup \
             was restored here; agree with the operator of the peer which number is right, and correct the other one, only \
             there, with `ledger adjust PEER -4220`)"
        );
        state.difference = Parts { asked: 5, answered: -5, ..Parts::default() };
        assert!(
            state.describe(&yen).contains("no balance has to change"),
            "{}",
            state.describe(&yen)
        );
        state.difference = Parts { adjusted: -5, ..Parts::default() };
        assert!(state.describe(&yen).ends_with("or undo the one that was made)"));
        state.causes.clear();
        state.difference = Parts { received: -5, ..Parts::default() };
        assert_eq!(
            state.describe(&yen),
            "this node was credited for 5 JPY more than the peer paid (it was recorded at one end only, or credited \
             twice; compare `settlement list` of both ends, record what is missing, and undo what is wrong by its \
             opposite)"
        );
        state.difference = Parts { paid: 7, received: 8, ..Parts::default() };
        let text = state.describe(&yen);
        assert_eq!(text.matches("compare `settlement list`").count(), 1, "{text}");
        assert!(text.contains("7 JPY that this node paid") && text.contains("8 JPY that the peer"));
    }

    #[test]
    fn books_that_agree_name_what_is_not_credited_yet() {
        let mut state =
            ReconcileState { verdict: BooksVerdict::Agrees, ..ReconcileState::default() };
        assert_eq!(state.describe(&Asset::default()), "the books agree");
        state.pending.paid = 18_000_000_000;
        assert_eq!(
            state.describe(&Asset::default()),
            "the books agree, but for 18 USD (18000000000 units) that this node paid and the peer has not credited yet"
        );
        (state.pending.paid, state.dust.received) = (0, 500);
        assert_eq!(
            state.describe(&Asset::default()),
            "the books agree, but for 0.0000005 USD (500 units) that the settlement engines keep for the next \
             settlement, because they cannot pay less"
        );
    }
}

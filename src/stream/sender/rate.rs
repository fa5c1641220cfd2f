//! The rate of a path: an exact ratio of units that arrive to units sent.

#![deny(clippy::arithmetic_side_effects)]

use std::str::FromStr;

use crate::wire::amount::lowest_terms;

/// Most digits of a rate on each side of the point.
const DIGITS_MAX: usize = 18;
/// Most bits of the denominator, so that it can be multiplied by an amount.
const DENOMINATOR_BITS: u32 = 64;
/// Parts of a [`Slippage`].
const MILLION: u128 = 1_000_000;

/// Units that arrive for one unit sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathRate {
    numerator: u128,
    denominator: u128,
}

/// The text is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a rate is a decimal number from 0, such as 0.92, with at most {DIGITS_MAX} digits on each side of the point"
)]
pub struct PathRateError;

/// How much worse a rate may become, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slippage(u32);

impl Slippage {
    /// 1 %, as in other senders.
    pub const USUAL: Self = Self(10_000);

    /// A slippage of at most a million millionths.
    pub fn of_millionths(millionths: u32) -> Self {
        Self(millionths.min(1_000_000))
    }
}

impl PathRate {
    /// The rate of a packet that arrived; `None` if nothing was sent.
    pub fn measured(arrived: u64, sent: u64) -> Option<Self> {
        (sent > 0).then(|| Self::ratio(arrived.into(), sent.into()))
    }

    /// This rate less the slippage.
    pub fn minus(self, slippage: Slippage) -> Self {
        let share = MILLION.saturating_sub(slippage.0.into());
        let (share, million) = lowest_terms(share, MILLION);
        let (numerator, million) = lowest_terms(self.numerator, million);
        let (share, denominator) = lowest_terms(share, self.denominator);
        Self::ratio(numerator.saturating_mul(share), denominator.saturating_mul(million))
    }

    /// The amount that arrives, rounded down, at most the largest amount.
    pub fn apply_to(self, amount: u64) -> u64 {
        let whole = self.numerator.checked_div(self.denominator).unwrap_or(0);
        let fraction = self.numerator.checked_rem(self.denominator).unwrap_or(0);
        let part = fraction.saturating_mul(amount.into()).checked_div(self.denominator);
        let whole = whole.saturating_mul(amount.into());
        u64::try_from(whole.saturating_add(part.unwrap_or(0))).unwrap_or(u64::MAX)
    }

    /// For display.
    #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
    pub fn as_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// The ratio in lowest terms, rounded down to a denominator that can be multiplied by an amount.
    fn ratio(numerator: u128, denominator: u128) -> Self {
        let (numerator, denominator) = lowest_terms(numerator, denominator.max(1));
        let bits = 128u32.saturating_sub(denominator.leading_zeros());
        let surplus = bits.saturating_sub(DENOMINATOR_BITS);
        let whole = numerator.checked_div(denominator).unwrap_or(0);
        let fraction = numerator.checked_rem(denominator).unwrap_or(0);
        // The denominator is rounded up, so that the rate only becomes lower.
        let denominator = match surplus {
            0 => denominator,
            surplus => denominator.wrapping_shr(surplus).saturating_add(1),
        };
        let fraction = fraction.wrapping_shr(surplus);
        let numerator = whole.saturating_mul(denominator).saturating_add(fraction);
        Self { numerator, denominator }
    }
}

impl FromStr for PathRate {
    type Err = PathRateError;

    fn from_str(text: &str) -> Result<Self, PathRateError> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| {
            (1..=DIGITS_MAX).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole) || !digits(part) {
            return Err(PathRateError);
        }
        let numerator: u128 = format!("{whole}{part}").parse().map_err(|_| PathRateError)?;
        let places = u32::try_from(part.len()).map_err(|_| PathRateError)?;
        Ok(Self::ratio(numerator, 10u128.checked_pow(places).ok_or(PathRateError)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_and_rounded_down() {
        fn check(rate: PathRate, amount: u64, arrives: u64) {
            assert_eq!(rate.apply_to(amount), arrives, "{rate:?} of {amount}");
        }
        let measured = |arrived, sent| PathRate::measured(arrived, sent).unwrap();
        assert_eq!(PathRate::measured(1, 0), None);
        check(measured(7, 7), u64::MAX, u64::MAX);
        check(measured(1, 1000), 999, 0);
        check(measured(1, 1000), 1000, 1);
        check(measured(u64::MAX, u64::MAX - 1), u64::MAX - 1, u64::MAX);
        check(measured(u64::MAX, 1), 2, u64::MAX);
        check(measured(3, 1000).minus(Slippage::of_millionths(0)), 1_000_000, 3_000);
        check(measured(1, 1).minus(Slippage::USUAL), 1_000_000, 990_000);
        check(measured(1, 1).minus(Slippage::USUAL), 10, 9);
        check(measured(1, 1).minus(Slippage::of_millionths(u32::MAX)), u64::MAX, 0);
        check(PathRate { numerator: 0, denominator: 1 }, u64::MAX, 0);
        // The largest numbers, with a denominator that is rounded: never above the exact result.
        let long = measured(u64::MAX - 58, u64::MAX).minus(Slippage::USUAL);
        let truth = u128::from(u64::MAX - 58) * 99 / 100;
        let is = u128::from(long.apply_to(u64::MAX));
        assert!(is <= truth && truth - is < 100, "{is} {truth}");
    }

    #[test]
    fn texts_are_parsed() {
        fn check(text: &str, amount: u64, arrives: Option<u64>) {
            assert_eq!(
                text.parse().ok().map(|rate: PathRate| rate.apply_to(amount)),
                arrives,
                "{text}"
            );
        }
        check("1", 7, Some(7));
        check("0.001", 1999, Some(1));
        check("1000.5", 2, Some(2001));
        check("0", 9, Some(0));
        for wrong in ["", ".", "1.", ".5", "-1", "1e3", "1.2.3", "1234567890123456789"] {
            check(wrong, 1, None);
        }
    }
}

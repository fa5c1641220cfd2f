//! The amount of one packet. F08 reports the maximum; T04 only says that the amount was too large at this time.

use crate::wire::ilp::AmountTooLarge;

/// Consecutive F08 after which their figures are no longer trusted, and the amount is halved.
const PRECISE_MAX: u32 = 8;
/// Arrivals after which an amount that T04 reduced may grow again.
const GROW_AFTER: u32 = 32;

/// The amount of the next packet.
#[derive(Debug)]
pub(super) struct PacketSize {
    /// The largest amount that passes.
    ceiling: u64,
    /// The amount to send, at most the ceiling.
    current: u64,
    too_large_in_a_row: u32,
    arrived_in_a_row: u32,
}

impl PacketSize {
    pub(super) fn new(ceiling: u64) -> Self {
        Self { ceiling, current: ceiling, too_large_in_a_row: 0, arrived_in_a_row: 0 }
    }

    /// The amount of the next packet; 0 if nothing passes.
    pub(super) fn current(&self) -> u64 {
        self.current
    }

    /// Applies F08 to a packet of this amount. The ceiling falls each time, and reaches 0 after a bounded number.
    pub(super) fn record_too_large(&mut self, sent: u64, figures: Option<AmountTooLarge>) {
        // Packets of the former amount, in flight at the same time, do not count.
        self.too_large_in_a_row += u32::from(sent <= self.current);
        let half = sent / 2;
        let fits = figures.and_then(|figures| {
            let product = u128::from(sent) * u128::from(figures.maximum.0);
            u64::try_from(product.checked_div(figures.received.0.into())?).ok()
        });
        let fits = match fits {
            Some(fits) if self.too_large_in_a_row <= PRECISE_MAX => {
                fits.min(sent.saturating_sub(1))
            }
            Some(fits) => fits.min(half),
            None => half,
        };
        self.ceiling = self.ceiling.min(fits);
        self.current = self.current.min(self.ceiling);
    }

    /// Applies T04 to a packet that was alone: halves the amount, down to one unit, which is tried until the arrival
    /// timeout.
    pub(super) fn record_illiquid(&mut self, sent: u64) {
        self.arrived_in_a_row = 0;
        self.current = self.current.min((sent / 2).max(1));
    }

    /// Records that a packet arrived.
    pub(super) fn record_arrival(&mut self) {
        self.too_large_in_a_row = 0;
        self.arrived_in_a_row += 1;
        if self.arrived_in_a_row == GROW_AFTER {
            self.arrived_in_a_row = 0;
            self.current = self.current.saturating_mul(2).min(self.ceiling);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Amount;

    fn figures(received: u64, maximum: u64) -> Option<AmountTooLarge> {
        Some(AmountTooLarge { received: Amount(received), maximum: Amount(maximum) })
    }

    #[test]
    fn f08_figures_decide_the_size() {
        let check = |sent, figures, expected| {
            let mut size = PacketSize::new(sent);
            size.record_too_large(sent, figures);
            assert_eq!(size.current(), expected, "{sent} {figures:?}");
        };
        check(1_000_000, figures(1_000_000, 5_000), 5_000);
        // The hop counts in thousands.
        check(1_000_000, figures(1_000, 5), 5_000);
        check(u64::MAX, figures(u64::MAX, 7), 7);
        check(1_000_000, None, 500_000);
        // Figures without sense lower the amount too.
        check(1_000_000, figures(10, 10), 999_999);
        check(1_000_000, figures(10, 1_000), 999_999);
        check(1_000_000, figures(0, 1_000), 500_000);
        check(1_000_000, figures(10, 0), 0);
    }

    #[test]
    fn false_figures_soon_end_at_zero() {
        let mut size = PacketSize::new(u64::MAX);
        let mut rounds = 0;
        while size.current() > 0 {
            rounds += 1;
            size.record_too_large(size.current(), figures(u64::MAX, u64::MAX - 1));
        }
        assert!(rounds <= 73, "{rounds}");
    }

    #[test]
    fn the_amount_grows_when_liquidity_returns() {
        let mut size = PacketSize::new(1_000);
        size.record_illiquid(1_000);
        size.record_illiquid(500);
        assert_eq!(size.current(), 250);
        (0..31).for_each(|_| size.record_arrival());
        assert_eq!(size.current(), 250);
        size.record_arrival();
        assert_eq!(size.current(), 500);
        (0..64).for_each(|_| size.record_arrival());
        assert_eq!(size.current(), 1_000);
        (0..20).for_each(|_| size.record_illiquid(1));
        assert_eq!(size.current(), 1);
    }
}

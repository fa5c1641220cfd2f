//! Random numbers.

use rand::distr::{Distribution, StandardUniform};
use ring::error::Unspecified;
use ring::rand::{SecureRandom, SystemRandom};

/// A random value: for delays, and for ids that no two processes should share.
pub fn random<T>() -> T
where
    StandardUniform: Distribution<T>,
{
    #[cfg(feature = "simulation")]
    if let Some(machine) = super::simulated::current() {
        return rand::RngExt::random(&mut machine.generator());
    }
    rand::random()
}

/// Fills a secret with random bytes of the system.
///
/// # Errors
/// The system has none.
pub fn fill_random(bytes: &mut [u8]) -> Result<(), Unspecified> {
    #[cfg(feature = "simulation")]
    if let Some(machine) = super::simulated::current() {
        rand::Rng::fill_bytes(&mut machine.generator(), bytes);
        return Ok(());
    }
    SystemRandom::new().fill(bytes)
}

//! The waiting time of a retry.

/// The backoff of a rule, in the four words of Step Functions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Seconds before the first retry.
    pub interval_seconds: u32,
    /// The factor by which each further wait grows.
    pub backoff_rate: f64,
    /// Maximum seconds of one wait, up to 14 days.
    pub max_delay_seconds: u32,
    /// Whether the wait is drawn from `[0, delay]`.
    pub jitter_strategy: JitterStrategy,
}

/// Whether waits are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JitterStrategy {
    /// Uniform in `[0, delay]`.
    #[default]
    Full,
    /// The delay itself.
    None,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            interval_seconds: 30,
            backoff_rate: 2.0,
            max_delay_seconds: 900,
            jitter_strategy: JitterStrategy::Full,
        }
    }
}

impl Backoff {
    /// Returns the wait before the `n`-th use of a rule, counted from 1, in whole seconds rounded down.
    ///
    /// The delay is `min(interval_seconds * backoff_rate^(n-1), max_delay_seconds)`. FULL jitter scales it by `draw`.
    /// `draw` is uniform over all its values, and the same for the same failure.
    #[must_use]
    pub fn delay_seconds(&self, n: u32, draw: u64) -> u32 {
        let max = f64::from(self.max_delay_seconds);
        let mut delay = f64::from(self.interval_seconds).min(max);
        for _ in 1..n {
            let longer = (delay * self.backoff_rate).min(max);
            // The delay is constant at the cap, at a rate of 1 and at zero, so further uses change nothing.
            if longer <= delay {
                break;
            }
            delay = longer;
        }
        if self.jitter_strategy == JitterStrategy::Full {
            // A float holds 53 bits exactly: a fraction in [0, 1].
            #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
            let fraction = (draw >> 11) as f64 / ((1_u64 << 53) - 1) as f64;
            delay *= fraction;
        } else {
            // A float makes 100 * 1.15 = 114.99999999999999, and a person expects 115.
            delay += 1e-6;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 14 days"
        )]
        let whole = delay as u32;
        whole
    }
}

//! How long a retry waits.

/// Step Functions' own four words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Seconds before the first retry.
    pub interval_seconds: u32,
    /// By how much each further wait grows.
    pub backoff_rate: f64,
    /// Seconds that no wait exceeds, up to 14 days.
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
    /// The wait before a rule's `n`-th use, counted from 1, in whole seconds rounded down:
    /// `min(interval_seconds * backoff_rate^(n-1), max_delay_seconds)`, or under FULL jitter the part of it
    /// that `draw` gives, `draw` being uniform over all its values and the same for the same failure.
    #[must_use]
    pub fn delay_seconds(&self, n: u32, draw: u64) -> u32 {
        let max = f64::from(self.max_delay_seconds);
        let mut delay = f64::from(self.interval_seconds).min(max);
        for _ in 1..n {
            let longer = (delay * self.backoff_rate).min(max);
            // At its cap, at a rate of 1 or at nothing it grows no more, however often the rule was used.
            if longer <= delay {
                break;
            }
            delay = longer;
        }
        if self.jitter_strategy == JitterStrategy::Full {
            // 53 bits are what a float holds exactly: a fraction in [0, 1].
            #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
            let fraction = (draw >> 11) as f64 / ((1_u64 << 53) - 1) as f64;
            delay *= fraction;
        } else {
            // 100 * 1.15 is 114.99999999999999 to a float, and 115 to a person.
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

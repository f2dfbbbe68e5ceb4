//! The retry modes of the AWS CLI: the errors that each retries, its limits and its delays.

use crate::backoff::Backoff;
use crate::condition_key::ConditionKey;
use crate::error_name::{error_codes, last_component};
use crate::failure_view::{ActualValue, FailureView};
use crate::matching::Match;

/// A retry mode of the AWS CLI, as a condition with defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SdkRetryMode {
    /// The oldest mode of the CLI.
    Legacy,
    /// The mode that all SDKs share.
    Standard,
    /// Equal to standard as long as modes have no pacing.
    Adaptive,
}

const LEGACY: [&str; 9] = [
    "ConnectionError",
    "ConnectionClosedError",
    "ReadTimeoutError",
    "EndpointConnectionError",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "ProvisionedThroughputExceededException",
];

const STANDARD: [&str; 18] = [
    "RequestTimeout",
    "RequestTimeoutException",
    "PriorRequestNotComplete",
    "ConnectionError",
    "HTTPClientError",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "EC2ThrottledException",
];

impl SdkRetryMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Legacy, Self::Standard, Self::Adaptive];

    /// Returns the word that a policy uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Standard => "standard",
            Self::Adaptive => "adaptive",
        }
    }

    /// Returns the errors that the mode retries, by the last component of their names.
    #[must_use]
    pub const fn errors(self) -> &'static [&'static str] {
        match self {
            Self::Legacy => &LEGACY,
            Self::Standard | Self::Adaptive => &STANDARD,
        }
    }

    /// Returns the HTTP statuses that the mode retries.
    #[must_use]
    pub const fn statuses(self) -> &'static [u16] {
        match self {
            Self::Legacy => &[429, 500, 502, 503, 504, 509],
            Self::Standard | Self::Adaptive => &[500, 502, 503, 504],
        }
    }

    /// Returns the limit of a rule that writes none.
    #[must_use]
    pub const fn limit(self) -> u32 {
        match self {
            Self::Legacy => 4,
            Self::Standard | Self::Adaptive => 2,
        }
    }

    /// Returns the limit for errors of DynamoDB, where it differs and the rule writes no limit.
    #[must_use]
    pub const fn dynamodb_limit(self) -> Option<u32> {
        match self {
            Self::Legacy => Some(9),
            Self::Standard | Self::Adaptive => None,
        }
    }

    /// Returns the defaults of `backoff` for a rule. All modes share the backoff rate of 2.
    #[must_use]
    pub fn backoff(self) -> Backoff {
        Backoff {
            max_delay_seconds: match self {
                Self::Legacy => Backoff::default().max_delay_seconds,
                // Maximum 600 s: thirty times the 20 s of the CLI, since a redrive costs more than a call.
                Self::Standard | Self::Adaptive => 600,
            },
            ..Backoff::default()
        }
    }

    /// Returns whether the mode retries such a failure. A match of the name, a code or the status suffices.
    pub(crate) fn matches(self, view: &FailureView<'_>) -> Match {
        let retried = |name: &str| self.errors().contains(&name);
        let name = Match::of(view.error(), ConditionKey::Mode, |error| {
            retried(last_component(error))
        });
        let code = Match::of(view.message(), ConditionKey::Mode, |text| {
            error_codes(text).any(retried)
        });
        let status = view.values.get(ConditionKey::HttpStatus);
        let status = Match::of(status, ConditionKey::Mode, |status| {
            let statuses = self.statuses().iter();
            statuses
                .map(|own| ActualValue::Number(i32::from(*own)))
                .any(|own| own == status)
        });
        name.or(code).or(status)
    }
}

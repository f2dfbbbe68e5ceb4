//! The AWS CLI's retry modes: what each retries, how often, and how patiently.

use crate::backoff::Backoff;
use crate::condition_key::ConditionKey;
use crate::error_name::{error_codes, last_component};
use crate::failure_view::FailureView;
use crate::matching::Match;

/// A retry mode of the AWS CLI, as a condition with defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SdkRetryMode {
    /// The CLI's oldest.
    Legacy,
    /// What all SDKs share.
    Standard,
    /// As standard, until there is pacing.
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

    /// As a policy writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Standard => "standard",
            Self::Adaptive => "adaptive",
        }
    }

    /// The errors that it retries, by the last component of their names.
    #[must_use]
    pub const fn errors(self) -> &'static [&'static str] {
        match self {
            Self::Legacy => &LEGACY,
            Self::Standard | Self::Adaptive => &STANDARD,
        }
    }

    /// The HTTP statuses that it retries.
    #[must_use]
    pub const fn statuses(self) -> &'static [u16] {
        match self {
            Self::Legacy => &[429, 500, 502, 503, 504, 509],
            Self::Standard | Self::Adaptive => &[500, 502, 503, 504],
        }
    }

    /// Retries, where a rule says nothing of them.
    #[must_use]
    pub const fn limit(self) -> u32 {
        match self {
            Self::Legacy => 4,
            Self::Standard | Self::Adaptive => 2,
        }
    }

    /// Retries of DynamoDB's errors, where a rule says nothing of retries and they differ.
    #[must_use]
    pub const fn dynamodb_limit(self) -> Option<u32> {
        match self {
            Self::Legacy => Some(9),
            Self::Standard | Self::Adaptive => None,
        }
    }

    /// The words of `backoff` that a rule does not write. The rate of each is 2, as everybody's is.
    #[must_use]
    pub fn backoff(self) -> Backoff {
        Backoff {
            max_delay_seconds: match self {
                Self::Legacy => Backoff::default().max_delay_seconds,
                // The CLI waits 20 s at the most, and a redrive is not a call: thirty times that.
                Self::Standard | Self::Adaptive => 600,
            },
            ..Backoff::default()
        }
    }

    /// Whether it retries such a failure. One of the three that it looks at is enough.
    pub(crate) fn matches(self, view: &FailureView<'_>) -> Match {
        let retried = |name: &str| self.errors().contains(&name);
        let name = Match::of(view.error(), ConditionKey::Mode, |error| {
            retried(last_component(error))
        });
        let code = Match::of(view.message(), ConditionKey::Mode, |text| {
            error_codes(text).any(retried)
        });
        let status = Match::of(view.http_status, ConditionKey::Mode, |status| {
            self.statuses().contains(&status)
        });
        name.or(code).or(status)
    }
}

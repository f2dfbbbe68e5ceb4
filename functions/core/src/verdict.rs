//! The decision about a failure, with its reasons.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use redrive_policy::PolicyVersion;
pub use redrive_policy::{Decision, Reason, StageRetryMode};
use serde::{Deserialize, Serialize};

/// One rule on which a verdict rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The rule's id, as written or derived from its conditions.
    pub rule: String,
    /// The rule's `description`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How often the subject had used the rule before this failure.
    pub used: u32,
    /// Maximum number of retries that the rule allows the subject.
    pub limit: u32,
}

/// A decision with its reasons.
// INVARIANT: the same failure always gets the same verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// The reason, as a code that programs can match.
    pub reason: Reason,
    /// The name of the policy that applies, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The deployed version of the policy that made the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<PolicyVersion>,
    /// The rules on which the verdict rests. For a stage, each rule that a failed action matched is listed once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Charge>,
    /// Seconds to wait before the retry.
    #[serde(default)]
    pub delay_seconds: u32,
    /// The mode in which a stage is retried.
    #[serde(default)]
    pub retry_mode: StageRetryMode,
}

impl Verdict {
    /// Returns a verdict without rules.
    #[must_use]
    pub const fn bare(decision: Decision, reason: Reason) -> Self {
        Self {
            decision,
            reason,
            policy: None,
            policy_version: None,
            rules: Vec::new(),
            delay_seconds: 0,
            retry_mode: StageRetryMode::FailedActions,
        }
    }

    /// Returns a verdict to ignore an event or a failure.
    #[must_use]
    pub const fn ignore(reason: Reason) -> Self {
        Self::bare(Decision::Ignore, reason)
    }

    /// Returns a verdict to give up under `policy`.
    #[must_use]
    pub fn give_up(reason: Reason, policy: &str) -> Self {
        Self {
            policy: Some(policy.to_string()),
            ..Self::bare(Decision::GiveUp, reason)
        }
    }

    /// Returns the rules' ids in one text, for a table or a log line.
    #[must_use]
    pub fn rule(&self) -> Option<String> {
        let ids: Vec<&str> = self
            .rules
            .iter()
            .map(|charge| charge.rule.as_str())
            .collect();
        (!ids.is_empty()).then(|| ids.join(" + "))
    }

    /// Returns the reason as one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let policy = self.policy.as_deref().unwrap_or_default();
        let rules = self.rule().unwrap_or_default();
        let spent = self
            .rules
            .iter()
            .find(|charge| charge.used >= charge.limit)
            .or_else(|| self.rules.first());
        let (used, limit) = spent.map_or((0, 0), |charge| (charge.used, charge.limit));
        let mut text = match self.reason {
            Reason::Matched => {
                let when = match self.delay_seconds {
                    0 => "at once".to_string(),
                    seconds => format!("in {seconds} s"),
                };
                format!(
                    "{rules} of policy {policy} allows retry {} of {limit}, {when}",
                    used.saturating_add(1)
                )
            }
            Reason::LimitSpent => {
                let noun = if limit == 1 { "retry" } else { "retries" };
                format!("{rules} of policy {policy} has spent its {limit} {noun}")
            }
            Reason::Forbidden => {
                format!("{rules} of policy {policy} has limit 0: such a failure is not retried")
            }
            Reason::Unmatched => format!("no rule of policy {policy} matches"),
            Reason::ParentRetries => {
                format!(
                    "a parent execution started it, and policy {policy} leaves the retry to the parent"
                )
            }
            other => other.sentence().to_string(),
        };
        if let Some(words) = spent.and_then(|charge| charge.description.as_deref()) {
            text.push_str(": ");
            text.push_str(words);
        }
        text
    }
}

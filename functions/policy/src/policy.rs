//! A policy: the targets it applies to, and its rules.

use alloc::string::String;
use alloc::vec::Vec;

use crate::backoff::Backoff;
use crate::condition::Conditions;
use crate::error_name;
use crate::failure_view::FailureView;
use crate::glob::Glob;
use crate::problem::At;
use crate::sdk_retry_mode::SdkRetryMode;
use crate::service::Service;
use crate::stage_retry_mode::StageRetryMode;

/// A named set of rules for the targets in its scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The name, unique in its document. The only policy of a document with `retry:` is named `default`.
    pub name: String,
    /// The targets that the policy applies to.
    pub scope: Scope,
    /// The rules for automatic retries. Without rules, nothing is retried automatically.
    pub automatic: Vec<Rule>,
    /// The actions that redrive's own commands allow to people.
    pub manual: Manual,
    /// The judge of a child execution that a parent execution started.
    pub nested: Nested,
    /// The place of the policy in its document.
    pub at: At,
}

/// `retry.manual`: the actions that redrive's own commands allow. The consoles of the services do not read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manual {
    /// Whether people may retry by hand.
    pub allowed: bool,
    /// The explanation shown to people who may not retry.
    pub reason: Option<String>,
    /// Accepted for compatibility with Buildkite, without effect: neither service can retry a target that succeeded.
    pub permit_on_passed: bool,
}

impl Default for Manual {
    fn default() -> Self {
        Self {
            allowed: true,
            reason: None,
            permit_on_passed: false,
        }
    }
}

/// The judge of an execution that names its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nested {
    /// The parent is redriven, and starts the child again.
    #[default]
    Parent,
    /// The policy judges the child itself, since no parent waits for it.
    Own,
}

/// `match`: every written key must match. `state_machine` and `pipeline` are alternatives by service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Names of state machines.
    pub state_machine: Option<Vec<Glob>>,
    /// Names of pipelines.
    pub pipeline: Option<Vec<Glob>>,
    /// Accounts, none of them a glob.
    pub account: Option<Vec<Glob>>,
    /// Regions.
    pub region: Option<Vec<Glob>>,
}

/// The target that `match` is compared with: a state machine or a pipeline, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetName<'a> {
    /// The service that runs the target.
    pub service: Service,
    /// The account in which the target runs.
    pub account: &'a str,
    /// The region in which the target runs.
    pub region: &'a str,
    /// The name of the target.
    pub name: &'a str,
}

impl Scope {
    /// Returns whether the scope covers a target.
    #[must_use]
    pub fn covers<'t>(&self, target: impl Into<TargetName<'t>>) -> bool {
        let TargetName {
            service,
            account,
            region,
            name,
        } = target.into();
        let any = |globs: &Option<Vec<Glob>>, value: &str| {
            globs
                .as_ref()
                .is_none_or(|globs| globs.iter().any(|glob| glob.matches(value)))
        };
        let (own, other) = match service {
            Service::StepFunctions => (&self.state_machine, &self.pipeline),
            Service::CodePipeline => (&self.pipeline, &self.state_machine),
        };
        let target = match (own, other) {
            (Some(_), _) => any(own, name),
            // The scope names only targets of the other service.
            (None, Some(_)) => false,
            (None, None) => true,
        };
        target && any(&self.account, account) && any(&self.region, region)
    }
}

/// A rule: conditions, and the effects of a match.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The id as written, or `rule-` and a hash of the canonical conditions. Limit, backoff and position are not part
    /// of the hash: an edit of those keeps the counts of the rule.
    pub id: String,
    /// The conditions under which the rule matches.
    pub conditions: Conditions,
    /// Whether the document names the id. A generated id follows from the conditions.
    pub named: bool,
    /// Maximum retries on one subject, 0 to 10. 0 forbids a retry.
    pub limit: u32,
    /// The limit for errors of DynamoDB, where the mode sets another. Only `legacy` does, with neither `limit` nor
    /// `max_attempts` written.
    pub dynamodb_limit: Option<u32>,
    /// The mode that supplies the defaults of the rule.
    pub mode: Option<SdkRetryMode>,
    /// The waiting time before each retry.
    pub backoff: Backoff,
    /// The part of a stage that a retry runs again.
    pub retry_mode: StageRetryMode,
    /// A description for people.
    pub description: Option<String>,
    /// The place of the rule in its document.
    pub at: At,
}

impl Rule {
    /// Returns the maximum retries on a subject with this failure.
    #[must_use]
    pub fn limit_for(&self, view: &FailureView<'_>) -> u32 {
        match self.dynamodb_limit {
            Some(limit) if error_name::is_dynamodbs(view.error()) => limit,
            _ => self.limit,
        }
    }
}

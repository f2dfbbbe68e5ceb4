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

/// One policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Unique in its document; `default` for the only one of a document with `retry:`.
    pub name: String,
    /// The targets it applies to.
    pub scope: Scope,
    /// The rules for automatic retries. None: nothing is automatic.
    pub automatic: Vec<Rule>,
    /// What people may do with redrive's own commands.
    pub manual: Manual,
    /// Who judges a child that a parent execution started.
    pub nested: Nested,
    /// Where it stands.
    pub at: At,
}

/// `retry.manual`: what redrive's own commands let people do. The services' consoles do not ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manual {
    /// Whether they may retry by hand.
    pub allowed: bool,
    /// Words for those who may not.
    pub reason: Option<String>,
    /// Legal as in Buildkite, and idle: neither service can retry what passed.
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

/// Who judges an execution that names its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nested {
    /// The parent is redriven and starts the child anew.
    #[default]
    Parent,
    /// The child is judged itself: nobody waits for it.
    Own,
}

/// `match`: all that is written must match; `state_machine` and `pipeline` are alternatives by service.
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

/// What `match` is compared with: a state machine or a pipeline, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetName<'a> {
    /// The service that runs it.
    pub service: Service,
    /// The account in which it runs.
    pub account: &'a str,
    /// The region in which it runs.
    pub region: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl Scope {
    /// Whether a target is covered.
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
            // Only the other service's targets are named.
            (None, Some(_)) => false,
            (None, None) => true,
        };
        target && any(&self.account, account) && any(&self.region, region)
    }
}

/// Conditions, and what to do when they match.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The id as written, or `rule-` and a hash of the canonical conditions. Not of limit, backoff or
    /// position: to reorder rules or to change a limit keeps the counts.
    pub id: String,
    /// When it matches.
    pub conditions: Conditions,
    /// The id was written, and does not follow from the conditions.
    pub named: bool,
    /// Retries it may spend on one subject, 0 to 10; 0 forbids.
    pub limit: u32,
    /// The same for DynamoDB's errors where a mode knows better: `legacy`, with neither `limit` nor
    /// `max_attempts` written.
    pub dynamodb_limit: Option<u32>,
    /// The mode that its defaults come from.
    pub mode: Option<SdkRetryMode>,
    /// How long to wait.
    pub backoff: Backoff,
    /// How a stage is retried.
    pub retry_mode: StageRetryMode,
    /// Words for people.
    pub description: Option<String>,
    /// Where it stands.
    pub at: At,
}

impl Rule {
    /// Retries that it may spend on a subject with this failure.
    #[must_use]
    pub fn limit_for(&self, view: &FailureView<'_>) -> u32 {
        match self.dynamodb_limit {
            Some(limit) if error_name::is_dynamodbs(view.error()) => limit,
            _ => self.limit,
        }
    }
}

//! A policy document, and the choice of the policy for a target.

use alloc::vec::Vec;

use crate::case::Test;
use crate::condition::Conditions;
use crate::index::Index;
use crate::policy::{Policy, TargetName};
use crate::policy_version::PolicyVersion;
use crate::service::Service;

/// A whole policy document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Conditions under which nothing is ever retried. They precede every policy.
    pub never: Vec<Conditions>,
    /// The policies, in the order of the document.
    pub policies: Vec<Policy>,
    /// Maximum automatic retries of one execution or one stage, over all rules.
    pub per_execution: u32,
    /// Failures with their expected decisions.
    pub tests: Vec<Test>,
    /// The deployment of the document; none outside a deployed stack. Verdicts carry it.
    pub deployed: Option<PolicyVersion>,
    pub(crate) index: Index,
}

impl Document {
    /// Returns the document as one deployment has it.
    #[must_use]
    pub fn with_version(self, version: PolicyVersion) -> Self {
        Self {
            deployed: Some(version),
            ..self
        }
    }

    /// Rebuilds the index after [`policies`](Self::policies) changed.
    pub fn index_again(&mut self) {
        self.index = Index::new(&self.policies);
    }

    /// Returns the one policy that applies to a target: the first whose `match` matches.
    #[must_use]
    pub fn policy_for<'t>(&self, target: impl Into<TargetName<'t>>) -> Option<&Policy> {
        let at = self.policy_index(target)?;
        self.policies.get(at)
    }

    /// Returns the position of that policy in [`policies`](Self::policies). The cost does not grow with the number of
    /// policies whose `match` names other targets.
    #[must_use]
    pub fn policy_index<'t>(&self, target: impl Into<TargetName<'t>>) -> Option<usize> {
        let target = target.into();
        self.index
            .first(target.service, target.account, target.name, |at| {
                let policy = self.policies.get(at);
                policy.is_some_and(|policy| policy.scope.covers(target))
            })
    }

    /// Returns whether some policy applies to a target, given by its name.
    #[must_use]
    pub fn manages(&self, service: Service, account: &str, region: &str, name: &str) -> bool {
        self.policy_index(TargetName {
            service,
            account,
            region,
            name,
        })
        .is_some()
    }
}

//! A policy document, and which of its policies applies to a target.

use alloc::vec::Vec;

use crate::case::Test;
use crate::condition::Conditions;
use crate::index::Index;
use crate::policy::{Policy, TargetName};
use crate::service::Service;

/// A whole document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Conditions under which nothing is ever retried, read before every policy.
    pub never: Vec<Conditions>,
    /// The policies, in the order of the document.
    pub policies: Vec<Policy>,
    /// Most automatic retries of one execution or one stage, over all rules.
    pub per_execution: u32,
    /// Failures with the decision expected of them.
    pub tests: Vec<Test>,
    pub(crate) index: Index,
}

impl Document {
    /// Builds the index of [`policies`](Self::policies) anew, after they were changed.
    pub fn index_again(&mut self) {
        self.index = Index::new(&self.policies);
    }

    /// The one policy that applies to a target: the first whose `match` matches.
    #[must_use]
    pub fn policy_for<'t>(&self, target: impl Into<TargetName<'t>>) -> Option<&Policy> {
        let at = self.policy_index(target)?;
        self.policies.get(at)
    }

    /// Where in [`policies`](Self::policies) that one stands. What it costs does not grow with the number of
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

    /// Whether some policy applies to a target, by its name.
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

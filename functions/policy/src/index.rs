//! Which policies can name a target at all, found without asking each of them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::glob::Glob;
use crate::policy::Policy;
use crate::service::Service;

/// Policies by what they must find in a target: its account, and in its name a whole, a beginning or an end.
/// Only those that a target's own account and name lead to are asked, in document order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Index {
    executions: Accounts,
    stages: Accounts,
}

/// By the one account that a policy names; `""` for those that do not care. No account is a glob.
type Accounts = BTreeMap<String, Names>;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Names {
    whole: BTreeMap<String, Vec<usize>>,
    beginning: Parts,
    end: Parts,
}

/// What names begin or end with, and the lengths that occur: a look-up tries each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Parts {
    policies: BTreeMap<String, Vec<usize>>,
    lengths: BTreeSet<usize>,
}

impl Index {
    pub(crate) fn new(policies: &[Policy]) -> Self {
        let mut index = Self::default();
        for (at, policy) in policies.iter().enumerate() {
            let scope = &policy.scope;
            let anybody = [String::new()];
            let accounts = match scope.account.as_deref() {
                Some(globs) => globs
                    .iter()
                    .filter_map(|glob| glob.literal().map(ToString::to_string))
                    .collect(),
                None => anybody.to_vec(),
            };
            for account in accounts {
                for (service, own, other) in [
                    (&mut index.executions, &scope.state_machine, &scope.pipeline),
                    (&mut index.stages, &scope.pipeline, &scope.state_machine),
                ] {
                    let names = match (own, other) {
                        (Some(globs), _) => globs.as_slice(),
                        (None, Some(_)) => continue,
                        (None, None) => &[],
                    };
                    let entry = service.entry(account.clone()).or_default();
                    if own.is_none() {
                        entry.beginning.add("", at);
                    }
                    for glob in names {
                        entry.add(glob, at);
                    }
                }
            }
        }
        index
    }

    /// The first of the policies that `covers` confirms, in document order.
    pub(crate) fn first(
        &self,
        service: Service,
        account: &str,
        name: &str,
        covers: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let accounts = match service {
            Service::StepFunctions => &self.executions,
            Service::CodePipeline => &self.stages,
        };
        let own = accounts.get(account);
        let anybodys = accounts.get("").filter(|_| !account.is_empty());
        let mut best = usize::MAX;
        for names in own.into_iter().chain(anybodys) {
            for candidates in names.of(name) {
                // Each list is in document order: nothing behind the best can be better.
                let found = candidates
                    .iter()
                    .take_while(|at| **at < best)
                    .find(|at| covers(**at));
                best = found.copied().unwrap_or(best);
            }
        }
        (best != usize::MAX).then_some(best)
    }
}

impl Names {
    fn add(&mut self, glob: &Glob, at: usize) {
        if let Some(name) = glob.literal() {
            push(self.whole.entry(name.to_string()).or_default(), at);
            return;
        }
        // The longer of the two tells more.
        let (beginning, end) = glob.ends();
        if beginning.len() >= end.len() {
            self.beginning.add(beginning, at);
        } else {
            self.end.add(end, at);
        }
    }

    fn of<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i [usize]> {
        let beginnings = self
            .beginning
            .lengths
            .range(..=name.len())
            .filter_map(|length| name.get(..*length))
            .filter_map(|part| self.beginning.policies.get(part));
        let ends = self
            .end
            .lengths
            .range(..=name.len())
            .filter_map(|length| name.get(name.len().saturating_sub(*length)..))
            .filter_map(|part| self.end.policies.get(part));
        self.whole
            .get(name)
            .into_iter()
            .chain(beginnings)
            .chain(ends)
            .map(Vec::as_slice)
    }
}

impl Parts {
    fn add(&mut self, part: &str, at: usize) {
        push(self.policies.entry(part.to_string()).or_default(), at);
        self.lengths.insert(part.len());
    }
}

/// Once, though several globs of a policy may agree.
fn push(policies: &mut Vec<usize>, at: usize) {
    if policies.last() != Some(&at) {
        policies.push(at);
    }
}

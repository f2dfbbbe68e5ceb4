//! An index that finds the policies for a target without testing each policy.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::glob::Glob;
use crate::policy::Policy;
use crate::service::Service;

/// An index of policies by their demands on a target: its account, and a whole name, a beginning or an end. Only the
/// policies that the account and the name lead to are tested, in document order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Index {
    executions: Accounts,
    stages: Accounts,
}

/// Names by the one account that a policy names, or by `""` for policies of every account. No account is a glob.
type Accounts = BTreeMap<String, Names>;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Names {
    whole: BTreeMap<String, Vec<usize>>,
    beginning: Parts,
    end: Parts,
}

/// The beginnings or ends of names, and the lengths that occur. A look-up tries each length once.
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

    /// Returns the first policy in document order that `covers` confirms.
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
                // Each list is in document order, so no later entry can precede the best one.
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
        // The longer of the two is more selective.
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

/// Adds a position once, even if several globs of a policy agree.
fn push(policies: &mut Vec<usize>, at: usize) {
    if policies.last() != Some(&at) {
        policies.push(at);
    }
}

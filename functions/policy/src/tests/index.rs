//! Tests that the index finds the same policy as a scan of all policies.

use super::*;

/// Pseudo-random numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn name(&mut self) -> String {
        let parts = ["a", "b", "ab", "é", "-", "etl-"];
        (0..self.below(4)).map(|_| self.one(&parts)).collect()
    }

    fn glob(&mut self) -> String {
        let parts = ["a", "b", "ab", "é", "-", "etl-", "*", r"\*", r"\\"];
        let glob: String = (0..=self.below(4)).map(|_| self.one(&parts)).collect();
        glob
    }

    fn globs(&mut self) -> String {
        let globs: Vec<String> = (0..=self.below(2))
            .map(|_| format!("'{}'", self.glob()))
            .collect();
        format!("[{}]", globs.join(", "))
    }

    fn scope(&mut self) -> String {
        let mut keys = Vec::new();
        for key in ["state_machine", "pipeline"] {
            if self.below(3) > 0 {
                keys.push(format!("{key}: {}", self.globs()));
            }
        }
        if self.below(4) == 0 {
            let accounts = [
                "'111122223333'",
                "'000000000000'",
                "['000000000000', '111122223333']",
            ];
            keys.push(format!("account: {}", self.one(&accounts)));
        }
        if self.below(4) == 0 {
            keys.push(format!(
                "region: {}",
                self.one(&["eu-west-1", "'us-*'", "['eu-*', us-east-1]"])
            ));
        }
        format!("{{{}}}", keys.join(", "))
    }
}

#[test]
fn index_finds_the_same_policy_as_a_scan() {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut found = 0;
    for _ in 0..300 {
        let policies: String = (0..numbers.below(25))
            .map(|i| {
                format!(
                    "- {{name: p{i}, match: {}, retry: {{}}}}\n",
                    numbers.scope()
                )
            })
            .collect();
        let document = read(&format!(
            "version: 1\npolicies:\n{}",
            if policies.is_empty() {
                " []"
            } else {
                &policies
            }
        ));
        for _ in 0..60 {
            let name = numbers.name();
            let region = numbers.one(&["eu-west-1", "us-east-1"]);
            let account = numbers.one(&["111122223333", "000000000000"]);
            for service in [Service::StepFunctions, Service::CodePipeline] {
                let target = TargetName {
                    service,
                    account,
                    region,
                    name: &name,
                };
                let each = document
                    .policies
                    .iter()
                    .position(|policy| policy.scope.covers(target));
                assert_eq!(
                    document.policy_index(target),
                    each,
                    "{target:?} in\n{policies}"
                );
                found += usize::from(each.is_some());
            }
        }
    }
    assert!(
        (5_000..30_000).contains(&found),
        "{found} of 36,000: the names say too little"
    );
}

#[test]
fn index_skips_policies_of_other_targets() {
    use core::cell::Cell;
    let others: String = (0..1000)
        .map(|i| format!("- {{name: a{i}, match: {{state_machine: [etl-{i:04}-*, '*-{i:04}-x', exactly-{i:04}]}}, retry: {{}}}}\n- {{name: b{i}, match: {{account: '{i:012}'}}, retry: {{}}}}\n"))
        .collect();
    let document = read(&format!(
        "version: 1\npolicies:\n{others}- {{name: twice, match: {{state_machine: [twice-*, '*-or-more', twice-or-more]}}, retry: {{}}}}\n- {{name: rest, match: {{}}, retry: {{}}}}\n"
    ));
    for (target, policy) in [
        ("etl-0042-orders", "a42"),
        ("orders-0042-x", "a42"),
        ("exactly-0999", "a999"),
        ("none-of-them", "rest"),
        // Three globs of one policy match, but the policy is tested once.
        ("twice-or-more", "twice"),
    ] {
        let asked = Cell::new(0);
        let found = document
            .index
            .first(Service::StepFunctions, "111122223333", target, |at| {
                asked.set(asked.get() + 1);
                document.policies[at].scope.covers(run(target))
            });
        assert_eq!(document.policies[found.unwrap()].name, policy, "{target}");
        assert!(asked.get() <= 2, "{target}: {} were asked", asked.get());
    }
}

#[test]
fn an_index_is_rebuilt_after_the_policies_changed() {
    let mut document = read(
        "version: 1\npolicies:\n- {name: a, match: {state_machine: x}, retry: {}}\n- {name: b, match: {state_machine: y}, retry: {}}\n",
    );
    document.policies.remove(0);
    document.index_again();
    assert_eq!(document.policy_index(run("x")), None);
    assert_eq!(document.policy_index(run("y")), Some(0));
}

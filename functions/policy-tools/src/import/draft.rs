//! The writing of a policy document: comments, policies and rules.

use super::yaml;
use crate::visible::visible;

/// A written document.
pub(super) struct Draft {
    /// The document as YAML.
    pub(super) text: String,
}

/// The plan of a document.
#[derive(Default)]
pub(super) struct Plan {
    /// The comment at the top, with one paragraph or item per entry.
    pub(super) head: Vec<String>,
    /// The maximum retries over all rules and its reason, where the default does not suffice.
    pub(super) budget: Option<(u32, String)>,
    /// The policies, in order.
    pub(super) policies: Vec<Policy>,
}

/// The plan of a policy.
#[derive(Default)]
pub(super) struct Policy {
    /// The name. The only policy for every target has none.
    pub(super) name: Option<String>,
    /// The targets, in flow style.
    pub(super) scope: String,
    /// Comments above the policy.
    pub(super) remarks: Vec<String>,
    /// `automatic`.
    pub(super) automatic: Automatic,
    /// `manual`, in flow style.
    pub(super) manual: Option<String>,
}

/// The `automatic` of a planned policy.
#[derive(Default)]
pub(super) enum Automatic {
    /// The key is left out.
    #[default]
    Unwritten,
    /// true or false.
    Truth(bool),
    /// Rules, in order.
    Rules(Vec<Rule>),
}

/// The plan of a rule.
#[derive(Default)]
pub(super) struct Rule {
    /// Comments above the rule.
    pub(super) remarks: Vec<String>,
    /// The keys, with their values in flow style.
    pub(super) words: Vec<(&'static str, String)>,
    /// The maximum retries of the rule, for the budget.
    pub(super) limit: u32,
}

impl Rule {
    pub(super) fn say(&mut self, key: &'static str, value: impl Into<String>) {
        self.words.push((key, value.into()));
    }
}

impl Automatic {
    /// Returns the maximum retries of all rules together.
    fn limits(&self) -> u32 {
        match self {
            Self::Rules(rules) => rules
                .iter()
                .fold(0, |sum, rule| sum.saturating_add(rule.limit)),
            Self::Truth(true) => 2,
            Self::Truth(false) | Self::Unwritten => 0,
        }
    }
}

impl Plan {
    /// Sets a budget in which every rule can reach its limit, where the default is too small.
    pub(super) fn make_room(&mut self) {
        const DEFAULT: u32 = 10;
        const MOST: u32 = 1000;
        let limits = self.policies.iter().map(|policy| policy.automatic.limits());
        let most = limits.max().unwrap_or_default();
        if most > DEFAULT {
            let why = if most > MOST {
                format!(
                    "The rules of a policy may spend {most} retries together, and a budget is at most {MOST}."
                )
            } else {
                format!(
                    "Maximum retries of the rules of a policy together; {DEFAULT} without this line."
                )
            };
            self.budget = Some((most.min(MOST), why));
        }
    }

    pub(super) fn written(&self) -> Draft {
        let mut text = String::new();
        for paragraph in &self.head {
            comment(&mut text, "", paragraph);
        }
        text.push_str("version: 1\n");
        if let Some((budget, why)) = &self.budget {
            comment(&mut text, "", why);
            line(
                &mut text,
                "",
                &format!("budget: {{ per_execution: {budget} }}"),
            );
        }
        if let [policy] = self.policies.as_slice()
            && policy.name.is_none()
        {
            for remark in &policy.remarks {
                comment(&mut text, "", remark);
            }
            policy.retry(&mut text, "");
            return Draft { text };
        }
        text.push_str("policies:\n");
        for policy in &self.policies {
            for remark in &policy.remarks {
                comment(&mut text, "  ", remark);
            }
            let name = yaml::text(policy.name.as_deref().unwrap_or("default"));
            line(&mut text, "  ", &format!("- name: {name}"));
            line(&mut text, "    ", &format!("match: {}", policy.scope));
            policy.retry(&mut text, "    ");
        }
        Draft { text }
    }
}

impl Policy {
    fn retry(&self, text: &mut String, indent: &str) {
        if self.manual.is_none() && matches!(self.automatic, Automatic::Unwritten) {
            line(text, indent, "retry: {}");
            return;
        }
        line(text, indent, "retry:");
        let deeper = format!("{indent}  ");
        match &self.automatic {
            Automatic::Unwritten => {}
            Automatic::Truth(truth) => line(text, &deeper, &format!("automatic: {truth}")),
            Automatic::Rules(rules) if rules.is_empty() => line(text, &deeper, "automatic: []"),
            Automatic::Rules(rules) => {
                line(text, &deeper, "automatic:");
                for rule in rules {
                    rule.write(text, &format!("{deeper}  "));
                }
            }
        }
        if let Some(manual) = &self.manual {
            line(text, &deeper, &format!("manual: {manual}"));
        }
    }
}

impl Rule {
    fn write(&self, text: &mut String, indent: &str) {
        for remark in &self.remarks {
            comment(text, indent, remark);
        }
        for (at, (key, value)) in self.words.iter().enumerate() {
            let dash = if at == 0 { "- " } else { "  " };
            line(text, indent, &format!("{dash}{key}: {value}"));
        }
    }
}

fn line(text: &mut String, indent: &str, content: &str) {
    text.push_str(indent);
    text.push_str(content);
    text.push('\n');
}

/// Writes a wrapped comment. Hidden characters are escaped, so that quoted text cannot end the comment early.
fn comment(text: &mut String, indent: &str, words: &str) {
    const WIDTH: usize = 108;
    // Further lines of an item are indented below its text.
    let hanging = if words.starts_with("- ") { "  " } else { "" };
    let mut row = String::new();
    for word in visible(words).split(' ') {
        let wide = row
            .chars()
            .count()
            .saturating_add(word.chars().count())
            .saturating_add(indent.len());
        if !row.is_empty() && wide > WIDTH {
            line(text, indent, format!("# {row}").trim_end());
            row.clear();
            row.push_str(hanging);
        } else if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(word);
    }
    line(text, indent, format!("# {row}").trim_end());
}

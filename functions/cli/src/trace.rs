//! The way to a verdict: the policy, each rule, each condition, the value it saw, and why it did or did not match.

use std::io::Write;

use redrive_core::failure::{Field, Subject};
use redrive_core::policy::{Conditions, Document, Hit, Policy, Saw, Seen, View, Word};
use redrive_core::verdict::{Reason, Verdict};

use crate::Failed;
use crate::table::visible;

/// Writes it, each line behind `indent`.
pub(crate) fn tell(
    document: &Document,
    subject: &Subject,
    views: &[View<'_>],
    verdict: &Verdict,
    indent: &str,
    out: &mut impl Write,
) -> Result<(), Failed> {
    let Some(policy) = document.policy_for(subject) else {
        writeln!(
            out,
            "{indent}policy   none of {} matches {}",
            document.policies.len(),
            visible(subject.target())
        )?;
        return Ok(());
    };
    writeln!(out, "{indent}policy   {}", visible(&policy.name))?;
    if !asks_rules(verdict.because) {
        writeln!(
            out,
            "{indent}  no rule is consulted: {}",
            verdict.because.sentence()
        )?;
        return Ok(());
    }
    let mut trace = Trace {
        document,
        policy,
        verdict,
        indent,
        out,
    };
    for view in views {
        // What `never` forbids of one failed action is forbidden of its stage.
        if trace.never(view)? {
            return Ok(());
        }
        trace.rules(view)?;
    }
    Ok(())
}

/// Whether such a verdict came of the never list and the rules, and not of what goes before them.
const fn asks_rules(because: Reason) -> bool {
    matches!(
        because,
        Reason::Matched
            | Reason::Never
            | Reason::Unmatched
            | Reason::Forbidden
            | Reason::LimitSpent
            | Reason::BudgetSpent
            | Reason::CauseWithheld
    )
}

struct Trace<'a, W> {
    document: &'a Document,
    policy: &'a Policy,
    verdict: &'a Verdict,
    indent: &'a str,
    out: &'a mut W,
}

impl<'a, W: Write> Trace<'a, W> {
    /// The never list, up to the entry that forbids; whether one does.
    fn never(&mut self, view: &View<'_>) -> Result<bool, Failed> {
        let indent = self.indent;
        for (index, never) in self.document.never.iter().enumerate() {
            let hit = never.meet(view);
            writeln!(self.out, "{indent}  never[{index}]: {}", answer(hit))?;
            self.conditions(never, view)?;
            if hit == Hit::Yes {
                let rules: Vec<&str> = self.ids().collect();
                self.not_consulted("never forbids it", &rules)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The rules, up to the one that decides.
    fn rules(&mut self, view: &View<'_>) -> Result<(), Failed> {
        let indent = self.indent;
        let mut later = self.ids();
        for rule in &self.policy.automatic {
            later.next();
            let hit = rule.conditions.meet_by_name(view);
            // A verdict that waits for facts rests on a rule that may match.
            let hoped = self
                .verdict
                .rules
                .iter()
                .any(|charge| charge.rule == rule.id);
            let id = visible(&rule.id);
            let ending = match hit {
                Hit::Yes => Some(format!("rule {id} decides")),
                Hit::Unknown(_) | Hit::Withheld if hoped => {
                    Some(format!("rule {id} decides, if it matches"))
                }
                _ => None,
            };
            writeln!(self.out, "{indent}  rule {id}: {}", answer(hit))?;
            self.conditions(&rule.conditions, view)?;
            if let (Some(Field::Known(error)), Hit::No) = (view.get(Word::Error), hit)
                && rule.conditions.meet(view) != Hit::No
            {
                writeln!(
                    self.out,
                    "{indent}    {} is matched only by a rule that names it, without a glob",
                    visible(&error.to_string())
                )?;
            }
            if let Some(ending) = ending {
                let later: Vec<&str> = later.collect();
                return self.not_consulted(&ending, &later);
            }
        }
        Ok(())
    }

    fn ids(&self) -> impl Iterator<Item = &'a str> + use<'a, W> {
        self.policy.automatic.iter().map(|rule| rule.id.as_str())
    }

    fn not_consulted(&mut self, why: &str, rules: &[&str]) -> Result<(), Failed> {
        if !rules.is_empty() {
            let rules = visible(&rules.join(", "));
            writeln!(
                self.out,
                "{}  not consulted, since {why}: {rules}",
                self.indent
            )?;
        }
        Ok(())
    }

    fn conditions(&mut self, conditions: &Conditions, view: &View<'_>) -> Result<(), Failed> {
        if conditions.is_empty() {
            writeln!(
                self.out,
                "{}    it has no conditions, so that everything matches",
                self.indent
            )?;
        }
        for seen in conditions.seen(view) {
            let not = if seen.negated { "not " } else { "" };
            writeln!(
                self.out,
                "{}    {not}{} {}: {}; saw {}",
                self.indent,
                seen.condition.word.as_str(),
                wanted(&seen),
                met(&seen),
                saw(&seen, view)
            )?;
        }
        Ok(())
    }
}

fn wanted(seen: &Seen<'_>) -> String {
    let values = &seen.condition.values;
    let written: Vec<&str> = values.iter().map(|value| value.written.as_str()).collect();
    match written.join(" | ") {
        all if all.chars().count() <= 80 => visible(&all),
        _ => format!("(any of {} values)", values.len()),
    }
}

/// Whether it matched, and of several values by which.
fn met(seen: &Seen<'_>) -> String {
    let excludes = if seen.negated && seen.hit == Hit::Yes {
        ", which excludes the failure"
    } else {
        ""
    };
    match seen.by {
        Some(value) if seen.condition.values.len() > 1 => {
            format!(
                "{} by {}{excludes}",
                answer(seen.hit),
                visible(&value.written)
            )
        }
        _ => format!("{}{excludes}", answer(seen.hit)),
    }
}

fn saw(seen: &Seen<'_>, view: &View<'_>) -> String {
    if seen.condition.word != Word::Mode {
        return value(seen.field);
    }
    // A mode asks three things, and one is enough.
    let parts: Vec<String> = view
        .of_mode()
        .into_iter()
        .filter(|(_, field)| *field != Field::Absent)
        .map(|(word, field)| format!("{word} {}", value(Some(field))))
        .collect();
    if parts.is_empty() {
        return value(Some(Field::Absent));
    }
    parts.join(", ")
}

fn value(field: Option<Field<Saw<'_>>>) -> String {
    match field {
        None => "nothing: the other service has it".to_owned(),
        Some(Field::Unknown) => "nothing yet: it is to be looked up".to_owned(),
        Some(Field::Withheld) => "nothing: AWS withholds it".to_owned(),
        Some(Field::Absent) => "nothing: it is absent".to_owned(),
        Some(Field::Known(value)) => visible(&shortened(&value.to_string())),
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 100;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        text.chars().take(MOST).chain(['…']).collect()
    }
}

const fn answer(hit: Hit) -> &'static str {
    match hit {
        Hit::Yes => "matches",
        Hit::No => "does not match",
        Hit::Unknown(_) => "not known yet",
        Hit::Withheld => "not known: AWS withholds it",
    }
}

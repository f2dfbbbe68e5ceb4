//! Any call may fail, lose its answer, or be the last that a process makes. Whatever it is, the sweep finds
//! out, the target is retried exactly as often as it should be, and that often is what the ledger says.

use redrive_core::ledger::State;
use redrive_core::verdict::Reason;
use redrive_emulator::codepipeline::Outcome as Brings;
use redrive_emulator::stepfunctions::Outcome as Ends;

use crate::faulty_adapters::{Break, Which};
use crate::scene::{Scene, rule};

const KINDS: [Break; 5] = [
    Break::Before,
    Break::After,
    Break::DeadBefore,
    Break::DeadAfter,
    Break::Twice,
];

/// How runs end, and what must come of it: retries, state, reason.
struct Story {
    name: &'static str,
    failures: usize,
    limit: u32,
    delay: u32,
    retries: usize,
    ends: (State, Reason),
}

const STORIES: [Story; 5] = [
    Story {
        name: "at once",
        failures: 1,
        limit: 2,
        delay: 0,
        retries: 1,
        ends: (State::Recovered, Reason::Matched),
    },
    Story {
        name: "delayed",
        failures: 1,
        limit: 2,
        delay: 60,
        retries: 1,
        ends: (State::Recovered, Reason::Matched),
    },
    Story {
        name: "long delayed",
        failures: 1,
        limit: 2,
        delay: 3600,
        retries: 1,
        ends: (State::Recovered, Reason::Matched),
    },
    Story {
        name: "twice",
        failures: 2,
        limit: 2,
        delay: 0,
        retries: 2,
        ends: (State::Recovered, Reason::Matched),
    },
    Story {
        name: "for ever",
        failures: 9,
        limit: 2,
        delay: 60,
        retries: 2,
        ends: (State::GivenUp, Reason::LimitSpent),
    },
];

fn play(story: &Story, stage: bool, breaks: &[(usize, Break)]) -> usize {
    let policy = rule(story.limit, story.delay);
    let scene = if stage {
        let fails = std::iter::repeat_n(Brings::fail("JobFailed", "busy"), story.failures);
        Scene::stage(&policy, fails.chain([Brings::succeed()]))
    } else {
        let fails = std::iter::repeat_n(Ends::fail("Glue.Throttled", "busy"), story.failures);
        Scene::execution(&policy, fails.chain([Ends::succeed()]))
    };
    for (number, kind) in breaks {
        scene.adapters.plan(Which::Number(*number), *kind);
    }
    scene.calm(&[]);
    let (state, reason, uses, retries) = scene.stands();
    let what = format!(
        "{} {} {breaks:?}: {:?}\n{:#?}",
        story.name,
        scene.subject,
        scene.adapters.calls(),
        scene.entry()
    );
    assert_eq!(scene.effects(), story.retries, "retries of {what}");
    assert_eq!((state, reason), story.ends, "the end of {what}");
    let counted = u32::try_from(story.retries).unwrap();
    assert_eq!((uses, retries), (counted, counted), "counts of {what}");
    scene.adapters.calls().len()
}

#[test]
fn one_broken_call_changes_neither_what_is_done_nor_what_is_counted() {
    for story in &STORIES {
        for stage in [false, true] {
            let calls = play(story, stage, &[]);
            for number in 0..calls {
                for kind in KINDS {
                    play(story, stage, &[(number, kind)]);
                }
            }
        }
    }
}

#[test]
fn two_broken_calls_change_neither_what_is_done_nor_what_is_counted() {
    let kinds = [Break::After, Break::DeadBefore, Break::DeadAfter];
    for story in [&STORIES[1], &STORIES[3]] {
        for stage in [false, true] {
            let calls = play(story, stage, &[]) + 4;
            for first in 0..calls {
                for second in first + 1..calls {
                    for (one, other) in kinds
                        .into_iter()
                        .flat_map(|one| kinds.map(|other| (one, other)))
                    {
                        play(story, stage, &[(first, one), (second, other)]);
                    }
                }
            }
        }
    }
}

//! The ledger in memory keeps the contract, and keeps it among threads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod ledger;

use std::sync::Barrier;

use redrive_core::failure::{FailureId, Subject};
use redrive_core::ledger::{Decided, Entry, Owner, Timing, Writer, Written, write};
use redrive_core::time::Time;
use redrive_core::verdict::{Decision, Reason, Verdict};
use redrive_simulation::memory::Memory;

#[test]
fn the_ledger_in_memory_keeps_the_contract() {
    pollster::block_on(ledger::all(true, async || Memory::default()));
}

#[test]
fn fifty_threads_that_claim_at_once_give_one_winner() {
    let memory = Memory::default();
    let start = Barrier::new(50);
    let claim = |number: usize| {
        let owner = Owner(format!("thread-{number}"));
        let writer = Writer {
            owner: &owner,
            now: Time::from_millis(0),
            timing: &Timing::default(),
        };
        let entry = Entry::open(
            Decided {
                subject: Subject::Execution {
                    arn: "arn:aws:states:eu-west-1:111122223333:execution:etl:race".into(),
                },
                failure_id: FailureId::RedriveCount(0),
                failed_at: Time::from_millis(0),
                retried_before: 0,
                verdict: Verdict::bare(Decision::Retry, Reason::Matched),
                slot: std::time::Duration::ZERO,
                observed: false,
            },
            writer,
        );
        start.wait();
        matches!(
            pollster::block_on(write(&memory, entry)),
            Ok(Written::Claimed(_))
        )
    };
    let winners = std::thread::scope(|scope| {
        let claim = &claim;
        let threads: Vec<_> = (0..50)
            .map(|number| scope.spawn(move || claim(number)))
            .collect();
        threads
            .into_iter()
            .map(|thread| usize::from(thread.join().unwrap()))
            .sum::<usize>()
    });
    assert_eq!(winners, 1);
}

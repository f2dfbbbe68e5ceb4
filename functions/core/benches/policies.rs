//! What a document of many policies costs: once to load, and for each verdict.
//!
//! `cargo bench -p redrive-core` builds as the functions are built.

mod teams;

use divan::Bencher;
use redrive_core::decide::Answer;
use redrive_core::event::{self, AllowedSources};
use redrive_core::policy::Document;

use self::teams::{event, text, verdict};

const COUNTS: [usize; 4] = [10, 100, 1_000, 10_000];

fn main() {
    divan::main();
}

#[divan::bench(args = COUNTS, sample_count = 20)]
fn load(bencher: Bencher<'_, '_>, count: usize) {
    let text = text(count);
    bencher.bench_local(|| Document::parse(&text));
}

#[divan::bench]
fn parse_the_event_alone(bencher: Bencher<'_, '_>) {
    let event = event(10);
    bencher.bench_local(|| event::parse(&event, &AllowedSources::default()));
}

#[divan::bench(args = COUNTS)]
fn verdict_from_event_bytes(bencher: Bencher<'_, '_>, count: usize) {
    let Ok(document) = Document::parse(&text(count)) else {
        return;
    };
    let event = event(count);
    let answer = verdict(&document, &event);
    assert!(
        matches!(&answer, Answer::Verdict(verdict) if verdict.decision.as_str() == "retry"),
        "{answer:?}"
    );
    bencher.bench_local(|| verdict(&document, &event));
}

//! A claim that is won back: the same owner comes again, and cannot know whether it acted.

use redrive_core::controller::Outcome;
use redrive_core::ledger::State;

use crate::faulty_adapters::{Break, run};
use crate::scene::{Scene, rule};

/// One batch may hold a message twice, and one name for both must not make two retries of it, nor give back
/// the charge of the one that was made.
#[test]
fn a_retry_message_that_stands_twice_in_one_batch_is_acted_on_once() {
    for scene in Scene::both_for_ever(&rule(2, 60)) {
        scene.handle_event(&scene.failed());
        let retry_message = scene.entry().retry_message();
        scene.wind(60);
        scene.next_breaks("put_if_revision", Break::Before);
        let invocation = scene.invocation();
        let controller = invocation.controller();
        let twice = async {
            let first = controller.due(&retry_message).await.unwrap();
            assert_eq!(
                (first.outcome, first.unsettled.is_some()),
                (Outcome::Retried, true)
            );
            let second = controller.due(&retry_message).await.unwrap();
            assert_eq!(second.outcome, Outcome::Confirmed);
        };
        run(twice).expect("it ends");
        assert_eq!(
            (scene.effects(), scene.stands().2, scene.stands().3),
            (1, 1, 1)
        );
        assert_eq!(scene.entry().state, State::Retried);
    }
}

"""Failed stages, and the functions under the real runtime."""

from datetime import UTC, datetime

import pytest
from subjects import BREAK, HANG, PASS, RUN, Shop
from test_stepfunctions import AT_ONCE, DENIED, LATER, THROTTLED

READS = {"GetPipelineState": 1, "ListActionExecutions": 1}
# The call that shows whether an execution is a rollback, where GetPipelineState does not.
TYPE = {"GetPipelineExecution": 1}


class Scene:
    """A pipeline, and one execution whose stage Build has failed."""

    def __init__(self, account, *then, rollback=False, shows_type=True):
        self.account, self.shop = account, Shop(account.server)
        self.execution = (self.shop.roll_back_and_break if rollback else self.shop.start_and_break)(*then)
        account.server.choose(state_shows_execution_type=shows_type)

    def events(self, state):
        stage = "CodePipeline Stage Execution State Change"
        events = [one for one in self.account.server.events() if one["detail-type"] == stage]
        return [one for one in events if one["detail"]["state"] == state and one["detail"]["stage"] == "Build"]

    def end(self):
        self.account.server.wind(RUN)

    def retries(self):
        return self.account.server.calls("RetryStageExecution")

    def entry(self):
        items = self.account.dynamodb.scan(TableName=self.account.table)["Items"]
        # The sweep stores the checkpoint of its search beside the entries.
        (key,) = {item["pk"]["S"] for item in items} - {"checkpoint"}
        return self.account.entry(key)

    def teach(self, function):
        """Makes a function read only the pipeline's declaration: the stage is outside its policy."""
        elsewhere = self.events("FAILED")[0]
        nobody = {**elsewhere["detail"], "execution-id": "00000000-0000-4000-8000-000000000000"}
        function.invoke({**elsewhere, "detail": nobody})


def test_a_stage_is_retried_once_and_its_recovery_recorded(account):
    scene = Scene(account, PASS)
    function = account.function("codepipeline", AT_ONCE)
    failed = scene.events("FAILED")[0]
    assert function.invoke(failed)["outcome"] == "retried"
    assert scene.shop.status() == "InProgress"
    scene.end()
    assert scene.shop.status() == "Succeeded"
    assert function.invoke(scene.events("SUCCEEDED")[0])["outcome"] == "recovered"
    assert function.invoke(failed)["outcome"] in ("duplicate", "ignored")
    assert scene.retries() == 1
    assert scene.entry()["state"] == "recovered"


def test_a_repeated_event_retries_nothing(account):
    scene = Scene(account, HANG)
    function = account.function("codepipeline", AT_ONCE)
    # The emulator's clock was wound on; the function's was not.
    failed = {**scene.events("FAILED")[0], "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert function.invoke(failed)["outcome"] == "retried"
    for _ in range(3):
        assert function.invoke(failed)["outcome"] == "duplicate"
    assert scene.retries() == 1


def test_a_stage_over_the_limit_is_a_recorded_give_up(account):
    scene = Scene(account, BREAK, BREAK)
    function = account.function("codepipeline", AT_ONCE)
    for retry, expected in enumerate(["retried", "retried", "gave_up"]):
        answer = function.invoke(scene.events("FAILED")[retry])
        assert answer["outcome"] == expected
        scene.end()
    assert answer["reason"] == "limit_spent"
    assert scene.retries() == 2
    entry = scene.entry()
    assert (entry["state"], entry["retries"], len(entry["attempts"])) == ("given_up", 2, 2)


def test_a_delayed_retry_is_one_message_and_due_completes_it_once(account):
    scene = Scene(account, PASS)
    function, due = account.function("codepipeline", LATER), account.function("due", LATER)
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "queued"
    (message,) = account.messages()
    assert due.invoke({"Records": [message, {**message, "messageId": "again"}]}) == {"batchItemFailures": []}
    assert [line["outcome"] for line in due.wide(2)] == ["retried", "duplicate"]
    assert scene.retries() == 1
    scene.end()
    assert scene.shop.status() == "Succeeded"


def test_a_retry_at_once_costs_its_reads_and_3_calls(account):
    scene = Scene(account, PASS)
    function = account.function("codepipeline", AT_ONCE)
    scene.teach(function)
    answer, calls = account.costs(function, scene.events("FAILED")[0])
    assert answer["outcome"] == "retried"
    assert calls == {**READS, "PutItem": 2, "RetryStageExecution": 1}
    assert function.wide(2)[1]["calls"] == calls


def test_the_first_failure_of_a_version_reads_the_declaration_too(account):
    scene = Scene(account, PASS)
    _, calls = account.costs(account.function("codepipeline", AT_ONCE), scene.events("FAILED")[0])
    assert calls == {**READS, "GetPipeline": 1, "PutItem": 2, "RetryStageExecution": 1}


def test_a_delayed_retry_costs_its_reads_twice_and_5_calls(account):
    scene = Scene(account, PASS)
    function, due = account.function("codepipeline", LATER), account.function("due", LATER)
    scene.teach(function)
    _, calls = account.costs(function, scene.events("FAILED")[0])
    assert calls == {**READS, "PutItem": 1, "SendMessage": 1}
    _, calls = account.costs(due, {"Records": account.messages()})
    # One read before the retry; this function has not read the declaration yet.
    assert calls.pop("GetPipeline") == 1
    assert calls == {**READS, "UpdateItem": 1, "RetryStageExecution": 1, "PutItem": 1}


def test_a_stage_that_is_not_retried_costs_its_reads_and_1_call(account):
    scene = Scene(account)
    function = account.function("codepipeline", AT_ONCE.replace("limit: 2", "limit: 2, summary: other"))
    scene.teach(function)
    answer, calls = account.costs(function, scene.events("FAILED")[0])
    assert (answer["outcome"], answer["reason"]) == ("gave_up", "unmatched")
    assert calls == {**READS, "PutItem": 1}


@pytest.mark.parametrize("shows_type", [True, False])
def test_a_rollback_is_given_up_whether_or_not_the_state_shows_its_type(account, shows_type):
    scene = Scene(account, PASS, rollback=True, shows_type=shows_type)
    function = account.function("codepipeline", AT_ONCE)
    scene.teach(function)
    answer, calls = account.costs(function, scene.events("FAILED")[0])
    assert (answer["outcome"], answer["reason"]) == ("gave_up", "rollback")
    assert calls == {**READS, **({} if shows_type else TYPE), "PutItem": 1}
    assert (scene.retries(), scene.entry()["state"]) == (0, "given_up")


def test_retry_at_once_costs_1_call_more_without_type(account):
    scene = Scene(account, PASS, shows_type=False)
    function = account.function("codepipeline", AT_ONCE)
    scene.teach(function)
    answer, calls = account.costs(function, scene.events("FAILED")[0])
    assert answer["outcome"] == "retried"
    assert calls == {**READS, **TYPE, "PutItem": 2, "RetryStageExecution": 1}
    assert function.wide(2)[1]["calls"] == calls


def test_delayed_retry_costs_1_call_more_a_read_without_type(account):
    scene = Scene(account, PASS, shows_type=False)
    function, due = account.function("codepipeline", LATER), account.function("due", LATER)
    scene.teach(function)
    _, calls = account.costs(function, scene.events("FAILED")[0])
    assert calls == {**READS, **TYPE, "PutItem": 1, "SendMessage": 1}
    _, calls = account.costs(due, {"Records": account.messages()})
    assert calls.pop("GetPipeline") == 1
    assert calls == {**READS, **TYPE, "UpdateItem": 1, "RetryStageExecution": 1, "PutItem": 1}
    (line,) = due.wide(1)
    assert line["outcome"] == "retried"


def test_a_stage_that_is_announced_again_costs_its_reads_and_1_call(account):
    scene = Scene(account, HANG)
    function = account.function("codepipeline", LATER)
    failed = {**scene.events("FAILED")[0], "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    function.invoke(failed)
    answer, calls = account.costs(function, failed)
    assert (answer["outcome"], calls) == ("duplicate", {**READS, "PutItem": 1})
    account.function("due", LATER).invoke({"Records": account.messages()})
    answer, calls = account.costs(function, failed)
    assert (answer["outcome"], calls) == ("duplicate", {**READS, "GetItem": 1})


@pytest.mark.parametrize(("fault", "call_result"), [(THROTTLED, "throttled"), (DENIED, "access_denied")])
def test_retry_is_sent_once_for_any_answer(account, fault, call_result):
    scene = Scene(account, PASS)
    account.server.play("codepipeline", "RetryStageExecution", fault)
    function = account.function("codepipeline", AT_ONCE, AWS_MAX_ATTEMPTS="5")
    answer = function.invoke(scene.events("FAILED")[0])
    assert (answer["outcome"], answer["call_result"]) == ("backed_off", call_result)
    assert scene.retries() == 1


def test_a_retry_whose_answer_was_lost_is_not_sent_again(account):
    scene = Scene(account, PASS)
    account.server.play("codepipeline", "RetryStageExecution", "lose_answer")
    function = account.function("codepipeline", AT_ONCE, AWS_MAX_ATTEMPTS="5")
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "in_doubt"
    account.set(scene.entry()["pk"], next_check_at=0)
    sweep = account.function("sweep", AT_ONCE)
    assert sweep.invoke({})["taken_over"] == 1
    assert sweep.wide(2)[0]["outcome"] == "confirmed"
    assert (scene.retries(), scene.entry()["state"]) == (1, "retried")


def test_a_retry_that_never_arrived_is_made_by_the_sweep(account):
    scene = Scene(account, PASS)
    account.server.play("codepipeline", "RetryStageExecution", "lose_request")
    assert account.function("codepipeline", AT_ONCE).invoke(scene.events("FAILED")[0])["outcome"] == "in_doubt"
    account.set(scene.entry()["pk"], next_check_at=0)
    sweep = account.function("sweep", AT_ONCE)
    assert sweep.invoke({})["taken_over"] == 1
    assert sweep.wide(2)[0]["outcome"] == "retried"
    scene.end()
    assert scene.shop.status() == "Succeeded"


def test_sweep_reads_a_missing_type_once_when_taking_over(account):
    scene = Scene(account, PASS, shows_type=False)
    account.server.play("codepipeline", "RetryStageExecution", "lose_request")
    account.function("codepipeline", AT_ONCE).invoke(scene.events("FAILED")[0])
    account.set(scene.entry()["pk"], next_check_at=0)
    sweep = account.function("sweep", AT_ONCE)
    answer, calls = account.costs(sweep, {})
    assert (answer["taken_over"], sweep.wide(2)[0]["outcome"]) == (1, "retried")
    assert calls["GetPipelineExecution"] == 1


def test_stage_retried_by_a_person_is_not_retried(account):
    scene = Scene(account, HANG)
    function, due = account.function("codepipeline", LATER), account.function("due", LATER)
    function.invoke(scene.events("FAILED")[0])
    scene.shop.retry(scene.execution)
    due.invoke({"Records": account.messages()})
    (line,) = due.wide(1)
    assert (line["outcome"], line["reason"]) == ("gave_up", "target_changed")
    assert scene.retries() == 1, "the person's own"

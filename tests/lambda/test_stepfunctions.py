"""Failed executions, and the four functions under the real runtime.

Every count of calls is what the servers recorded, not what the functions say; the wide line has to say the same.
"""

import json
import socket
import time

import pytest
from emulator import ACCOUNT, REGION
from lambda_runtime import RuntimeApi
from subjects import FAIL, HANG, INTO_A_FAIL_STATE, RUN, SUCCEED, TIME_OUT, Orders

AT_ONCE = "{ version: 1, retry: { automatic: { id: any, limit: 2, backoff: { interval_seconds: 0 } } } }"
LATER = """
version: 1
retry: { automatic: { id: any, limit: 2, backoff: { interval_seconds: 1, jitter_strategy: NONE } } }
"""
THROTTLED = {"refuse": {"code": "ThrottlingException", "message": "Rate exceeded"}}
DENIED = {"refuse": {"code": "AccessDeniedException", "message": "not authorized"}}
BROKEN = {"refuse": {"code": "ServiceUnavailable", "status": 503}}


class Scene:
    """A state machine whose definition the function has read, and one scripted execution of it."""

    def __init__(self, account, *outcomes):
        self.account, self.orders = account, Orders(account.server)
        # What is learned of a machine holds for executions that began a minute after its last change.
        account.server.wind(2 * RUN)
        self.execution = self.orders.start_and_end(*outcomes)

    def events(self, status, execution=None):
        about = execution or self.execution
        events = [one for one in self.account.server.events() if one["resources"] == [about]]
        return [one for one in events if one["detail"]["status"] == status]

    def end(self):
        """Ends the current run."""
        self.account.server.wind(RUN)

    def teach(self, function):
        """Makes a function read the machine's definition, and then, once a minute, its revision."""
        for _ in range(2):
            function.invoke(self.events("FAILED", self.orders.start_and_end(FAIL))[0])

    def redrives(self):
        return self.account.server.calls("RedriveExecution")

    def standing(self):
        return self.orders.standing(self.execution)

    def entry(self):
        return self.account.entry(self.execution)


def test_a_failure_is_redriven_once_and_its_recovery_recorded(account):
    scene = Scene(account, FAIL, SUCCEED)
    function = account.function("stepfunctions", AT_ONCE)
    failed = scene.events("FAILED")[0]
    assert function.invoke(failed)["outcome"] == "retried"
    assert scene.standing() == ("RUNNING", 1)
    for _ in range(3):
        assert function.invoke(failed)["outcome"] == "duplicate"
    scene.end()
    assert function.invoke(failed)["outcome"] == "duplicate"
    assert scene.redrives() == 1
    assert scene.entry()["state"] == "retried"
    assert function.invoke(scene.events("SUCCEEDED")[0])["outcome"] == "recovered"
    assert (scene.entry()["state"], scene.entry()["retries"]) == ("recovered", 1)
    assert [line["outcome"] for line in function.wide(6)] == ["retried", *["duplicate"] * 4, "recovered"]


def test_a_failure_over_the_limit_is_a_recorded_give_up(account):
    scene = Scene(account, FAIL, FAIL, FAIL)
    function = account.function("stepfunctions", AT_ONCE)
    for redrive, expected in enumerate(["retried", "retried", "gave_up"]):
        answer = function.invoke(scene.events("FAILED")[redrive])
        assert (answer["outcome"], answer["failure_id"]) == (expected, {"redrive_count": redrive})
        scene.end()
    assert answer["reason"] == "limit_spent"
    assert scene.redrives() == 2
    entry = scene.entry()
    assert (entry["state"], entry["verdict"]["reason"], entry["retries"]) == ("given_up", "limit_spent", 2)
    assert [attempt["state"] for attempt in entry["attempts"]] == ["retried", "retried"]


def test_a_delayed_redrive_is_one_message_and_due_completes_it_once(account):
    scene = Scene(account, FAIL, SUCCEED)
    function, due = account.function("stepfunctions", LATER), account.function("due", LATER)
    failed = scene.events("FAILED")[0]
    assert function.invoke(failed)["outcome"] == "queued"
    assert function.invoke(failed)["outcome"] == "duplicate"
    assert scene.redrives() == 0
    (message,) = account.messages()
    assert json.loads(message["body"]) == {"subject": {"execution": {"arn": scene.execution}}, "failure_number": 1}
    # Twice in one batch, and again in the next.
    again = {**message, "messageId": "again"}
    assert due.invoke({"Records": [message, again]}) == {"batchItemFailures": []}
    assert due.invoke({"Records": [again]}) == {"batchItemFailures": []}
    assert scene.redrives() == 1
    assert scene.standing() == ("RUNNING", 1)
    lines = due.wide(3)
    assert [line["outcome"] for line in lines] == ["retried", "duplicate", "duplicate"]
    assert [line["message_id"] for line in lines] == [message["messageId"], "again", "again"]
    assert account.messages(seconds=0) == []


def test_failed_message_is_redelivered_and_stops_no_other(account):
    scene = Scene(account, FAIL, SUCCEED)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    (message,) = account.messages()
    strange = {**message, "messageId": "strange", "body": '{"order": 7}'}
    due = account.function("due", LATER)
    answer = due.invoke({"Records": [strange, message]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "strange"}]}
    assert scene.redrives() == 1
    line = due.wide(2)[0]
    assert (line["level"], line["error"]) == ("ERROR", "the message is not a retry message")
    assert "order" not in json.dumps(line), "what a stranger wrote is not logged"


def test_message_without_time_left_is_not_handled(account):
    scene = Scene(account, FAIL, SUCCEED)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    (message,) = account.messages()
    before = account.calls()
    api = RuntimeApi([{"Records": [message]}], seconds=0)
    api.run(account.bootstraps["due"], account.environment(LATER))
    assert api.answers == [{"batchItemFailures": [{"itemIdentifier": message["messageId"]}]}]
    assert account.calls() == before
    assert scene.entry()["state"] == "queued"


# Calls


def test_a_redrive_at_once_costs_3_calls(account):
    scene = Scene(account, FAIL, SUCCEED)
    function = account.function("stepfunctions", AT_ONCE)
    scene.teach(function)
    answer, calls = account.costs(function, scene.events("FAILED")[0])
    assert (answer["outcome"], answer.get("looked_up")) == ("retried", ["history"])
    assert calls == {"PutItem": 2, "RedriveExecution": 1}
    assert function.wide(3)[2]["calls"] == calls


def test_time_out_costs_3_calls_and_reads_no_definition(account):
    scene = Scene(account, TIME_OUT, SUCCEED)
    function = account.function("stepfunctions", AT_ONCE)
    _, calls = account.costs(function, scene.events("TIMED_OUT")[0])
    assert calls == {"PutItem": 2, "RedriveExecution": 1}


def test_a_delayed_redrive_costs_5_calls(account):
    scene = Scene(account, FAIL, SUCCEED)
    function, due = account.function("stepfunctions", LATER), account.function("due", LATER)
    scene.teach(function)
    account.messages()
    _, calls = account.costs(function, scene.events("FAILED")[0])
    assert calls == {"PutItem": 1, "SendMessage": 1}
    _, calls = account.costs(due, {"Records": account.messages()})
    assert calls == {"UpdateItem": 1, "RedriveExecution": 1, "PutItem": 1}
    assert due.wide(1)[0]["calls"] == calls


def test_a_failure_that_is_not_retried_costs_1_call(account):
    scene = Scene(account, FAIL)
    function = account.function("stepfunctions", AT_ONCE.replace("limit: 2", "limit: 2, error: Other"))
    answer, calls = account.costs(function, scene.events("FAILED")[0])
    assert (answer["outcome"], answer["reason"]) == ("gave_up", "unmatched")
    assert calls == {"PutItem": 1}


def test_unrelated_event_costs_no_call(account):
    scene = Scene(account, FAIL)
    failed = scene.events("FAILED")[0]
    running = scene.events("RUNNING")[0]
    elsewhere = json.loads(json.dumps(failed).replace(ACCOUNT, "000000000000"))
    abroad = json.loads(json.dumps(failed).replace(REGION, "us-east-1"))
    other = {**failed, "source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification"}
    function = account.function("stepfunctions", AT_ONCE)
    for event, reason in [
        (running, "running"),
        (elsewhere, "other_account"),
        (abroad, "other_region"),
        (other, "other_source"),
        ({}, "malformed"),
    ]:
        answer, calls = account.costs(function, event)
        assert (answer["outcome"], answer["reason"], calls) == ("ignored", reason, {})
    assert [line["level"] for line in function.wide(5)] == [*["INFO"] * 4, "WARN"], "what is malformed stands out"


def test_a_later_failure_costs_one_call_more(account):
    scene = Scene(account, FAIL, FAIL, SUCCEED)
    function = account.function("stepfunctions", AT_ONCE)
    function.invoke(scene.events("FAILED")[0])
    scene.teach(function)
    scene.end()
    answer, calls = account.costs(function, scene.events("FAILED")[1])
    assert answer["outcome"] == "retried"
    assert calls == {"GetItem": 1, "PutItem": 2, "RedriveExecution": 1}


def test_first_failure_of_a_machine_reads_the_definition_and_one_a_minute_its_revision(account):
    scene = Scene(account, FAIL, SUCCEED)
    function = account.function("stepfunctions", AT_ONCE)
    # Each starts a minute after the previous one.
    for lesson in ["DescribeStateMachineForExecution", "DescribeStateMachine", None, "DescribeStateMachine"]:
        execution = scene.orders.start_and_end(FAIL, SUCCEED)
        _, calls = account.costs(function, scene.events("FAILED", execution)[0])
        # The cache is read first, and written then.
        assert calls == ({lesson: 1, "GetItem": 1, "PutItem": 3} if lesson else {"PutItem": 2}) | {"RedriveExecution": 1}


def test_cached_definition_serves_another_process(account):
    scene = Scene(account, FAIL, SUCCEED)
    scene.teach(account.function("stepfunctions", AT_ONCE))
    execution = scene.orders.start_and_end(FAIL, SUCCEED)
    answer, calls = account.costs(account.function("stepfunctions", AT_ONCE), scene.events("FAILED", execution)[0])
    assert answer["outcome"] == "retried"
    assert calls == {"GetItem": 1, "PutItem": 2, "RedriveExecution": 1}


def test_cached_definition_expires_and_is_read_eventually_consistent(account):
    scene = Scene(account, FAIL, SUCCEED)
    before = time.time()
    account.function("stepfunctions", AT_ONCE).invoke(scene.events("FAILED")[0])
    machine = scene.events("FAILED")[0]["detail"]["stateMachineArn"]
    noted = account.entry("machine#" + machine)
    assert set(noted) == {"pk", "schema", "ttl", "revision", "confirmed"}
    # Whole seconds.
    assert int(before) <= noted["ttl"] - 24 * 3600 <= time.time() + 1
    (read,) = [body for operation, body in account.moto.requests() if operation == "GetItem" and body["TableName"] == account.table]
    assert read["ConsistentRead"] is False


def test_unreadable_cached_definition_is_read_again(account):
    scene = Scene(account, FAIL, SUCCEED)
    key = "machine#" + scene.events("FAILED")[0]["detail"]["stateMachineArn"]
    account.dynamodb.put_item(TableName=account.table, Item={"pk": {"S": key}, "revision": {"S": "later"}})
    answer, calls = account.costs(account.function("stepfunctions", AT_ONCE), scene.events("FAILED")[0])
    assert answer["outcome"] == "retried"
    assert calls == {"DescribeStateMachineForExecution": 1, "GetItem": 1, "PutItem": 3, "RedriveExecution": 1}
    assert "revision" in account.entry(key), "and noted in its place"


def test_a_duplicate_costs_the_one_write_that_is_refused(account):
    scene = Scene(account, FAIL, SUCCEED)
    function = account.function("stepfunctions", AT_ONCE)
    function.invoke(scene.events("FAILED")[0])
    _, calls = account.costs(function, scene.events("FAILED")[0])
    # And a read of the revision, which is cached.
    assert calls == {"PutItem": 2, "GetItem": 1, "DescribeStateMachine": 1}
    _, calls = account.costs(function, scene.events("FAILED")[0])
    assert calls == {"PutItem": 1}


def test_a_thousand_failures_of_one_machine_make_few_scarce_calls(account):
    orders = Orders(account.server)
    account.server.wind(2 * RUN)
    executions = [orders.start(FAIL, SUCCEED) for _ in range(1000)]
    account.server.wind(RUN)
    failed = [one for one in account.server.events() if one["detail"]["status"] == "FAILED"]
    function = account.function("stepfunctions", AT_ONCE)
    for event in failed:
        assert function.invoke(event)["outcome"] == "retried"
    assert account.server.calls("RedriveExecution") == len(executions) == 1000
    scarce = ("DescribeExecution", "GetExecutionHistory", "DescribeStateMachine", "DescribeStateMachineForExecution")
    asked = {name: account.server.calls(name) for name in scarce}
    assert sum(asked.values()) < 10, asked


def test_fail_state_in_the_machine_reads_the_history(account):
    account.server.wind(2 * RUN)
    ended = Orders(account.server, INTO_A_FAIL_STATE).start_and_end({"fail": {"state": "GiveUp"}, "after_ms": RUN * 1000})
    (failed,) = [one for one in account.server.events() if one["detail"]["status"] == "FAILED"]
    answer, calls = account.costs(account.function("stepfunctions", AT_ONCE), failed)
    assert (answer["outcome"], answer["reason"]) == ("gave_up", "fail_state")
    assert calls == {"DescribeStateMachineForExecution": 1, "GetExecutionHistory": 1, "GetItem": 1, "PutItem": 2}
    assert account.entry(ended)["state"] == "given_up"


def test_event_without_redrive_count_costs_a_description(account):
    scene = Scene(account, TIME_OUT, SUCCEED)
    (event,) = scene.events("TIMED_OUT")
    old = {name: value for name, value in event["detail"].items() if not name.startswith("redrive")}
    answer, calls = account.costs(account.function("stepfunctions", AT_ONCE), {**event, "detail": old})
    assert answer["outcome"] == "retried"
    assert calls == {"DescribeExecution": 1, "PutItem": 2, "RedriveExecution": 1}


def test_entry_is_read_consistently(account):
    scene = Scene(account, FAIL, FAIL, SUCCEED)
    function = account.function("stepfunctions", AT_ONCE)
    function.invoke(scene.events("FAILED")[0])
    scene.end()
    function.invoke(scene.events("FAILED")[1])
    reads = [body for operation, body in account.moto.requests() if operation == "GetItem" and body["TableName"] == account.table]
    (read,) = [body for body in reads if body["Key"]["pk"]["S"] == scene.execution]
    assert read["ConsistentRead"] is True


# Modes


def test_observe_mode_records_changes_nothing_and_is_final(account):
    scene = Scene(account, FAIL)
    failed = scene.events("FAILED")[0]
    observing = account.function("stepfunctions", AT_ONCE, mode="observe")
    assert observing.invoke(failed)["outcome"] == "observed"
    assert account.function("stepfunctions", AT_ONCE, mode="act").invoke(failed)["outcome"] == "duplicate"
    assert scene.entry()["state"] == "observed"
    assert (scene.redrives(), scene.standing()) == (0, ("FAILED", 0))


def test_default_mode_is_observe(account):
    scene = Scene(account, FAIL)
    function = account.function("stepfunctions", AT_ONCE, mode="")
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "observed"
    assert function.wide(1)[0]["mode"] == "observe"


def test_off_mode_reads_and_writes_nothing(account):
    scene = Scene(account, FAIL)
    message = {"messageId": "m", "body": json.dumps({"subject": {"execution": {"arn": scene.execution}}, "failure_number": 1})}
    for name, payload in [
        ("stepfunctions", scene.events("FAILED")[0]),
        ("due", {"Records": [message]}),
        ("sweep", {}),
    ]:
        _, calls = account.costs(account.function(name, AT_ONCE, mode="off"), payload)
        assert calls == {}, name


def test_a_ledger_in_memory_needs_no_account_and_calls_nothing(account):
    scene = Scene(account, FAIL)
    keys = dict.fromkeys(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "REDRIVE_QUEUE_URL", "REDRIVE_ACCOUNT"], "")
    function = account.function("stepfunctions", AT_ONCE, mode="", REDRIVE_LEDGER="memory", **keys)
    answer, calls = account.costs(function, scene.events("FAILED")[0])
    assert (answer["outcome"], answer["verdict"]["decision"], answer["needs"]) == ("observed", "retry", ["history"])
    assert calls == {}
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "duplicate"


# Errors


def test_repeated_sdk_call_is_in_the_wide_line(account):
    scene = Scene(account, FAIL, SUCCEED)
    account.server.play("states", "RedriveExecution", THROTTLED)
    function = account.function("stepfunctions", AT_ONCE)
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "retried"
    (line,) = function.wide(1)
    assert (line["calls"]["RedriveExecution"], line["calls_repeated"]) == (2, 1)
    assert scene.standing() == ("RUNNING", 1)


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"AWS_MAX_ATTEMPTS": "1"}, 1),
        ({"AWS_MAX_ATTEMPTS": "2", "AWS_RETRY_MODE": "standard"}, 2),
        ({}, 3),
        ({"AWS_MAX_ATTEMPTS": "8"}, 8),
    ],
)
def test_the_settings_of_the_sdks_own_retries_are_honoured(account, settings, sent):
    scene = Scene(account, FAIL)
    for _ in range(10):
        account.server.play("states", "RedriveExecution", THROTTLED)
    function = account.function("stepfunctions", AT_ONCE, **settings)
    answer = function.invoke(scene.events("FAILED")[0])
    assert (answer["outcome"], answer["call_result"]) == ("backed_off", "throttled")
    assert scene.redrives() == sent


def test_denied_redrive_is_kept_and_made_once_permitted(account):
    scene = Scene(account, FAIL, SUCCEED)
    account.server.play("states", "RedriveExecution", DENIED)
    answer = account.function("stepfunctions", AT_ONCE).invoke(scene.events("FAILED")[0])
    assert (answer["outcome"], answer["call_result"]) == ("backed_off", "access_denied")
    account.set(scene.execution, next_check_at=0, due_at=0)
    assert account.function("sweep", AT_ONCE).invoke({})["requeued"] == 1
    account.function("due", AT_ONCE).invoke({"Records": account.messages()})
    assert scene.standing() == ("RUNNING", 1)


def test_unreachable_ledger_fails_the_function_and_keeps_the_event(account):
    scene = Scene(account, FAIL, SUCCEED)
    failed = scene.events("FAILED")[0]
    lost = account.function("stepfunctions", AT_ONCE, AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:9")
    answer = lost.invoke(failed)
    assert (answer["errorType"], answer["errorMessage"]) == ("Unavailable", "PutItem (no connection): not reachable")
    (line,) = lost.wide(1)
    assert (line["level"], line["kind"]) == ("ERROR", "unavailable")
    assert line["subject"] == {"execution": {"arn": scene.execution}}
    assert scene.redrives() == 0
    assert account.function("stepfunctions", AT_ONCE).invoke(failed)["outcome"] == "retried"


def test_redrive_without_answer_is_settled_by_the_sweep(account):
    scene = Scene(account, FAIL, SUCCEED)
    account.server.play("states", "RedriveExecution", "lose_answer")
    function = account.function("stepfunctions", AT_ONCE, AWS_MAX_ATTEMPTS="1")
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "in_doubt"
    sweep = account.function("sweep", AT_ONCE)
    assert sweep.invoke({})["taken_over"] == 0, "its lease runs"
    account.set(scene.execution, next_check_at=0)
    tick = sweep.invoke({})
    assert tick.pop("discovery")["outcomes"] == {}
    assert tick == {"requeued": 0, "taken_over": 1, "conflicts": 0, "errors": 0, "more": False}
    assert (scene.entry()["state"], scene.redrives()) == ("retried", 1)
    assert [line.get("outcome") for line in sweep.wide(3)] == [None, "confirmed", None]


def test_redrive_that_did_not_arrive_is_made_by_the_sweep(account):
    scene = Scene(account, FAIL, SUCCEED)
    account.server.play("states", "RedriveExecution", "lose_request")
    function = account.function("stepfunctions", AT_ONCE, AWS_MAX_ATTEMPTS="1")
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "in_doubt"
    account.set(scene.execution, next_check_at=0)
    sweep = account.function("sweep", AT_ONCE)
    assert sweep.invoke({})["taken_over"] == 1
    assert sweep.wide(2)[0]["outcome"] == "retried"
    assert (scene.entry()["retries"], scene.standing()) == (1, ("RUNNING", 1))


def test_long_delayed_retry_reads_the_target_first(account):
    scene = Scene(account, FAIL, HANG)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    scene.orders.redrive(scene.execution, "a-person")
    account.set(scene.execution, failed_at=0)
    due = account.function("due", LATER)
    due.invoke({"Records": account.messages()})
    (line,) = due.wide(1)
    assert (line["outcome"], line["reason"], scene.redrives()) == ("gave_up", "target_changed", 1)


def test_wait_for_a_silent_service_ends(account):
    scene = Scene(account, TIME_OUT)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        function = account.function("stepfunctions", AT_ONCE, AWS_ENDPOINT_URL_DYNAMODB=url)
        answer = function.invoke(scene.events("TIMED_OUT")[0])
    assert answer["errorMessage"] == "PutItem (no answer in time): not reachable"
    assert function.wide(1)[0]["calls"] == {"PutItem": 3}, "a try ends after 5 seconds, a call with all its tries after 12"


def test_lost_message_is_requeued_by_the_sweep(account):
    scene = Scene(account, FAIL, SUCCEED)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    (lost,) = account.messages()
    account.set(scene.execution, next_check_at=0)
    assert account.function("sweep", LATER).invoke({})["requeued"] == 1
    due = account.function("due", LATER)
    due.invoke({"Records": account.messages()})
    # The lost message arrives late.
    due.invoke({"Records": [lost]})
    assert [line["outcome"] for line in due.wide(2)] == ["retried", "duplicate"]
    assert scene.redrives() == 1


def test_misconfigured_function_reports_every_mistake_and_stops(account):
    function = account.function("stepfunctions", "version: 2", mode="dry-run", REDRIVE_QUEUE_URL="", AWS_MAX_ATTEMPTS="0")
    assert function.invoke({}) is None
    (line,) = function.errors(1)
    for said in ["REDRIVE_MODE is", "REDRIVE_QUEUE_URL is not set", "cannot be used"]:
        assert said in line["message"]


@pytest.mark.parametrize("level", ["INFO", "DEBUG", "TRACE"])
def test_no_line_holds_text_of_an_execution(account, level):
    secret = {"fail": {"state": "Load", "error": "Secret.Error", "cause": "password hunter2"}, "after_ms": RUN * 1000}
    scene = Scene(account, secret, SUCCEED)
    function = account.function("stepfunctions", AT_ONCE, AWS_LAMBDA_LOG_LEVEL=level)
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "retried"
    function.wide(1)
    written = "".join(function.output) + json.dumps(scene.entry())
    assert "hunter2" not in written and ACCOUNT in written


def test_unreachable_ledger_redelivers_the_message(account):
    scene = Scene(account, FAIL, SUCCEED)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    (message,) = account.messages()
    due = account.function("due", LATER, AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:9")
    answer = due.invoke({"Records": [message]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": message["messageId"]}]}
    assert due.wide(1)[0]["kind"] == "unavailable"


def test_delay_is_spent_in_the_queue(account):
    scene = Scene(account, FAIL, SUCCEED)
    late = LATER.replace("interval_seconds: 1", "interval_seconds: 30")
    assert account.function("stepfunctions", late).invoke(scene.events("FAILED")[0])["outcome"] == "queued"
    assert account.messages(seconds=1) == []


def test_failed_send_is_an_error_and_keeps_the_event(account):
    scene = Scene(account, FAIL, SUCCEED)
    function = account.function("stepfunctions", LATER, AWS_ENDPOINT_URL_SQS="http://127.0.0.1:9")
    assert function.invoke(scene.events("FAILED")[0])["errorType"] == "Unavailable"
    assert scene.entry()["state"] == "queued"


def test_sweep_reports_each_error_and_an_unreachable_ledger(account):
    scene = Scene(account, FAIL, SUCCEED)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    account.set(scene.execution, next_check_at=0)
    sweep = account.function("sweep", LATER, AWS_ENDPOINT_URL_SQS="http://127.0.0.1:9")
    assert sweep.invoke({})["errors"] == 1
    line, tick = sweep.wide(2)
    assert (line["level"], line["subject"]) == ("ERROR", {"execution": {"arn": scene.execution}})
    assert tick["errors"] == 1
    blind = account.function("sweep", LATER, AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:9")
    assert blind.invoke({})["errorType"] == "Unavailable"


def test_unreadable_entry_stops_no_other(account):
    scene = Scene(account, FAIL, SUCCEED)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    account.set(scene.execution, next_check_at=1)
    shard = {"S": scene.entry()["due_shard"]}
    strange = {"pk": {"S": "strange"}, "due_shard": shard, "next_check_at": {"N": "0"}, "state": {"S": "held"}}
    account.dynamodb.put_item(TableName=account.table, Item=strange)
    assert account.function("sweep", LATER).invoke({})["requeued"] == 1

"""Malformed input. Each event, message or entry is reported on one line and stops nothing else, and is tried again only
where that can help."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from emulator import ACCOUNT, REGION
from samcli.yamlhelper import yaml_parse
from subjects import HANG, SUCCEED
from test_codepipeline import Scene as Stage
from test_stepfunctions import AT_ONCE, FAIL, LATER
from test_stepfunctions import Scene as Execution
from test_sweep import sweeping

# Every hostile text contains this, so a log that contains it has copied the text.
MARK = "f0rged"
ESC, CSI, BIDI = "\x1b[2J\x1b[31m", "\x9b2J", "‮⁦"
FORGED = json.dumps({"level": "INFO", "function": "stepfunctions", "outcome": "retried", "message": MARK})
HOSTILE = f"{MARK}{ESC}{CSI}{BIDI}\x00\x7f\x85  \r\n{FORGED}\n{FORGED}\r"
DEEP = "[" * 100_000 + "]" * 100_000
MEGABYTE = MARK + "x" * 1_000_000
TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
SCENES = {"stepfunctions": Execution, "codepipeline": Stage}


def failed(name, account, *then):
    """A scene, and the event of its failure, less than a second old by the function's clock."""
    scene = SCENES[name](account, *then)
    (event,) = scene.events("FAILED")
    return scene, {**event, "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def with_detail(event, raw=None, **members):
    """An event with other members in its detail, or without (...). `raw` is written before them unchanged."""
    detail = {key: value for key, value in {**event["detail"], **members}.items() if value is not ...}
    text = json.dumps({**event, "detail": detail})
    return text.replace('"detail": {', '"detail": {' + raw + ", ", 1).encode() if raw else text.encode()


def is_clean(function):
    """Checks that the log has no hostile text and no control character."""
    written = "".join(function.output)
    assert MARK not in written
    for line in filter(lambda line: line.startswith("{"), function.output):
        assert line.endswith("}\n") and line[:-1].isascii() and line[:-1].isprintable(), ascii(line)


# Inputs that are no event of the two services: the input, its place and problem, or the reason to ignore it.
NO_EVENTS = [
    (b"", "line 1 column 0: the JSON ends before it is complete"),
    (b"  \r\n ", "line 2 column 1: the JSON ends before it is complete"),
    (MARK.encode(), "line 1 column 2: this is not JSON"),
    (b'{"source": "aws.states"', "line 1 column 23: the JSON ends before it is complete"),
    (b'{"source": "f0rged\xff"}', "line 1 column 19: this is not JSON"),
    (b'{"source": "f0rged\x00"}', "line 1 column 18: this is not JSON"),
    (b'{"source": "f0rged\x1b[31m"}', "line 1 column 18: this is not JSON"),
    (b"null", "the event: expected an object"),
    (b"[]", "the event: expected an object"),
    (json.dumps([MARK]).encode(), "the event: expected an object"),
    (json.dumps(HOSTILE).encode(), "the event: expected an object"),
    (b"1e999", "the event: expected an object"),
    (DEEP.encode(), "the event: expected an object"),
    (b"{}", "source: it is missing"),
    (json.dumps({MARK: MEGABYTE}).encode(), "source: it is missing"),
    (json.dumps({HOSTILE: HOSTILE}).encode(), "source: it is missing"),
    (b'{"source": "f0rged", "source": "f0rged"}', "the event: duplicate field `source`"),
    (b'{"source": ["f0rged"]}', "source: expected text, read a list"),
    (b'{"source": "\\ud800f0rged"}', "line 1 column 19: this is not JSON"),
    (json.dumps({"source": HOSTILE, "detail-type": HOSTILE}).encode(), "other_source"),
]
# The same for their details.
NO_DETAILS = {
    "stepfunctions": [
        ({"executionArn": None}, "detail.executionArn: it is missing"),
        ({"executionArn": HOSTILE}, "detail.executionArn: it does not begin with arn:"),
        ({"executionArn": [MARK]}, "detail.executionArn: expected text, read a list"),
        ({"executionArn": f"arn:aws:states:{REGION}:{ACCOUNT}:execution:orders:{HOSTILE}"}, "white space or control characters"),
        ({"executionArn": f"arn:aws:states:{REGION}:{ACCOUNT}:execution:orders:{MARK}{CSI}"}, "white space or control characters"),
        ({"executionArn": f"arn:aws:states:{REGION}:{ACCOUNT}:execution:orders:{MEGABYTE}"}, "it is longer than 256 characters"),
        ({"executionArn": f"arn:aws:states:{'f0rged' * 20}:{ACCOUNT}:execution:a:b"}, "its region is missing or not a word"),
        ({"executionArn": f"arn:aws:states:{REGION}:000000000000:execution:orders:{MARK}"}, "its account is not the one that the event itself names"),
        ({"executionArn": f"arn:aws:states:us-east-1:{ACCOUNT}:execution:orders:{MARK}"}, "its region is not the one that the event itself names"),
        ({"redriveCount": -1}, "detail.redriveCount: expected a whole number from 0 on"),
        ({"redriveCount": 2**32}, "detail.redriveCount: it is too large to be a count"),
        ({"redriveCount": 10**400}, "detail.redriveCount: no text or number can be read from it"),
        ({"redriveCount": MARK}, "detail.redriveCount: expected a number, read text"),
        ({"status": {MARK: MARK}}, "detail.status: expected text, read an object"),
        ({"status": HOSTILE}, "unknown_status"),
        ({"error": {"deep": json.loads("[" * 900 + "]" * 900)}}, "detail.error: expected text, read an object"),
    ],
    "codepipeline": [
        ({"pipeline": HOSTILE}, "detail.pipeline: it is not a name of 1 to 100"),
        ({"pipeline": "../" + MARK}, "detail.pipeline: it is not a name of 1 to 100"),
        ({"stage": MARK + CSI}, "detail.stage: it is not a name of 1 to 100"),
        ({"stage": MEGABYTE}, "detail.stage: it is not a name of 1 to 100"),
        ({"execution-id": f"{MARK}/{MARK}"}, "detail.execution-id: it is not a name of 1 to 100"),
        ({"execution-id": 7}, "detail.execution-id: expected text, read a number"),
        ({"state": [MARK]}, "detail.state: expected text, read a list"),
        ({"state": HOSTILE}, "unknown_status"),
        ({"type": [MARK]}, "detail.type: expected an object"),
    ],
}


@pytest.mark.parametrize("name", SCENES)
def test_malformed_event_is_one_line_and_not_redelivered(account, name):
    scene, event = failed(name, account, *{"stepfunctions": [FAIL, SUCCEED], "codepipeline": [HANG]}[name])
    function = account.function(name, AT_ONCE)
    details = [(with_detail(event, **members), expected) for members, expected in NO_DETAILS[name]]
    broken = [
        (json.dumps({**event, "detail": [MARK]}).encode(), "detail: expected an object"),
        (json.dumps({**event, "detail": HOSTILE}).encode(), "detail: expected an object"),
        (json.dumps({**event, "account": "000000000000"}).encode(), "its account is not the one that the event itself names"),
        (json.dumps({**event, "account": [MARK]}).encode(), "account: expected text, read a list"),
        (with_detail(event, '"status": "f0rged", "state": "f0rged"'), "duplicate field"),
    ]
    table = [*NO_EVENTS, *details, *broken]
    before = account.calls()
    for poison, expected in table:
        answer = function.invoke(poison)
        # An answer and no error: Lambda would deliver an event with an error three times.
        assert "errorType" not in answer, (poison[:200], answer)
        assert answer["outcome"] == "ignored", (poison[:200], answer)
        said = answer.get("malformed", answer["reason"])
        assert expected in said, (poison[:200], answer)
    assert account.calls() == before, "nothing was asked or written for it"
    lines = function.wide(len(table))
    malformed = [line for line in lines if line["reason"] == "malformed"]
    assert [line["level"] for line in lines] == ["WARN" if line in malformed else "INFO" for line in lines]
    assert len(malformed) == len([expected for _, expected in table if expected not in ("other_source", "unknown_status")])
    assert all(line["message"] == f"the event cannot be read: {line['malformed']}" for line in malformed)
    # The process still works afterwards.
    assert function.invoke(event)["outcome"] == "retried"
    is_clean(function)


# Failures with unusual texts, which are judged like any other.
STRANGE = {
    "stepfunctions": [
        ({"cause": HOSTILE}, None),
        ({"error": HOSTILE}, None),
        ({"cause": MEGABYTE}, None),
        ({"input": MEGABYTE, "output": MEGABYTE}, None),
        ({"input": json.dumps({MARK: DEEP})}, None),
        ({"stateMachineArn": HOSTILE, "stateMachineVersionArn": [MARK], "startDate": HOSTILE, "name": HOSTILE}, None),
        ({"input": ...}, f'"input": {DEEP}'),
        ({}, f'"{MARK}": {DEEP}, "{MARK}": 1e999, "n": {"9" * 5000}, "m": -0e-99999, "{MARK}": "\\ud800"'),
        ({}, '"cause\\u0000": "f0rged", "Cause": ["f0rged"]'),
    ],
    "codepipeline": [
        ({"execution-trigger": {"trigger-type": HOSTILE, "trigger-detail": MEGABYTE}}, None),
        ({"version": 3.5, "start-time": HOSTILE, "stop-execution-comments": HOSTILE}, None),
        ({}, f'"{MARK}": {DEEP}, "{MARK}": 1e999, "n": {"9" * 5000}, "{MARK}": "\\ud800"'),
        ({"type": {"category": HOSTILE}, "execution-result": {"external-execution-summary": HOSTILE}}, None),
    ],
}


@pytest.mark.parametrize("name", SCENES)
def test_unusual_text_loses_no_failure(account, name):
    scene, event = failed(name, account, *{"stepfunctions": [FAIL, HANG], "codepipeline": [HANG]}[name])
    function = account.function(name, AT_ONCE)
    for number, (members, raw) in enumerate(STRANGE[name]):
        answer = function.invoke(with_detail(event, raw, **members))
        assert answer["outcome"] == ("retried" if number == 0 else "duplicate"), (list(members), raw and raw[:80], answer)
    function.wide(len(STRANGE[name]))
    is_clean(function)
    assert sum(account.calls()[one] for one in ("RedriveExecution", "RetryStageExecution")) == 1


def retry_message(arn, failure=1, **more):
    return json.dumps({"subject": {"execution": {"arn": arn}}, "failure_number": failure, **more})


def stage_retry_message(arn, execution):
    return json.dumps({"subject": {"stage": {"arn": arn, "execution_id": execution}}, "failure_number": 1})


ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:orders:"
STAGE = f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:shop/"
NO_RETRY_MESSAGES = [
    "",
    MARK,
    HOSTILE,
    MEGABYTE[:262_144],
    DEEP,
    "null",
    "[]",
    json.dumps([{"execution": {"arn": ARN + "a"}}, MARK]),
    json.dumps({"order": MARK}),
    retry_message(ARN + "a")[:-1],
    retry_message(ARN + "a", -1),
    retry_message(ARN + "a", 2**32),
    retry_message(ARN + "a", MARK),
    retry_message(ARN + "a").replace("1}", "1e999}"),
    retry_message(ARN + "a").replace('"failure_number"', '"failure_number": 1, "failure_number"'),
    retry_message(""),
    retry_message(MARK),
    retry_message("checkpoint"),
    retry_message(ARN + HOSTILE),
    retry_message(ARN + MARK + CSI),
    retry_message(ARN + MEGABYTE[:200_000]),
    retry_message(STAGE + "Build"),
    retry_message(ARN.replace("execution:orders", "express:orders") + MARK),
    stage_retry_message(ARN + MARK, "1"),
    stage_retry_message(STAGE + MARK + "/" + MARK, "1"),
    stage_retry_message(STAGE + "Build", MARK + CSI),
    stage_retry_message(STAGE + "Build", MEGABYTE[:200_000]),
]


def test_poison_batch_has_its_one_retry_message_handled(account):
    scene = Execution(account, FAIL, SUCCEED)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    (good,) = account.messages()
    poison = [{**good, "messageId": f"poison-{number}", "body": body} for number, body in enumerate(NO_RETRY_MESSAGES)]
    bodyless = [{**good, "messageId": "null", "body": None}, {"messageId": "none"}]
    bad = [*poison, *bodyless]
    attributes = {
        MARK: {"dataType": f"Binary.{MARK}", "binaryValue": "AAEC", "stringListValues": [], "binaryListValues": []},
        "number": {"dataType": "Number", "stringValue": "9" * 400, "stringListValues": [], "binaryListValues": []},
    }
    due = account.function("due", LATER)
    answer, calls = account.costs(due, {"Records": [*bad, {**good, "messageAttributes": attributes}]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in bad]}
    assert calls == {"UpdateItem": 1, "RedriveExecution": 1, "PutItem": 1}, "what the good one costs"
    *lines, last = due.wide(len(bad) + 1)
    for line, message in zip(lines, bad, strict=True):
        assert (line["level"], line["message_id"]) == ("ERROR", message["messageId"])
        assert line["error"] == "the message is not a retry message"
    assert last["outcome"] == "retried"
    is_clean(due)


def test_retry_message_of_another_account_is_reported_and_deleted(account):
    due = account.function("due", AT_ONCE)
    elsewhere = [retry_message(ARN.replace(ACCOUNT, "000000000000") + "a"), retry_message(ARN.replace(REGION, "us-east-1") + "a")]
    nothing = [retry_message(ARN + "a"), retry_message(ARN + "a", 7, more=HOSTILE), stage_retry_message(STAGE + "Build", "1")]
    bodies = [*elsewhere, *nothing]
    records = [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]
    answer, calls = account.costs(due, {"Records": records})
    assert (answer, calls) == ({"batchItemFailures": []}, {"UpdateItem": len(bodies)})
    assert {(line["outcome"], line["reason"]) for line in due.wide(len(bodies))} == {("ignored", "gone")}
    is_clean(due)


def test_input_without_batch_is_an_error(account):
    due = account.function("due", AT_ONCE)
    payloads = [b"", MARK.encode(), DEEP.encode(), b"[]", b"{}", json.dumps({"Records": HOSTILE}).encode()]
    payloads += [json.dumps({"Records": [{"messageId": number}]}).encode() for number in ([MARK], {MARK: MARK})]
    for payload in payloads:
        answer = due.invoke(payload)
        assert (answer["errorType"], MARK in json.dumps(answer)) == ("Internal", False), answer
    assert {line["error"] for line in due.wide(len(payloads))} == {"the input is not a batch of SQS"}
    assert due.invoke({"Records": []}) == {"batchItemFailures": []}
    is_clean(due)


def test_a_message_that_is_no_retry_message_ends_in_the_dead_letter_queue(account):
    resources = yaml_parse(TEMPLATE.read_text())["Resources"]
    most = resources["DueQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
    dead = account.sqs.create_queue(QueueName=account.queue.rsplit("/")[-1][:70] + "-dead")["QueueUrl"]
    arn = account.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": most})
    account.sqs.set_queue_attributes(QueueUrl=account.queue, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})
    account.sqs.send_message(QueueUrl=account.queue, MessageBody=json.dumps({"order": MARK}))
    due = account.function("due", AT_ONCE)
    tries = 0
    # As an event source mapping does: messages not reported as failed are deleted, and the others become visible again.
    while messages := account.messages(seconds=0):
        answer = due.invoke({"Records": messages})
        assert answer == {"batchItemFailures": [{"itemIdentifier": messages[0]["messageId"]}]}
        tries += 1
        assert tries <= most, "it is delivered for ever"
    kept = account.sqs.receive_message(QueueUrl=dead).get("Messages", [])
    assert (tries, [json.loads(message["Body"]) for message in kept]) == (most, [{"order": MARK}])
    due.wide(most)
    is_clean(due)


def unreadable(key, shard, **attributes):
    return {"pk": {"S": key}, "schema": {"N": "1"}, "due_shard": {"S": shard}, "next_check_at": {"N": "0"}, **attributes}


def test_many_unreadable_entries_stop_no_other(account):
    scene = Execution(account, FAIL, SUCCEED)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    account.set(scene.execution, next_check_at=1)
    # Before the readable one.
    shard = account.entry(scene.execution)["due_shard"]
    strange = [
        unreadable("checkpoint/" + MARK + ESC + CSI, shard, state={"S": HOSTILE}),
        unreadable("a", shard, subject={"S": HOSTILE}, state={"N": "7"}),
        unreadable("b", shard, subject={"M": {"execution": {"M": {"arn": {"S": MARK}}}}}, revision={"N": "1e99"}),
        unreadable("c", shard, **{HOSTILE: {"B": b"\x00\xff"}}, verdict={"L": [{"NULL": True}]}),
        unreadable("d", shard, cause={"S": "x" * 300_000}),
    ]
    # More than one sweep reads.
    strange += [unreadable(f"more-{number}", shard) for number in range(220)]
    for start in range(0, len(strange), 25):
        puts = [{"PutRequest": {"Item": item}} for item in strange[start : start + 25]]
        account.dynamodb.batch_write_item(RequestItems={account.table: puts})
    sweep = account.function("sweep", LATER)
    tick = sweep.invoke({})
    assert (tick["requeued"], tick["unreadable"]) == (1, len(strange))
    # One line for each, and one that counts them.
    expected = sweep.errors(len(strange) + 1)
    (counted,) = [line for line in expected if "function" in line]
    assert counted["error"] == f"BatchGetItem ({len(strange)} due items cannot be read)"
    expected.remove(counted)
    assert {line["message"] for line in expected} == {"BatchGetItem (the item cannot be read): a bug in redrive, please report it"}
    assert sorted(line["key"] for line in expected) == sorted(item["pk"]["S"] for item in strange)
    for line in filter(lambda line: line.startswith("{"), sweep.output):
        assert line[:-1].isascii() and line[:-1].isprintable(), ascii(line)


def test_unreadable_entry_is_an_error_only_for_its_subject(account):
    scene = Execution(account, FAIL, SUCCEED)
    item = {"pk": {"S": scene.execution}, "schema": {"N": "1"}, "state": {"S": HOSTILE}}
    account.dynamodb.put_item(TableName=account.table, Item=item)
    function = account.function("stepfunctions", AT_ONCE)
    # Nothing is retried, and the event stays by redelivery.
    answer = function.invoke(scene.events("FAILED")[0])
    assert (answer["errorType"], scene.redrives()) == ("Internal", 0)
    other = scene.orders.start_and_end(FAIL, SUCCEED)
    assert function.invoke(scene.events("FAILED", other)[0])["outcome"] == "retried"
    is_clean(function)


def test_entry_of_a_newer_version_is_left_alone_until_that_version_is_back(account):
    scene = Execution(account, FAIL, SUCCEED)
    event = scene.events("FAILED")[0]
    function, due, sweep = account.function("stepfunctions", LATER), account.function("due", LATER), sweeping(account, LATER)
    assert function.invoke(event)["outcome"] == "queued"
    messages = account.messages()
    account.set(scene.execution, schema=2, due_at=0, next_check_at=0)
    before = account.entry(scene.execution)
    assert function.invoke(event)["errorType"] == "NewerSchema"
    assert due.invoke({"Records": messages}) == {"batchItemFailures": [{"itemIdentifier": messages[0]["messageId"]}]}
    tick = sweep.invoke({})
    assert (tick["newer_schema"], tick["requeued"], tick["taken_over"]) == (1, 0, 0)
    # One counts the due items, and one is of the search, which finds the failure as well.
    counted, searched = sweep.errors(2)
    assert (counted["error"], counted["kind"]) == ("BatchGetItem (1 due items cannot be read)", "newer_schema")
    assert searched["kind"] == "newer_schema"
    assert (account.entry(scene.execution), scene.redrives()) == (before, 0)
    # As if the version that wrote it were deployed again.
    account.set(scene.execution, schema=1)
    assert due.invoke({"Records": messages}) == {"batchItemFailures": []}
    assert (account.entry(scene.execution)["state"], scene.redrives()) == ("retried", 1)


def test_unreadable_checkpoint_is_reported_each_sweep_and_stops_no_retry(account):
    scene = Execution(account, FAIL, SUCCEED)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    account.set(scene.execution, next_check_at=0)
    item = {"pk": {"S": "checkpoint"}, "schema": {"N": "1"}, "since": {"S": HOSTILE}}
    account.dynamodb.put_item(TableName=account.table, Item=item)
    sweep = sweeping(account, LATER)
    assert sweep.invoke({})["errorType"] == "Internal"
    tick, error = sweep.wide(2)
    assert (tick["requeued"], error["error"]) == (1, "GetItem (the item cannot be read)")
    is_clean(sweep)


def test_sweep_ignores_the_content_of_its_event(account):
    sweep, payloads = sweeping(account), [b"", MARK.encode(), DEEP.encode(), json.dumps({MARK: HOSTILE}).encode()]
    for payload in payloads:
        assert sweep.invoke(payload)["requeued"] == 0
    sweep.wide(len(payloads))
    is_clean(sweep)

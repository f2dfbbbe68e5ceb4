"""A proxy between the functions and the engines that injects faults before or after a request takes effect."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from lambda_runtime import HttpServer

# Longer than the functions wait for the answer of one attempt.
SILENCE_SECONDS = 6

# What goes wrong, how often by comparison, and how many requests in a row: four are more than the SDK tries, and
# twelve more than Lambda does. A request that is throttled has no effect; with everything else it may have had one
# or not. A garbled answer is one that no client knows: of a proxy, a load balancer, or a newer service.
IN_A_ROW = [1, 1, 1, 2, 4, 12]
KINDS = {
    "throttled": (6, IN_A_ROW),
    "failed": (4, IN_A_ROW),
    "cut": (4, IN_A_ROW),
    "silent": (0.6, [1, 1, 3]),
    "killed": (3, [1]),
    "garbled": (4, IN_A_ROW),
}
FAULTS = {f"{kind} {when} effect" for kind in KINDS for when in ("before", "after")} - {"throttled after effect"}

THROTTLES = {
    "DynamoDB_20120810": ["ProvisionedThroughputExceededException", "ThrottlingException"],
    "AmazonSQS": ["RequestThrottled"],
}
HTML = "<html><body>Something answered</body></html>"
GARBLED = [
    *((status, HTML) for status in (200, 302, 400, 401, 403, 404, 407, 408, 429, 502)),
    *((200, body) for body in ("null", "[]", "")),
    (400, '{"__type": "SomethingNew"}'),
    (429, '{"__type": "SomethingNew"}'),
    (400, '{"__type": "RequestAbortedException"}'),
    (408, '{"__type": "RequestTimeoutException"}'),
]
FAILURES = {"DynamoDB_20120810": (500, "InternalServerError")}


@dataclass(frozen=True)
class Fault:
    """The fault of a request: its `kind`, and whether the request takes effect first."""

    kind: str
    after_effect: bool

    def __str__(self):
        return f"{self.kind} {'after' if self.after_effect else 'before'} effect"


class FaultPlan:
    """Draws the faults. The fault of the n-th request of one operation about one subject follows from the seed, in any
    order of requests."""

    def __init__(self, seed, rate):
        self.seed, self.rate = seed, rate
        self.lock, self.met, self.going_on = threading.Lock(), Counter(), {}

    def fault(self, operation, about):
        with self.lock:
            key = (operation, about)
            fault, left = self.going_on.get(key, (None, 0))
            if left and self.rate:
                self.going_on[key] = fault, left - 1
                return fault
            self.met[key] += 1
            drawn = random.Random(f"{self.seed} {operation} {about} {self.met[key]}")
            if drawn.random() >= self.rate:
                return None
            (kind,) = drawn.choices(list(KINDS), [often for often, _ in KINDS.values()])
            fault = Fault(kind, kind != "throttled" and drawn.random() < 0.5)
            self.going_on[key] = fault, drawn.choice(KINDS[kind][1]) - 1
            return fault


def about(body):
    """The subject of a request, for every service."""
    for name in ("Item", "Key"):
        if name in body:
            return body[name]["pk"]["S"]
    names = ("executionArn", "pipelineExecutionId", "MessageBody", "pipelineName", "stateMachineArn")
    return next((str(body[name]) for name in names if name in body), "")


def unconditional(operation, body):
    """The same write without its condition."""
    condition = body.get("ConditionExpression")
    if operation not in ("PutItem", "UpdateItem") or not condition:
        return body
    name = next(iter(body["ExpressionAttributeNames"]))
    always = f"({condition}) OR attribute_exists({name}) OR attribute_not_exists({name})"
    return {**body, "ConditionExpression": always}


def one_token_for_all(operation, body):
    """The same redrive with a token that does not depend on the failure."""
    return {**body, "clientToken": "one"} if operation == "RedriveExecution" else body


class Proxy:
    """Forwards by X-Amz-Target to engines, `{"DynamoDB_20120810": "http://…", …}`. What `fault_plan` says goes wrong
    does; `kill` is called with the session token of the process to kill; `distort` makes of an operation and its
    body what is forwarded."""

    def __init__(self, engines, fault_plan, kill=lambda token: None, distort=lambda operation, body: body):
        self.engines, self.fault_plan, self.kill, self.distort = engines, fault_plan, kill, distort
        self.calls, self.faults, self.lock = Counter(), Counter(), threading.Lock()
        proxy = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    answer = proxy.pass_on(self.headers, body)
                except Cut:
                    self.close_connection = True
                    return
                self.send(*answer)

            def send(self, status, headers, body):
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    # The client is dead, or did not wait.
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = HttpServer(Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.close()

    def pass_on(self, headers, body):
        """Status, headers and body of an answer."""
        service, operation = headers["X-Amz-Target"].split(".")
        content = json.loads(body)
        fault = self.fault_plan.fault(operation, about(content))
        with self.lock:
            self.calls[operation] += 1
            if fault:
                self.faults[str(fault)] += 1
        if not fault:
            return self.forward(service, operation, headers, content)
        if fault.after_effect:
            self.forward(service, operation, headers, content)
        return self.spoilt(fault, service, headers)

    def spoilt(self, fault, service, headers):
        if fault.kind == "throttled":
            code = random.choice(THROTTLES.get(service, ["ThrottlingException"]))
            return wrong(400, code)
        if fault.kind == "failed":
            return wrong(*FAILURES.get(service, (503, "ServiceUnavailable")))
        if fault.kind == "garbled":
            status, body = random.choice(GARBLED)
            content_type = "text/html" if body in (HTML, "") else "application/x-amz-json-1.0"
            return status, {"Content-Type": content_type}, body.encode()
        if fault.kind == "killed":
            self.kill(headers["X-Amz-Security-Token"])
        if fault.kind == "silent":
            time.sleep(SILENCE_SECONDS)
        raise Cut

    def forward(self, service, operation, headers, content):
        engine = self.engines[service].removeprefix("http://")
        connection = http.client.HTTPConnection(engine, timeout=60)
        try:
            kept = {name: headers[name] for name in ("X-Amz-Target", "Content-Type", "Authorization", "X-Amz-Date")}
            connection.request("POST", "/", json.dumps(self.distort(operation, content)), kept)
            answer = connection.getresponse()
            names = ("Content-Type", "x-amzn-requestid", "x-amzn-query-error")
            kept = {name: answer.headers[name] for name in names if name in answer.headers}
            return answer.status, kept, answer.read()
        finally:
            connection.close()


class Cut(Exception):
    """No answer: the connection ends."""


def wrong(status, code):
    body = json.dumps({"__type": code, "message": "on purpose"}).encode()
    return status, {"Content-Type": "application/x-amz-json-1.0"}, body

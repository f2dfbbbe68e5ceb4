"""The two servers of a function, Lambda's Runtime API and AWS. Both stamp the time. They share one asyncio
thread and do as little as possible, since all figures include their time."""

import asyncio
import json
import threading
import time

# The answers of AWS, by the header that names the operation.
MACHINE = json.dumps({"StartAt": "Load", "States": {"Load": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}}})
DESCRIBED = {"definition": MACHINE, "name": "bench", "roleArn": "arn:aws:iam::111122223333:role/any", "revisionId": "1"}
MACHINE_ARN = "arn:aws:states:eu-west-1:111122223333:stateMachine:bench"
ANSWERS = {
    "DynamoDB_20120810.PutItem": {},
    "DynamoDB_20120810.GetItem": {},
    # Consecutive events are a storm: each reservation takes twenty slots, and always succeeds.
    "DynamoDB_20120810.UpdateItem": {"Attributes": {"ends": {"N": "0"}}},
    "AWSStepFunctions.RedriveExecution": {"redriveDate": 1795140720.0},
    "AWSStepFunctions.DescribeStateMachineForExecution": {**DESCRIBED, "stateMachineArn": MACHINE_ARN, "updateDate": 1700000000.0},
    "AWSStepFunctions.DescribeStateMachine": {
        **DESCRIBED,
        "stateMachineArn": MACHINE_ARN,
        "creationDate": 1700000000.0,
        "status": "ACTIVE",
        "type": "STANDARD",
    },
}


class Connection(asyncio.Protocol):
    """HTTP/1.1, one request after another."""

    def __init__(self, answer):
        self.answer, self.buffer = answer, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = self.body(headers, rest)
        if body is None:
            return
        self.buffer = b""
        method, path, _ = first.split(" ")
        self.answer(self, method, path, headers, body)

    @staticmethod
    def body(headers, rest):
        """The whole body, once it has arrived."""
        if headers.get("transfer-encoding") == "chunked":
            if not rest.endswith(b"0\r\n\r\n"):
                return None
            body = b""
            while size := int(rest[: (line := rest.index(b"\r\n"))], 16):
                body += rest[line + 2 : line + 2 + size]
                rest = rest[line + 4 + size :]
            return body
        length = int(headers.get("content-length", 0))
        return rest if len(rest) >= length else None

    def send(self, status, body, **headers):
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


class Servers:
    """Both servers, for one function at a time."""

    def __init__(self, tls):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.runtime = self.call(self.listen(self.invocation, None))
        self.services = {
            (service, scheme): self.call(self.listen(self.operation, context))
            for service in ("DYNAMODB", "SFN", "SQS", "CODEPIPELINE")
            for scheme, context in (("http", None), ("https", tls))
        }
        self.begin()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    async def listen(self, answer, context):
        server = await self.loop.create_server(lambda: Connection(answer), "127.0.0.1", 0, ssl=context)
        return server.sockets[0].getsockname()[1]

    def begin(self):
        """Forgets the previous function."""
        self.waiting, self.polled, self.answered = None, threading.Event(), threading.Event()
        self.stamp, self.answer, self.failed, self.calls = 0.0, None, False, []

    def environment(self, scheme):
        urls = {f"AWS_ENDPOINT_URL_{service}": f"{scheme}://127.0.0.1:{port}" for (service, one), port in self.services.items() if one == scheme}
        return {**urls, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.runtime}"}

    # The Runtime API

    def invocation(self, connection, method, path, headers, body):
        now = time.perf_counter()
        if path.endswith("/next"):
            self.stamp, self.waiting = now, connection
            self.polled.set()
            return
        self.stamp, self.answer, self.failed = now, body, not path.endswith("/response")
        connection.send(202, b"")
        self.answered.set()

    def poll(self, seconds=60):
        """The time of the function's next poll."""
        assert self.polled.wait(seconds), "the function never asked for an event"
        self.polled.clear()
        return self.stamp

    def hand_out(self, event):
        """The seconds from an event to its answer, and the calls between them."""
        self.calls, body = [], json.dumps(event).encode()

        def send():
            self.began = time.perf_counter()
            self.waiting.send(
                200,
                body,
                Content_Type="application/json",
                Lambda_Runtime_Aws_Request_Id="8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                Lambda_Runtime_Deadline_Ms=int(time.time() * 1000) + 60_000,
                Lambda_Runtime_Invoked_Function_Arn="arn:aws:lambda:eu-west-1:111122223333:function:bench",
                Lambda_Runtime_Trace_Id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
            )

        self.answered.clear()
        self.loop.call_soon_threadsafe(send)
        assert self.answered.wait(60), "the function never answered"
        assert not self.failed, f"the function failed: {self.answer}, having called {self.calls}"
        return self.stamp - self.began, [name.split(".")[-1] for name in self.calls]

    # AWS

    def operation(self, connection, method, path, headers, body):
        name = headers.get("x-amz-target", f"{method} {path}")
        self.calls.append(name)
        known = name in ANSWERS
        answer = ANSWERS[name] if known else {"__type": "UnknownOperationException", "message": name}
        kind = "application/x-amz-json-1.0"
        connection.send(200 if known else 400, json.dumps(answer).encode(), Content_Type=kind, x_amzn_RequestId="bench")

"""What the functions weigh, and how soon they ask for their first event.

    sam build
    REDRIVE_BUILD=.aws-sam/build pytest -s tests/doors/measure.py

Absolute times are of the machine; the no-op program beside them, `true`, says what starting anything costs here.
"""

import io
import json
import os
import statistics
import subprocess
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from emulator import REGION
from subjects import FAIL, RUN, SUCCEED, Orders

STARTS = 30
EVENTS = 200
POLICY = "{ version: 1, retry: { automatic: { id: any, limit: 2, backoff: { interval_seconds: 0 } } } }"


class RuntimeApi:
    """Lambda's Runtime API, which stamps the time of each poll and hands out the events it was given."""

    def __init__(self, events=()):
        self.polls, self.events, self.done = [], list(events), threading.Event()
        api = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                api.polls.append(time.perf_counter())
                if not api.events:
                    api.done.set()
                    time.sleep(3600)
                body = json.dumps(api.events.pop(0)).encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", f"request-{len(api.polls)}")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:111122223333:function:f")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def run(self, bootstrap, environment):
        """Seconds from the start to the first poll, and the process's peak memory in MB once all is done."""
        began = time.perf_counter()
        process = subprocess.Popen(
            [bootstrap],
            env={
                **environment,
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": "f",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "AWS_LAMBDA_FUNCTION_VERSION": "1",
            },
            stdout=subprocess.DEVNULL,
        )
        try:
            assert self.done.wait(timeout=120), f"it ended with {process.poll()}"
            with open(f"/proc/{process.pid}/status") as status:
                peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
            return self.polls[0] - began, peak / 1024
        finally:
            process.kill()
            process.wait()


def test_measure(account, bootstraps):
    policy = account.tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    environment = {
        "REDRIVE_MODE": "act",
        "REDRIVE_LEDGER": account.table,
        "REDRIVE_QUEUE_URL": account.queue,
        "REDRIVE_POLICY": str(policy),
        "REDRIVE_ACCOUNT": "111122223333",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_ENDPOINT_URL": account.moto.url,
        "AWS_ENDPOINT_URL_SFN": account.server.url,
        "AWS_ENDPOINT_URL_CODEPIPELINE": account.server.url,
    }
    starts = {name: [] for name in bootstraps}
    nothing = []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run(["true"])
        nothing.append(time.perf_counter() - began)
        for name, bootstrap in bootstraps.items():
            starts[name].append(RuntimeApi().run(bootstrap, environment)[0])

    orders = Orders(account.server)
    account.server.wind(2 * RUN)
    for _ in range(EVENTS):
        orders.start(FAIL, SUCCEED)
    account.server.wind(RUN)
    failed = [one for one in account.server.events() if one["detail"]["status"] == "FAILED"]
    _, peak = RuntimeApi(failed).run(bootstraps["stepfunctions"], environment)
    assert account.server.calls("RedriveExecution") == EVENTS

    print(f"\nstarting `true`: {statistics.median(nothing) * 1000:.1f} ms")
    print("| function | bootstrap KB | zip KB | start to first poll, median of", STARTS, "ms |")
    print("| --- | --- | --- | --- |")
    for name, bootstrap in bootstraps.items():
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(bootstrap, "bootstrap")
        size, small = os.path.getsize(bootstrap) // 1024, len(packed.getvalue()) // 1024
        print(f"| {name} | {size:,} | {small:,} | {statistics.median(starts[name]) * 1000:.1f} |")
    print(f"peak memory of stepfunctions after {EVENTS} redrives: {peak:.1f} MB")

"""The real Lambda runtime locally: AWS's Runtime Interface Emulator around a real bootstrap."""

import importlib.util
import json
import os
import platform
import queue
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from emulator import die_with_parent


def interface_emulator():
    """The emulator that ships inside the SAM CLI."""
    found = importlib.util.find_spec("samcli")
    assert found, "aws-sam-cli is not installed: pip install -r tests/lambda/requirements.txt"
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    path = Path(found.submodule_search_locations[0], "local", "rapid", f"aws-lambda-rie-{machine}")
    path.chmod(0o755)
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, f"it ended with {process.returncode} before it listened"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError(f"nothing listens on {port} after {seconds} s")


class Function:
    """A function under the emulator. Its first invocation starts it, and it stays warm."""

    def __init__(self, process, port):
        self.process, self.port, self.output = process, port, []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line)

    def invoke(self, payload):
        """The function's answer. An error is {"errorType", "errorMessage"}, as the
        service reports it. A function that does not start gives no answer."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError:
            return None

    def lines(self):
        """The JSON lines that the function itself wrote."""
        parsed = (line for line in self.output if line.startswith("{"))
        return [json.loads(line) for line in parsed]

    def wide(self, count):
        """Its wide lines, once there are `count`. More lines are a failure."""
        return self._once(count, lambda line: "function" in line)

    def errors(self, count):
        """Its error lines, once there are `count`."""
        return self._once(count, lambda line: line.get("level") == "ERROR")

    def _once(self, count, wanted):
        until = time.monotonic() + 10
        while len(found := [line for line in self.lines() if wanted(line)]) < count and time.monotonic() < until:
            time.sleep(0.01)
        assert len(found) == count, "".join(self.output)
        return found


@contextmanager
def running(bootstrap, **environment):
    """A bootstrap with this environment and the variables of Lambda."""
    port, api = free_port(), free_port()
    address = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{api}"]
    process = subprocess.Popen(
        [interface_emulator(), *address, bootstrap],
        env={
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_FUNCTION_NAME": "function",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_parent,
    )
    try:
        wait_for_port(port, process)
        yield Function(process, port)
    finally:
        process.kill()
        process.wait()


class HttpServer(ThreadingHTTPServer):
    """A server on a free port that ignores broken connections, since its clients may be killed."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def close(self):
        self.shutdown()
        self.server_close()


class RuntimeApi:
    """Lambda's Runtime API. It delivers the given events, each with `seconds` until its deadline, and stamps the time
    of each poll. `ahead`: the seconds by which the client's clock is ahead of the machine's."""

    def __init__(self, events=(), seconds=30, ahead=0):
        self.polls, self.answers, self.events, self.done = [], [], queue.SimpleQueue(), threading.Event()
        # Once for each answer.
        self.answered = threading.Semaphore(0)
        for event in events:
            self.events.put(event)
        api = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                api.polls.append(time.perf_counter())
                if api.events.empty():
                    api.done.set()
                event = api.events.get()
                if event is None:
                    self.close_connection = True
                    return
                body = json.dumps(event).encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", f"request-{len(api.polls)}")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + ahead + seconds) * 1000)))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:111122223333:function:f")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                api.answers.append(json.loads(self._body()))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                api.answered.release()

            def _body(self):
                length = self.headers["Content-Length"]
                if length:
                    return self.rfile.read(int(length))
                chunks = []
                while size := int(self.rfile.readline(), 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(chunks)

            def log_message(self, *_):
                pass

        self.server = HttpServer(Answer)

    def start(self, bootstrap, environment, **options):
        """A process that polls here for its events."""
        return subprocess.Popen(
            [bootstrap],
            env={
                **environment,
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": "f",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "AWS_LAMBDA_FUNCTION_VERSION": "1",
            },
            **options,
        )

    def close(self):
        """Delivers no more events."""
        self.events.put(None)
        self.server.close()

    def run(self, bootstrap, environment):
        """Seconds from the start to the first poll, and the process's peak memory in MB once all is done."""
        began = time.perf_counter()
        process = self.start(bootstrap, environment, stdout=subprocess.DEVNULL)
        try:
            assert self.done.wait(timeout=120), f"it ended with {process.poll()}"
            with open(f"/proc/{process.pid}/status") as status:
                peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
            return self.polls[0] - began, peak / 1024
        finally:
            process.kill()
            process.wait()

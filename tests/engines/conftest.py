"""The engines: Amazon's DynamoDB Local, moto's SQS, `redrive serve`; and a clock that is set ahead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "serve"), str(HERE.parent / "doors")]

from desk import binary, bootstraps, moto, session  # noqa: E402, F401
from emulator import die_with_parent, serving  # noqa: E402
from lambda_runtime import free_port, wait_for_port  # noqa: E402


@pytest.fixture(scope="session")
def dynamodb_local():
    """The URL of Amazon's own engine, in memory, from where the ledger's contract keeps it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    lib = cache / "redrive-ci/dynamodb-local/lib"
    if not lib.is_dir():
        pytest.exit(f"{lib} is not there; `cargo test -p redrive-aws --test dynamodb` fetches it", returncode=2)
    port = free_port()
    process = subprocess.Popen(
        ["java", f"-Djava.library.path={lib}", "-cp", f"{lib}/*"]
        + ["software.amazon.dynamodb.services.local.main.ServerRunner"]
        + ["-inMemory", "-disableTelemetry", "-port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    try:
        wait_for_port(port, process, seconds=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def clock(tmp_path_factory):
    """A library that sets the wall clock of a process ahead. `cc` is there wherever Rust links."""
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", made, HERE / "clock.c"], check=True)
    return made


@pytest.fixture
def server(binary, session):  # noqa: F811
    with serving(binary, session) as server:
        yield server

"""What every test against a running `redrive serve` begins with."""

import os

import boto3
import pytest
from emulator import serving


@pytest.fixture(scope="session")
def binary():
    path = os.environ.get("REDRIVE_BIN", "")
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        pytest.exit(
            f"REDRIVE_BIN must name the redrive program, and is {path!r}. "
            "Build it with `cargo build`, then set REDRIVE_BIN=target/debug/redrive.",
            returncode=2,
        )
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def session():
    """A boto3 session that nobody's own AWS settings reach."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield boto3.Session()


@pytest.fixture
def server(binary, session):
    with serving(binary, session) as server:
        yield server

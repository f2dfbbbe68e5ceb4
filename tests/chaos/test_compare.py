"""The comparison itself, on tables: agreement, and each kind of difference."""

import pytest
from compare import Truth, compared, token

ARN = "arn:aws:states:eu-west-1:111122223333:execution:orders:run-1"
STAGE = "arn:aws:codepipeline:eu-west-1:111122223333:shop/Build/00000000-0000-4000-8000-000000000000"


def row(name, state, decision="retry", reason="matched"):
    kind = {"redrive_count": name} if isinstance(name, int) else {"failed_actions": [name]}
    return {"failure_id": kind, "state": state, "verdict": {"decision": decision, "reason": reason}}


def entry(retries, *rows):
    *attempts, latest = rows
    return {**latest, "attempts": attempts, "retries": retries}


def redriven(*counts):
    return [token(ARN, count) for count in counts]


RETRIED, GIVEN_UP = row(0, "retried"), row(1, "given_up", "give_up", "limit_spent")
AGREES = [
    (ARN, Truth([0], "SUCCEEDED", redriven(0), 2), entry(1, RETRIED)),
    (ARN, Truth([0], "SUCCEEDED", redriven(0), 2), entry(1, RETRIED, row(1, "recovered"))),
    (ARN, Truth([0, 1], "FAILED", redriven(0), 1), entry(1, RETRIED, GIVEN_UP)),
    (ARN, Truth([0, 1], "SUCCEEDED", redriven(0, 1), 2), entry(2, row(0, "in_doubt"), row(1, "recovered"))),
    (ARN, Truth([0], "FAILED", [], 0), entry(0, row(0, "given_up", "give_up", "unmatched"))),
    (STAGE, Truth(["a", "b"], "FAILED", [None], 1), entry(1, row("a", "retried"), row("b", "given_up", "give_up"))),
]
DOUBLE = [
    # The token of one failure twice: the second redrive hit the next failure.
    (ARN, Truth([0, 1], "SUCCEEDED", redriven(0, 0), 2), entry(2, RETRIED, row(1, "retried"))),
    # More retries than charged, and more than allowed.
    (ARN, Truth([0, 1], "SUCCEEDED", redriven(0, 1), 2), entry(1, RETRIED, row(1, "retried"))),
    (ARN, Truth([0, 1], "SUCCEEDED", redriven(0, 1), 1), entry(2, RETRIED, row(1, "retried"))),
    (STAGE, Truth(["a", "b"], "SUCCEEDED", [None, None], 2), entry(1, row("a", "retried"), row("b", "given_up"))),
    # Retried, but not in the ledger.
    (ARN, Truth([0, 1], "SUCCEEDED", redriven(0, 1), 2), entry(2, RETRIED, row(1, "given_up", reason="target_changed"))),
]
LOST = [
    (ARN, Truth([0], "FAILED", [], 2), None),
    (ARN, Truth([0, 1], "FAILED", redriven(0), 2), entry(1, RETRIED)),
    # Retried in the ledger only, or still queued.
    (ARN, Truth([0, 1], "FAILED", redriven(0), 2), entry(2, RETRIED, row(1, "retried"))),
    *((ARN, Truth([0], "FAILED", [], 2), entry(1, row(0, state))) for state in ("queued", "acting", "in_doubt")),
    (STAGE, Truth(["a", "b"], "FAILED", [None], 2), entry(1, row("a", "retried"))),
]


CASES = [
    *((set(), *case) for case in AGREES),
    *(({"double"}, *case) for case in DOUBLE),
    *(({"lost"}, *case) for case in LOST),
]


@pytest.mark.parametrize(("kinds", "key", "truth", "said"), CASES)
def test_differences_of_ledger_and_record(kinds, key, truth, said):
    assert {kind for kind, _, _ in compared({key: truth}, {key: said} if said else {})} == kinds

"""Compares the ledger with the emulator's own record of calls: double redrives and lost failures."""

import hashlib
from dataclasses import dataclass, field


@dataclass
class Truth:
    """The emulator's record of a subject: its failures in order, its status, and the retries that took effect, each with
    its token, oldest first. `limit` is the maximum that the policy allows."""

    failures: list
    standing: str
    effects: list = field(default_factory=list)
    limit: int = 0


def token(arn, redrive_count):
    """The token of one failure of an execution, computed here independently."""
    made = hashlib.sha256()
    for part in (b"clientToken", arn.encode(), redrive_count.to_bytes(4, "big")):
        made.update(len(part).to_bytes(8, "big") + part)
    return made.hexdigest()


def recorded(entry):
    """The decision, state and reason of each failure of a subject in the ledger, by failure_id."""
    said = {}
    for one in [*entry.get("attempts", []), entry] if entry else []:
        failure_id = one["failure_id"]
        names = [failure_id["redrive_count"]] if "redrive_count" in failure_id else failure_id["failed_actions"]
        reason = one.get("reason") or one["verdict"]["reason"]
        for name in names:
            # A queued retry in doubt may have been made.
            state = "in_doubt" if one.get("in_doubt") and one["state"] == "queued" else one["state"]
            said.setdefault(name, (one["verdict"]["decision"], state, reason))
    return said


def compared(truths, entries):
    """All differences as `(kind, subject, words)`. `double`: an uncharged retry, or one that hit another failure. `lost`: a
    failure without a final entry."""
    wrong = []
    for key, truth in truths.items():
        entry = entries.get(key)
        said = recorded(entry)
        charged = (entry or {}).get("retries", 0)
        if len(truth.effects) > min(charged, truth.limit):
            words = f"{len(truth.effects)} retries took effect, {charged} were charged, {truth.limit} are allowed"
            wrong.append(("double", key, words))
        for number, used in enumerate(truth.effects):
            if used is not None and used != token(key, number):
                wrong.append(("double", key, f"retry {number} bears the token of another failure"))
        for number, failure in enumerate(truth.failures):
            decision, state, reason = said.get(failure, (None, None, None))
            retried = number < len(truth.effects)
            if decision is None:
                words = "no entry knows of failure"
            elif retried and (decision != "retry" or state in ("queued", "given_up", "observed")):
                words = f"{decision}, {state}, says the ledger, and it was retried: failure"
            elif not retried and state not in ("given_up", "terminated"):
                words = f"{decision}, {state}, says the ledger, and it was not retried: failure"
            else:
                continue
            wrong.append(("double" if decision and retried else "lost", key, f"{words} {number} of {truth.standing}"))
    return wrong

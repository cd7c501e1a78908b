"""A verification as JUnit XML, for build servers: one case per thing that was checked."""

from whitesquare.provenance.changes import read_changes
from whitesquare.provenance.types import KINDS
from whitesquare.provenance.verify import Verification
from whitesquare.report.common import formats
from whitesquare.report.common.junit import JunitCase, JunitSuite, write_junit
from whitesquare.report.verify.text import described, headline

_FIRST = 20


def verification_junit(found: Verification) -> str:
    """Write a verification as JUnit XML; where the statement is not to be believed, the rest is skipped."""
    refused = "\n".join(formats.visible(f"{id} {reason}") for id, reason in list(found.refused.items())[:_FIRST])
    named = bool(found.refused) or any(found.counts.values())
    checked = {
        **{f"no sample {kind}": _named(found, kind) for kind in KINDS},
        "plain files only": refused,
        "classes and shape as signed": "" if found.ok or named else found.reason,
    }
    cases = [
        _case("signed, trusted and no older than before", "" if found.compared else found.reason),
        *(_case(name, failure, skipped=not found.compared) for name, failure in checked.items()),
    ]
    return write_junit(JunitSuite("whitesquare verify", cases, found.seconds, headline(found)))


def _named(found: Verification, kind: str) -> str:
    if found.changes is None or not found.counts[kind]:
        return ""
    shown = [formats.visible(described(one)) for one in read_changes(found.changes, kind, limit=_FIRST)]
    return "\n".join([f"{found.counts[kind]} {kind}; the first:", *shown])


def _case(name: str, failure: str, *, skipped: bool = False) -> JunitCase:
    if skipped:
        return JunitCase("whitesquare.verify", name, "skipped", "nothing was compared")
    if not failure:
        return JunitCase("whitesquare.verify", name)
    lines = failure.splitlines()
    return JunitCase("whitesquare.verify", name, "failure", lines[0], text="\n".join(lines))

"""Whether data are what was kept when something was removed, as text and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from whitesquare.provenance.evidence import RemovedEvidence
from whitesquare.report.common.formats import plain, plural, quoted
from whitesquare.report.common.shown import Shown


def shown(said: RemovedEvidence, signers: Sequence[str], problems: Sequence[str]) -> list[Shown]:
    """Show what a check found.

    Args:
        said: what is signed.
        signers: names of the trusted keys that signed it.
        problems: what is not as it says; none where all is.
    """
    by = "by what people decided" if said.decisions else "by the tiers of the scan"
    gone = f"{plural(said.removed, 'sample')} {'was' if said.removed == 1 else 'were'} removed"
    lines = [
        f"Signed by {', '.join(map(quoted, signers))}: {gone}, {by}, and what is left was kept, at {said.finished}.",
        *problems,
    ]
    if not problems:
        sizes = ", ".join(
            f"{plural(one.size, 'sample')} of the split {quoted(name)}" for name, one in said.kept.items()
        )
        lines.append(f"The data are what was kept, sample by sample: {sizes}.")
    return [plain(line) for line in lines]


def removal_json(said: RemovedEvidence, signers: Sequence[str], problems: Sequence[str]) -> str:
    """Write what a check found."""
    return json.dumps(
        {"ok": not problems, "problems": [*problems], "signers": [*signers], "said": asdict(said)}, indent=2
    )

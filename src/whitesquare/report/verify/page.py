"""A verification as one self-contained page: is it the signed data set, and if not, what became of which sample."""

from dataclasses import dataclass
from itertools import islice

from whitesquare.provenance.changes import count_moves, read_changes
from whitesquare.provenance.types import Change
from whitesquare.provenance.verify import Verification
from whitesquare.records import Made
from whitesquare.report.common import formats, html
from whitesquare.report.common.made import shown_made
from whitesquare.report.verify.text import MEANINGS, headline, moved

_SHOWN = 100
_PLAIN = {
    "changed": "other bytes under a signed name",
    "added": "nobody vouches for them",
    "removed": "signed, and not there",
    "relabelled": "signed content in another class",
    "renamed": "signed content, another name or split",
}


@dataclass(frozen=True)
class _Kind:
    name: str
    count: int
    meaning: str
    moves: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]


def render_verification(found: Verification, made: Made | None = None, again: str = "") -> str:
    """Render the page: without script, and every name in it as text.

    Args:
        found: what was found.
        made: when and how.
        again: the command that was given, to be repeated with ``-o``.
    """
    said = formats.plain(headline(found))
    rest = said.partition(": ")[2]
    page = html.environment().get_template("verify/page.html.j2")
    text = page.render(
        **html.style(),
        v=found,
        made_by=shown_made(made),
        headline=said,
        title=_title(found),
        lead=f"{rest[:1].upper()}{rest[1:]}" + ("" if found.compared else " The data were not compared with it."),
        tiles=[(kind, count, _PLAIN[kind]) for kind, count in found.counts.items()],
        kinds=[_kind(found, kind, count) for kind, count in found.counts.items() if count],
        refused=list(islice(found.refused.items(), _SHOWN)),
        again=again,
        facts=_facts(found),
    )
    return html.clean(text)


def _title(found: Verification) -> str:
    if found.ok:
        return "This is the signed data set"
    if found.compared:
        return "This is not the signed data set"
    return "Not verified: what is signed cannot be relied on"


def _kind(found: Verification, kind: str, count: int) -> _Kind:
    assert found.changes is not None  # noqa: S101 - what is counted is named
    lines = tuple(_line(one) for one in read_changes(found.changes, kind, limit=_SHOWN))
    moves = [moved(old, new, n) for (what, old, new), n in count_moves(found.changes).items() if what == kind]
    return _Kind(kind, count, MEANINGS[kind], tuple(moves), lines)


def _line(one: Change) -> tuple[str, tuple[str, ...]]:
    signed = formats.short(one.label, 60) if one.label and one.kind != "added" else formats.MISSING
    now = formats.short(one.new_label, 60) if one.new_label and one.kind != "removed" else formats.MISSING
    renamed = formats.short(one.new_id, 80) if one.new_id not in ("", one.id) else formats.MISSING
    return (one.new_id if one.kind == "added" else one.id), (signed, now, renamed)


def _facts(found: Verification) -> list[tuple[str, str]]:
    if found.predicate is None:
        return []
    dataset = found.predicate.dataset
    signers = ", ".join(key.name + (f" ({key.role})" if key.role else "") for key in found.signers)
    return [
        ("data set", f"version {dataset.version} of {dataset.id}"),
        ("signed by", signers),
        ("signed at", f"{found.predicate.signed[:16].replace('T', ' ')} UTC"),
        ("manifest", found.manifest),
        ("root", found.predicate.tree.root),
    ]

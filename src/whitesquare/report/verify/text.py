"""A verification in words: the verdict, what became of which sample, what that means and what to do next."""

import json
import shlex
from collections.abc import Iterable, Iterator
from itertools import islice
from textwrap import wrap
from typing import Any

from whitesquare.provenance.changes import count_moves, count_same_pixels, read_changes
from whitesquare.provenance.types import KINDS, Change
from whitesquare.provenance.verify import Verification
from whitesquare.report.common import formats
from whitesquare.report.common.shown import Shown, laid_out

WIDTH = 80
FIRST = 10
"""Samples of a kind that are named; a file can hold all."""

MEANINGS = {
    "changed": "Other bytes stand under a signed name. Restore them from where the signed ones are kept.",
    "added": "Nobody vouches for what was added. Remove it.",
    "removed": "Signed samples are missing. Restore them.",
    "relabelled": "The same images stand in another class: a model would learn another label. Move them back.",
    "renamed": "Content and class are the signed ones, name or split are not. Move them back.",
}
"""By kind of change, what it means and what to do."""
_BATCH = 1000


def headline(found: Verification) -> str:
    """Say it in one line."""
    if not found.ok:
        return f"NOT VERIFIED: {found.reason}"
    assert found.predicate is not None  # noqa: S101 - what is verified is stated
    return f"VERIFIED: this is {_dataset(found)}: {formats.plural(found.predicate.tree.size, 'item')}."


def lines(found: Verification, again: str = "") -> list[str]:
    """Write a verification for a terminal of 80 columns.

    Args:
        found: what was found.
        again: the command that was given, to be repeated with ``-o``.
    """
    shown = _wrapped(headline(found), 2000)
    if found.predicate is not None:
        shown += _about(found)
    if not found.compared:
        shown += ["", *_wrapped("The data were not compared with it.", 200)]
    for kind, count in found.counts.items():
        if count:
            shown += ["", *_kind(found, kind, count)]
    if found.refused:
        shown += ["", "What was not read, for it is no plain file under a name of its own, or too large:"]
        shown += [_cut(f"  {id} {reason}") for id, reason in islice(found.refused.items(), FIRST)]
        shown += _rest(len(found.refused))
    for warning in found.warnings:
        shown += ["", *_wrapped(warning, 500)]
    if not found.ok and found.compared:
        shown += ["", *_next(again)]
    return shown


def shown(found: Verification, again: str = "") -> list[Shown]:
    """Show a verification."""
    return laid_out(lines(found, again))


def _about(found: Verification) -> list[str]:
    assert found.predicate is not None  # noqa: S101 - asked for only where it is
    predicate = found.predicate
    signers = ", ".join(key.name + (f" ({key.role})" if key.role else "") for key in found.signers)
    return [
        _cut(f"signed by {signers}, {predicate.signed[:16].replace('T', ' ')} UTC"),
        _cut(f"manifest: {found.manifest}"),
        _cut(f"root: {predicate.tree.root}"),
    ]


def _dataset(found: Verification) -> str:
    assert found.predicate is not None  # noqa: S101 - asked for only where it is
    dataset = found.predicate.dataset
    return f"version {dataset.version} of {dataset.id}"


def _kind(found: Verification, kind: str, count: int) -> list[str]:
    assert found.changes is not None and found.predicate is not None  # noqa: S101, PT018 - what is counted is named
    positional = found.predicate.content.positional
    shown = [f"{kind} ({formats.count(count)})"]
    shown += [
        _cut(f"  {described(one)}") for one in read_changes(found.changes, kind, limit=FIRST, shifted=not positional)
    ]
    moves = {(old, new): number for (what, old, new), number in count_moves(found.changes).items() if what == kind}
    shifted = count - sum(moves.values()) if positional and kind == "renamed" else 0
    shown += _rest(count - shifted)
    if shifted:
        text = (
            f"{formats.count(shifted)} lie at another position, because samples before them were removed, added or "
            "moved; content and class of each are the signed ones."
        )
        shown += _wrapped(text, 500)
    if count > shifted:
        shown += _wrapped(MEANINGS[kind], 200)
    for (old, new), number in moves.items():
        shown += _wrapped(moved(old, new, number), 300)
    if kind == "changed" and (same := count_same_pixels(found.changes)[0]):
        shown += _wrapped(f"{formats.count(same)} of them show the same pixels: they were only encoded anew.", 200)
    return shown


def moved(old: str, new: str, number: int) -> str:
    """Say how many samples went from one split to another, and what that spoils."""
    names = [name or "outside the splits" for name in (old, new)]
    text = f"{formats.count(number)} moved from {names[0]} to {names[1]}"
    return f"{text}: a model trained on test images is measured on what it has seen." if new == "train" else f"{text}."


def described(change: Change) -> str:
    """Write a change in one line."""
    moved = f"{change.id} -> {change.new_id}" if change.new_id != change.id else change.id
    if change.kind == "relabelled":
        return f"{change.id}: {_label(change.label)} -> {_label(change.new_label)}" + (
            f", now {change.new_id}" if change.new_id != change.id else ""
        )
    if change.kind == "renamed":
        return moved + (f", {change.split} -> {change.new_split}" if change.split != change.new_split else "")
    if change.kind == "changed":
        return moved + ("  (same pixels)" if change.same_pixels else "")
    return f"{change.id}  ({_label(change.new_label if change.kind == 'added' else change.label)})"


def _label(name: str) -> str:
    return name or "no sample"


def _rest(count: int) -> list[str]:
    return [f"  ... and {formats.count(count - FIRST)} more"] if count > FIRST else []


def _next(again: str) -> list[str]:
    shown = _wrapped(
        "Do not train on it. If everything above is meant, attest it as the next version; else find out "
        "who changed it.",
        300,
    )
    if again:
        shown += ["All of it, as a table:", f"  {again} -o parquet=changes.parquet"]
    return shown


def command(source: str, bundle: str, trust: str) -> str:
    """Write the command of a verification."""
    return f"whitesquare verify {shlex.quote(source)} --bundle {shlex.quote(bundle)} --trust {shlex.quote(trust)}"


def verification_json(found: Verification) -> Iterator[str]:
    """Write a verification as JSON, piece by piece: the lists may be longer than memory."""
    predicate = found.predicate
    record: dict[str, Any] = {
        "ok": found.ok,
        "reason": found.reason,
        "source": found.source,
        "dataset": predicate and {"id": predicate.dataset.id, "version": predicate.dataset.version},
        "manifest": found.manifest or None,
        "root": predicate and predicate.tree.root,
        "signers": [{"name": key.name, "keyid": key.keyid, "role": key.role} for key in found.signers],
        "counts": found.counts,
        "classes_added": found.classes_added,
        "classes_removed": found.classes_removed,
        "refused": found.refused,
        "warnings": found.warnings,
        "seconds": round(found.seconds, 3),
    }
    yield json.dumps(record, indent=1)[:-2]
    for kind in (*KINDS, "same_pixels"):
        yield f',\n "{kind}": ['
        separator = "\n  "
        for some in _batches(_entries(found, kind)):
            yield separator + ",\n  ".join(map(json.dumps, some))
            separator = ",\n  "
        yield "]" if separator == "\n  " else "\n ]"
    yield "\n}\n"


def _entries(found: Verification, kind: str) -> Iterator[str | list[str]]:
    if found.changes is None:
        return
    if kind == "same_pixels":
        yield from (one.id for one in read_changes(found.changes, "changed", same_pixels=True))
        return
    for one in read_changes(found.changes, kind):
        if kind == "relabelled":
            yield [one.id, one.label, one.new_label]
        else:
            yield [one.id, one.new_id] if kind == "renamed" else one.id


def _batches(entries: Iterable[str | list[str]]) -> Iterator[list[str | list[str]]]:
    entries = iter(entries)
    while some := list(islice(entries, _BATCH)):
        yield some


def _wrapped(text: str, limit: int) -> list[str]:
    return wrap(formats.plain(formats.short(text, limit)), WIDTH)


def _cut(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return indent + formats.plain(formats.short(line, WIDTH - len(indent)))

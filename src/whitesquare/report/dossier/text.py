"""A dossier and its verification in words: what a terminal shows in 80 columns."""

import json
from dataclasses import asdict
from textwrap import wrap

from whitesquare.auditing.types import SECTIONS, Dossier, DossierStatement, KeyRecord
from whitesquare.auditing.verify import SAME, DossierCheck
from whitesquare.report.common import formats
from whitesquare.report.common.shown import Shown, laid_out

WIDTH = 80
_MOST = 40
"""Files or statements that are named; the JSON has all."""


def standing(one: DossierStatement) -> str:
    """Say in a word or two on what a statement rests."""
    if not one.shown:
        return "not shown"
    return "signed" if one.signed else "unsigned"


def people(signers: tuple[KeyRecord, ...]) -> str:
    """Name who signed, with the role of each."""
    named = [f"{formats.short(key.name)} ({formats.short(key.role) if key.role else 'no role'})" for key in signers]
    return ", ".join(named) or "nobody"


def shown(dossier: Dossier, files: tuple[str, ...]) -> list[Shown]:
    """Show what a dossier says, section by section, and where it was written."""
    lines = [*_wrapped(dossier.headline, ""), ""]
    for name, title in SECTIONS.items():
        lines.append(title)
        for one in dossier.statements:
            if one.section == name:
                lines += _wrapped(f"{one.text} ({standing(one)})" if one.shown else one.text, "  ")
                lines += [f"    {one.command}"] if one.command else []
    for problem in dossier.problems[:_MOST]:
        lines += ["", *_wrapped(f"Cannot be used: {problem.problem}", "")]
    return laid_out([*lines, "", *_wrapped(f"Written: {', '.join(files)}", "")])


def checked(found: DossierCheck) -> list[Shown]:
    """Show what a verification found: the verdict, and every file that is not as it was."""
    same = sum(one.state == SAME for one in found.files)
    lines = [headline(found), f"made {found.made}, fingerprint {found.fingerprint[:16]}"]
    lines.append(f"{same} of {len(found.files)} files are as they were")
    if found.signers:
        lines += _wrapped(f"signed by {people(found.signers)}", "")
    else:
        lines += _wrapped("Nobody signed it: what it says is nobody's word. Make it with --key.", "")
    for one in [one for one in found.files if one.state != SAME][:_MOST]:
        lines += ["", *_wrapped(f"{one.state}: {formats.short(one.name, 200)}", "")]
        lines += [f"  expected {one.expected or 'none'}", f"  found    {one.found or 'none'}"]
    for said in found.differing[:_MOST]:
        lines += [
            "",
            *_wrapped(f"{said.id} does not follow from the files here: {said.said or 'nothing was said'}", ""),
        ]
        lines += _wrapped(f"now: {said.now or 'nothing is said'}", "  ")
    if found.other_version:
        told = f"It was made by {formats.short(found.other_version, 60)}: digests were compared, and no sentences."
        lines += ["", *_wrapped(told, "")]
    return laid_out(lines)


def headline(found: DossierCheck) -> str:
    """Say it in one line."""
    if found.ok:
        return "VERIFIED: the dossier is signed, and every file it rests on is as it was"
    if not found.only_missing:
        wrong = [one.name for one in found.wrong] or [one.id for one in found.differing]
        return formats.plain(formats.short(f"NOT VERIFIED: {', '.join(wrong)}", WIDTH))
    what = ", ".join(one.name for one in found.missing) or "a signature"
    return formats.plain(formats.short(f"NOT VERIFIED: what is missing is {what}", WIDTH))


def check_json(found: DossierCheck) -> str:
    """Write a verification as JSON."""
    record = {"format": "whitesquare dossier check 1", "ok": found.ok, "headline": headline(found), **asdict(found)}
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _wrapped(text: str, indent: str) -> list[str]:
    shown_text = formats.plain(formats.short(text, 1500))
    return wrap(shown_text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ") or [indent]

"""The page of a dossier: one HTML file that prints to A4, with every statement beside what it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from whitesquare.auditing.types import SECTIONS, ControlRow, Dossier, DossierStatement, EvidenceFile
from whitesquare.records import Estimate
from whitesquare.report.common import formats, html, style
from whitesquare.report.common.drawing import Figure
from whitesquare.report.common.values import Value
from whitesquare.report.dossier.text import people, standing

_FACTS = 60
"""Details of one statement that the page shows; the JSON has all."""
_GROUPS = 6
"""Groups of bars in one picture: as many as fit on a page of A4 with what stands around it."""
_DRAWN = {"power": "What the scan saw of each attack", "removed": "Before and after the removal"}
"""Sections whose shares are drawn, and what the picture shows."""


@dataclass(frozen=True)
class ShownStatement:
    """A statement as the page shows it.

    Attributes:
        said: the statement.
        standing: on what it rests, in a word or two.
        figures: name, value with its interval, number and method.
        facts: the first of its details.
        more: how many more there are.
        rests: file, the first characters of its digest, and who signed it.
    """

    said: DossierStatement
    standing: str
    figures: tuple[tuple[str, Value, str], ...]
    facts: tuple[tuple[str, str], ...]
    more: int
    rests: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class ShownSection:
    """A section: its name, its heading, its statements, and its pictures with what each shows."""

    name: str
    title: str
    statements: tuple[ShownStatement, ...]
    pictures: tuple[tuple[str, str], ...]


def render_dossier(dossier: Dossier) -> str:
    """Render the page: self-contained, without script, every name in it as text."""
    files = {one.name: one for one in dossier.files}
    numbers = {one.id: number for number, one in enumerate(dossier.statements)}
    sections = [
        ShownSection(
            name,
            title,
            tuple(_statement(numbers[one.id], one, files) for one in dossier.statements if one.section == name),
            _pictures(name, dossier),
        )
        for name, title in SECTIONS.items()
    ]
    template = html.environment().get_template("dossier/page.html.j2")
    page = template.render(
        **html.style(),
        d=dossier,
        sections=sections,
        problems=dossier.problems,
        controls=[(one, _parts(one)) for one in dossier.controls],
        files=[(one, people(one.signers)) for one in dossier.files],
        keys=list(dict.fromkeys(key for one in dossier.files for key in one.signers)),
    )
    return html.clean(page)


def _statement(number: int, one: DossierStatement, files: dict[str, EvidenceFile]) -> ShownStatement:
    facts = tuple(one.facts.items())
    return ShownStatement(
        said=one,
        standing=standing(one),
        figures=tuple(_figure(number, place, found) for place, found in enumerate(one.figures)),
        facts=facts[:_FACTS],
        more=max(0, len(facts) - _FACTS),
        rests=tuple((rest.file, rest.sha256, _vouched(files.get(rest.file))) for rest in one.rests),
    )


def _parts(row: ControlRow) -> list[tuple[str, str, int, int]]:
    """Return the sections that serve a control: name, heading, statements shown, and how many there are."""
    every = [*row.shown, *row.not_shown]
    found = []
    for name, title in SECTIONS.items():
        shown, total = (sum(one.startswith(f"{name}.") for one in ids) for ids in (row.shown, every))
        found += [(name, title, shown, total)] if total else []
    return found


def _vouched(file: EvidenceFile | None) -> str:
    return f"signed by {people(file.signers)}" if file is not None and file.signers else "unsigned"


def _figure(number: int, place: int, found: Estimate) -> tuple[str, Value, str]:
    field = f"statements.{number}.figures.{place}.value"
    text = formats.interval(found.value, found.low, found.high)
    return found.name, Value(text, formats.as_json(found.value), field), f"n = {formats.count(found.n)}; {found.method}"


def _pictures(section: str, dossier: Dossier) -> tuple[tuple[str, str], ...]:
    """Draw the shares of a section; a picture is never longer than a printed page."""
    if section not in _DRAWN:
        return ()
    groups: dict[str, list[Estimate]] = {}
    for one in (found for said in dossier.statements if said.section == section for found in said.figures):
        groups.setdefault(one.name.rpartition(": ")[0] or one.name, []).append(one)
    names = list(groups)
    parts = [names[start : start + _GROUPS] for start in range(0, len(names), _GROUPS)]
    pictures = []
    for number, part in enumerate(parts, start=1):
        title = f"{_DRAWN[section]}, in per cent{f' ({number} of {len(parts)})' if len(parts) > 1 else ''}"
        drawn = share_chart({name: groups[name] for name in part}, title)
        uri = html.uri("image/svg+xml", style.save(drawn, "svg"))
        pictures.append((uri, f"{title}: bars with 95 % intervals; the numbers are in the tables below."))
    return tuple(pictures)


def share_chart(groups: Mapping[str, Sequence[Estimate]], title: str) -> Figure:
    """Draw shares as bars with their intervals, in groups; those of one kind have one colour, and a legend says which.

    Args:
        groups: by label, its shares; one that is called ``label: kind`` is of that kind.
        title: of the picture.
    """
    kinds = list(dict.fromkeys(_kind(one) for found in groups.values() for one in found))
    with style.sheet():
        figure = style.new_figure(0.9 + 0.24 * len(kinds) + 0.26 * sum(map(len, groups.values())))
        axes = figure.subplots()
        ticks, y = [], 0.0
        for found in groups.values():
            ticks.append(y + (len(found) - 1) / 2)
            for one in found:
                axes.barh(y, one.value, 0.8, color=style.SERIES[kinds.index(_kind(one)) % len(style.SERIES)])
                axes.plot([one.low, one.high], [y, y], color=style.INK, lw=1.2)
                y += 1
            y += 0.6
        axes.set_yticks(ticks, [style.label(name, i + 1, 28) for i, name in enumerate(groups)])
        axes.set(xlim=(0, 1.02), ylim=(y - 1, -0.8))
        style.in_per_cent(axes.xaxis)
        axes.grid(axis="x", color=style.LINE, lw=0.6)
        style.bare(axes)
        style.title(figure, title)
        if any(kinds):
            for i, kind in enumerate(kinds):
                axes.bar(0, 0, color=style.SERIES[i % len(style.SERIES)], label=style.label(kind, i + 1, 60))
            figure.legend(loc="outside lower left", frameon=False, fontsize=8.5)
        return figure


def _kind(one: Estimate) -> str:
    return one.name.rpartition(": ")[2] if ": " in one.name else ""

"""SARIF 2.1.0, for code scanning: what a run says as plain records, and the one way to write them.

Every text is escaped here, so that no name of a stranger becomes a link, and every place is relative to one base.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import whitesquare
from whitesquare._base.taxonomy import ATLAS, DATA_POISONING, OWASP, Term
from whitesquare.report.common import formats

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LOCATIONS = 100
"""Locations written per result: code scanning shows no more; the whole list is in the JSON output."""
FINGERPRINT = "whitesquareContent/v1"
"""Kind of the fingerprints that are made of what samples hold."""

_MARKUP = re.compile(r"[\\\[\]]")
_PLACES = {ATLAS: "https://atlas.mitre.org/", OWASP: DATA_POISONING.url}


@dataclass(frozen=True)
class SarifRule:
    """A rule: words of its name joined by ``-``, one sentence, all of it, and what to do; ``terms`` of taxonomies."""

    id: str
    name: str
    summary: str
    text: str
    help: str
    level: str
    tags: Sequence[str]
    terms: Sequence[Term] = ()


@dataclass(frozen=True)
class SarifPlace:
    """A sample or file below the base of the run (``None`` for none), a named part of some kind (or none), or both."""

    id: str | None = None
    name: str = ""
    kind: str = ""
    text: str = ""


@dataclass(frozen=True)
class SarifResult:
    """One finding of a rule at one place or more; ``accepted`` holds why it does not count, by all who said so."""

    rule: str
    level: str
    text: str
    places: Sequence[SarifPlace]
    fingerprint: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    accepted: Sequence[str] = ()


@dataclass(frozen=True)
class SarifNote:
    """What happened to the tool itself; ``rule`` is the id of the one that it concerns, if it concerns one."""

    level: str
    text: str
    rule: str = ""


@dataclass(frozen=True)
class SarifRun:
    """Everything one run says.

    Attributes:
        tool: its name.
        rules: all that could have a result.
        results: what was found.
        fingerprints: kind of the fingerprints.
        base: what places are relative to, in one word; ``base_text`` says it in a sentence.
        headline: the run in one line.
        properties: what else a program may want.
        successful: whether the tool did all it was to do.
        notes: what happened to the tool; ``None`` for one that keeps none.
    """

    tool: str
    rules: Sequence[SarifRule]
    results: Sequence[SarifResult]
    fingerprints: str
    base: str
    base_text: str
    headline: str
    properties: Mapping[str, Any]
    successful: bool = True
    notes: Sequence[SarifNote] | None = None


def write_sarif(run: SarifRun) -> str:
    """Write a SARIF log with one run."""
    position = {rule.id: i for i, rule in enumerate(run.rules)}
    listed = _taxonomies(term for rule in run.rules for term in rule.terms)
    driver: dict[str, Any] = {
        "name": run.tool,
        "semanticVersion": whitesquare.__version__,
        "version": whitesquare.__version__,
        "rules": [_rule(rule, listed) for rule in run.rules],
    }
    if listed:
        driver["supportedTaxonomies"] = [{"name": one["name"], "index": i} for i, one in enumerate(listed)]
    invocation: dict[str, Any] = {
        "executionSuccessful": run.successful,
        "exitCodeDescription": formats.plain(formats.short(run.headline, 500)),
    }
    if run.notes is not None:
        invocation["toolExecutionNotifications"] = [_note(note, position) for note in run.notes]
    record = {
        "tool": {"driver": driver},
        **({"taxonomies": listed} if listed else {}),
        "invocations": [invocation],
        "originalUriBaseIds": {run.base: {"description": _text(run.base_text)}},
        "results": [_result(result, position, run) for result in run.results],
        "properties": run.properties,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [record]}
    return json.dumps(log, indent=1, allow_nan=False) + "\n"


def _rule(rule: SarifRule, listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": _text(rule.summary),
        "fullDescription": _text(rule.text),
        "help": _text(rule.help),
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": list(rule.tags)},
        **({"relationships": _relationships(rule.terms, listed)} if rule.terms else {}),
    }


def _result(result: SarifResult, position: Mapping[str, int], run: SarifRun) -> dict[str, Any]:
    accepted = [{"kind": "external", "status": "accepted", "justification": _escape(why)} for why in result.accepted]
    return {
        "ruleId": result.rule,
        "ruleIndex": position[result.rule],
        "level": result.level,
        "message": _text(result.text),
        "locations": [_place(place, run.base) for place in result.places],
        "partialFingerprints": {run.fingerprints: result.fingerprint},
        **({"properties": result.properties} if result.properties else {}),
        **({"suppressions": accepted} if accepted else {}),
    }


def _place(place: SarifPlace, base: str) -> dict[str, Any]:
    record: dict[str, Any] = {}
    if place.id is not None:
        record["physicalLocation"] = {"artifactLocation": {"uri": sample_uri(place.id), "uriBaseId": base}}
    if place.name:
        record["logicalLocations"] = [{"name": place.name, "kind": place.kind}]
    return record | ({"message": _text(place.text)} if place.text else {})


def _note(note: SarifNote, position: Mapping[str, int]) -> dict[str, Any]:
    about = {"associatedRule": {"id": note.rule, "index": position[note.rule]}} if note.rule else {}
    return {"level": note.level, "message": _text(note.text), **about}


def sample_uri(sample: str) -> str:
    """Write a sample id as a relative reference: nothing in it can become a scheme, a host or a step upwards."""
    try:
        content = sample.encode("utf-8", "surrogateescape")  # the bytes of the file name, where they are not UTF-8
    except UnicodeEncodeError:
        content = sample.encode("utf-8", "surrogatepass")
    parts = quote(content, safe="/").split("/")
    steps = {".": "%252E", "..": "%252E%252E"}  # encoded twice: encoded once, a reader may still take the step
    return "/".join(steps.get(part, part) for part in parts).lstrip("/") or "-"


def _text(text: str) -> dict[str, str]:
    return {"text": _escape(text)}


def _escape(text: str) -> str:
    """Keep brackets from becoming links: SARIF reads ``[text](target)`` in messages."""
    return _MARKUP.sub(lambda found: "\\" + found[0], text)


def _taxonomies(terms: Iterable[Term]) -> list[dict[str, Any]]:
    """Return one taxonomy per source, with these terms sorted by id."""
    used = sorted(set(terms), key=lambda term: term.id)
    return [
        {
            "name": source,
            "organization": source.split()[0],
            "informationUri": place,
            "shortDescription": {"text": f"{source}: the entries used here"},
            "isComprehensive": False,
            "taxa": [
                {"id": term.id, "name": term.name, "helpUri": term.url, "shortDescription": {"text": term.name}}
                for term in used
                if term.source == source
            ],
        }
        for source, place in _PLACES.items()
        if any(term.source == source for term in used)
    ]


def _relationships(terms: Iterable[Term], listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Point at terms in the taxonomies that :func:`_taxonomies` returned."""
    place = {taxon["id"]: (i, at) for i, one in enumerate(listed) for at, taxon in enumerate(one["taxa"])}
    found = []
    for term in terms:
        index, at = place[term.id]
        target = {"id": term.id, "index": at, "toolComponent": {"name": term.source, "index": index}}
        found.append({"target": target, "kinds": ["relevant"]})
    return found

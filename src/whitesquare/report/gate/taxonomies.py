"""What the rules of a gate guard against, in the names of MITRE ATLAS and OWASP, as taxonomies of SARIF."""

from collections.abc import Iterable
from typing import Any

from whitesquare._base.taxonomy import (
    ATLAS,
    DATA_POISONING,
    DATASET_PROVENANCE,
    MANIPULATE_MODEL,
    MODEL_POISONING,
    OWASP,
    POISON_MODEL,
    POISON_TRAINING_DATA,
    SUPPLY_CHAIN,
    SUPPLY_CHAIN_DATA,
    VERIFY_ARTIFACTS,
    Term,
)

OF_SECTION: dict[str, tuple[Term, ...]] = {
    "": (VERIFY_ARTIFACTS, SUPPLY_CHAIN),
    "data": (SUPPLY_CHAIN_DATA, DATASET_PROVENANCE, DATA_POISONING, SUPPLY_CHAIN),
    "scan": (POISON_TRAINING_DATA, DATASET_PROVENANCE, DATA_POISONING),
    "training": (POISON_MODEL, VERIFY_ARTIFACTS, DATASET_PROVENANCE, SUPPLY_CHAIN, MODEL_POISONING),
    "measure": (MANIPULATE_MODEL, POISON_MODEL, MODEL_POISONING),
}
"""By section of a gate's policy."""
_PLACES = {ATLAS: "https://atlas.mitre.org/", OWASP: DATA_POISONING.url}


def taxonomies(terms: Iterable[Term]) -> list[dict[str, Any]]:
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


def relationships(terms: Iterable[Term], listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Point at terms in the taxonomies that :func:`taxonomies` returned."""
    place = {
        taxon["id"]: (index, at, taxonomy["name"])
        for index, taxonomy in enumerate(listed)
        for at, taxon in enumerate(taxonomy["taxa"])
    }
    found = []
    for term in terms:
        index, at, name = place[term.id]
        target = {"id": term.id, "index": at, "toolComponent": {"name": name, "index": index}}
        found.append({"target": target, "kinds": ["relevant"]})
    return found

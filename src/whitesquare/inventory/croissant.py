"""Croissant 1.1 metadata: a data set whose manifest is a file with a SHA-256, its images, its samples as records.

Croissant has no place for the digest of every image; the manifest, whose digest it holds, does. Responsible-AI fields
say what is known, and nothing else.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from whitesquare.inventory.facts import NOT_VERIFIED, Facts
from whitesquare.provenance.types import BUNDLE, Source

VERSION = "http://mlcommons.org/croissant/1.1"
_IMAGES, _SAMPLES, _CLASSES = "images", "samples", "classes"
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
_COLUMNS = {
    "id": ("sc:Text", "Path below the root of the data set, or position in it."),
    "label": ("sc:Text", "Class name; empty for a file that is no sample."),
    "split": ("sc:Text", "train or test; empty for a file that is no sample."),
    "size": ("sc:Integer", "Bytes of the content."),
}

Record = dict[str, Any]


def croissant(facts: Facts, folder: Path) -> str:
    """Write Croissant metadata.

    Args:
        facts: what is there.
        folder: where its manifest lies.
    """
    signed = facts.dataset
    record: Record = {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": signed.dataset.id,
        "description": _description(facts),
        "version": f"{signed.dataset.version}.0.0",
        "datePublished": signed.signed,
        "url": f"urn:sha256:{facts.manifest.sha256}",
        "isLiveDataset": False,
        "identifier": {"@type": "PropertyValue", "propertyID": signed.tree.algorithm, "value": signed.tree.root},
        "additionalProperty": _properties(facts),
        "distribution": _distribution(facts, folder),
        "recordSet": [_classes(signed.classes), _samples(facts.manifest.name)],
        "rai:dataLimitations": _limits(facts),
    }
    if signed.expires:
        record["rai:dataReleaseMaintenancePlan"] = f"This version must not be used after {signed.expires}."
    if people := [{"@type": "Person", "name": key.name} for key in facts.data_signers]:
        record["creator"] = people
    _add_sources(record, signed.sources)
    if facts.model:
        record["prov:hadDerivation"] = {
            "@id": f"urn:sha256:{facts.model.sha256}",
            "@type": "prov:Entity",
            "prov:label": facts.model.name,
        }
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def _context() -> Record:
    """Return the context of the specification, and PROV."""
    croissant_terms = (
        *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject"),
        *("fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
        *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
        *("separator", "source", "subField", "transform"),
    )
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "prov": "http://www.w3.org/ns/prov#",
        "sc": "https://schema.org/",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "description": {"@container": "@language"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "name": {"@container": "@language"},
        **{term: f"cr:{term}" for term in croissant_terms},
    }


def _description(facts: Facts) -> str:
    splits = ", ".join(f"{tree.size} samples in {name}" for name, tree in facts.dataset.splits.items())
    return f"Labelled images of {len(facts.dataset.classes)} classes: {splits}. Every one is listed in the manifest."


def _properties(facts: Facts) -> list[Record]:
    values = {
        "signature": facts.signatures.get(BUNDLE, NOT_VERIFIED),
        "leaf": facts.dataset.tree.leaf,
        "size": facts.dataset.tree.size,
        "previous": facts.dataset.dataset.previous,
        "scan": facts.scan.verdict if facts.scan else "none",
    }
    return [
        {"@type": "PropertyValue", "name": f"whitesquare:{name}", "value": value}
        for name, value in values.items()
        if value is not None
    ]


def _distribution(facts: Facts, folder: Path) -> list[Record]:
    manifest: Record = {
        "@type": "cr:FileObject",
        "@id": facts.manifest.name,
        "name": facts.manifest.name,
        "description": "Every sample: id, label, split, size and SHA-256.",
        "contentUrl": facts.manifest.name,
        "contentSize": f"{facts.manifest.bytes} B",
        "encodingFormat": "application/x-parquet",
        "sha256": facts.manifest.sha256,
    }
    suffixes = image_suffixes(folder / facts.manifest.name) if facts.dataset.content.kind == "files" else []
    if not suffixes:
        return [manifest]
    images = {
        "@type": "cr:FileSet",
        "@id": _IMAGES,
        "name": _IMAGES,
        "description": "The images, by paths below the root of the data set; their digests are in the manifest.",
        "encodingFormat": sorted({_TYPES.get(suffix.lower(), "application/octet-stream") for suffix in suffixes}),
        "includes": [f"**/*{suffix}" for suffix in suffixes],
    }
    return [manifest, images]


def image_suffixes(manifest: Path) -> list[str]:
    """Return the suffixes of the samples' files, from a manifest whose digest was checked."""
    import duckdb

    query = r"SELECT DISTINCT regexp_extract(id, '\.[A-Za-z0-9]+$') AS suffix FROM read_parquet(?) WHERE split <> ''"
    # A file of others must not make it fetch and load an extension.
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(config=settings) as connection:
        found = connection.execute(f"{query} ORDER BY suffix", [str(manifest)]).fetchall()
    return [suffix for (suffix,) in found if suffix]


def _classes(classes: tuple[str, ...]) -> Record:
    name = f"{_CLASSES}/name"
    return {
        "@type": "cr:RecordSet",
        "@id": _CLASSES,
        "name": _CLASSES,
        "description": "The class names, in the order of their labels.",
        "dataType": "sc:Enumeration",
        "key": {"@id": name},
        "field": [{"@type": "cr:Field", "@id": name, "name": "name", "dataType": "sc:Text"}],
        "data": [{name: label} for label in classes],
    }


def _samples(manifest: str) -> Record:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{_SAMPLES}/{column}",
            "name": column,
            "description": said,
            "dataType": kind,
            "source": {"fileObject": {"@id": manifest}, "extract": {"column": column}},
        }
        for column, (kind, said) in _COLUMNS.items()
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": _SAMPLES,
        "name": _SAMPLES,
        "description": "One record per sample, and per file that is no sample.",
        "field": fields,
    }


def _limits(facts: Facts) -> str:
    found = facts.scan
    scanned = "No scan for poison came with it."
    if found:
        scanned = f"A scan for poison of {found.size} samples, finished {found.finished}, came to: {found.verdict}."
    if found and found.reference:
        scanned += f" It was told that {found.reference.size} other samples are clean."
    return f"{scanned} A signature says who vouches for these bytes and labels, not that no poison is in them."


def _add_sources(record: Record, sources: tuple[Source, ...]) -> None:
    if not sources:
        return
    record["prov:wasDerivedFrom"] = [_entity(source) for source in sources]
    if licences := list(dict.fromkeys(source.licence for source in sources if source.licence)):
        record["license"] = licences
    if times := list(dict.fromkeys(source.collected for source in sources if source.collected)):
        record["rai:dataCollection"] = f"Collected: {', '.join(times)}."


def _entity(source: Source) -> Record:
    entity: Record = {"@id": _address(source.uri), "@type": "prov:Entity", "prov:label": source.uri}
    if source.sha256:
        entity["sha256"] = source.sha256
    if source.licence:
        entity["license"] = source.licence
    return entity


def _address(uri: str) -> str:
    """Return an IRI: what is a name and no address becomes a URN."""
    safe = quote(uri, safe=":/?#[]@!$&'()*+,;=%~")
    return safe if ":" in safe.partition("/")[0] else f"urn:whitesquare:source:{quote(uri, safe='')}"

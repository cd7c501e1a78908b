"""A bill of materials in CycloneDX 1.6: the data set and the model, by the digests that are signed.

Confirmed findings of a scan are vulnerabilities of the data set; the model trained on it is in triage, for nobody has
tried the trigger on that very model.
"""

import json
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import whitesquare
from whitesquare._base.taxonomy import (
    DATA_POISONING,
    DATASET_PROVENANCE,
    MODEL_POISONING,
    POISON_MODEL,
    POISON_TRAINING_DATA,
    SANITIZE_TRAINING_DATA,
    Term,
)
from whitesquare.inventory.facts import NOT_VERIFIED, Facts, File
from whitesquare.provenance.evidence import AlarmRecord, Figure, MeasureEvidence, TrainEvidence
from whitesquare.provenance.types import BUNDLE, Source

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_PREFIX = "whitesquare:"

Record = dict[str, Any]


def cyclonedx(facts: Facts, now: datetime) -> str:
    """Write a bill of materials.

    Args:
        facts: what is there.
        now: when the bill is made.
    """
    components = [_data(facts)]
    dependencies: list[Record] = [{"ref": _ref(facts.manifest)}]
    if facts.model and facts.training:
        components.insert(0, _model(facts, facts.model, facts.training))
        dependencies.insert(0, {"ref": _ref(facts.model), "dependsOn": [_ref(facts.manifest)]})
    about = ",".join(file.sha256 for file in (facts.model, facts.manifest) if file)
    record = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same files have the same bill: it is named after them.
        "serialNumber": uuid5(NAMESPACE_URL, about).urn,
        "version": 1,
        "metadata": {
            "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {
                "components": [{"type": "application", "name": "whitesquare", "version": whitesquare.__version__}]
            },
            "properties": _properties({f"signature:{name}": said for name, said in facts.signatures.items()}),
        },
        "components": components,
        "dependencies": dependencies,
    }
    if found := _vulnerabilities(facts):
        record["vulnerabilities"] = found
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def _ref(file: File) -> str:
    return f"sha256:{file.sha256}"


def _hashes(sha256: str) -> list[Record]:
    return [{"alg": "SHA-256", "content": sha256}]


def _properties(values: dict[str, object]) -> list[Record]:
    return [{"name": _PREFIX + name, "value": str(value)} for name, value in values.items() if value is not None]


def _data(facts: Facts) -> Record:
    signed = facts.dataset
    contents = {f"split:{name}:size": tree.size for name, tree in signed.splits.items()}
    roots = {f"split:{name}:root": tree.root for name, tree in signed.splits.items()}
    component: Record = {
        "type": "data",
        "bom-ref": _ref(facts.manifest),
        "name": signed.dataset.id,
        "version": str(signed.dataset.version),
        "description": "Labelled images; the digest is that of the signed list of all of them.",
        "hashes": _hashes(facts.manifest.sha256),
        "data": [
            {
                "type": "dataset",
                "name": signed.manifest.name,
                "contents": {"properties": _properties({**contents, "classes": json.dumps(signed.classes)})},
                **_governance(facts),
            }
        ],
        "properties": _properties(
            {
                "merkle:algorithm": signed.tree.algorithm,
                "merkle:leaf": signed.tree.leaf,
                "merkle:size": signed.tree.size,
                "merkle:root": signed.tree.root,
                **roots,
                "content": signed.content.kind,
                "previous": signed.dataset.previous,
                "signed": signed.signed,
                "expires": signed.expires,
                "signature": facts.signatures.get(BUNDLE, NOT_VERIFIED),
                **_scan(facts),
            }
        ),
    }
    if signed.sources:
        component["pedigree"] = {"ancestors": [_ancestor(source) for source in signed.sources]}
    if licences := _licences(*signed.sources):
        component["licenses"] = licences
    return component


def _governance(facts: Facts) -> Record:
    """Name who signed the data, where that was checked: reviewers vouch for the content, others look after it."""
    stewards = [{"contact": {"name": key.name}} for key in facts.data_signers if key.role == "review"]
    custodians = [{"contact": {"name": key.name}} for key in facts.data_signers if key.role != "review"]
    parties = {"custodians": custodians, "stewards": stewards}
    known = {name: people for name, people in parties.items() if people}
    return {"governance": known} if known else {}


def _scan(facts: Facts) -> dict[str, object]:
    found = facts.scan
    if found is None:
        return {"scan": "none"}
    return {
        "scan": found.verdict,
        "scan:finished": found.finished,
        "scan:root": found.root,
        "scan:size": found.size,
        "scan:detectors": ", ".join(found.detectors),
        "scan:not-run": ", ".join(sorted(found.not_run)) or None,
        "scan:model": found.model or None,
        "scan:reference": found.reference.root if found.reference else None,
        "scan:reference-size": found.reference.size if found.reference else None,
    }


def _ancestor(source: Source) -> Record:
    component: Record = {"type": "data", "name": source.uri}
    if source.sha256:
        component["hashes"] = _hashes(source.sha256)
    if licences := _licences(source):
        component["licenses"] = licences
    if source.collected:
        component["properties"] = _properties({"collected": source.collected})
    return component


def _licences(*sources: Source) -> list[Record]:
    # As names: an SPDX id would have to be one of a list that changes with every release of it.
    names = dict.fromkeys(source.licence for source in sources if source.licence)
    return [{"license": {"name": name}} for name in names]


def _model(facts: Facts, model: File, training: TrainEvidence) -> Record:
    parameters: Record = {
        "approach": {"type": "supervised"},
        "task": "image classification",
        "datasets": [{"ref": _ref(facts.manifest)}],
    }
    if "model" in training.recipe:
        parameters["modelArchitecture"] = str(training.recipe["model"])
    card: Record = {"modelParameters": parameters}
    if facts.measured:
        card["quantitativeAnalysis"] = {"performanceMetrics": _metrics(facts.measured)}
    return {
        "type": "machine-learning-model",
        "bom-ref": _ref(model),
        "name": model.name,
        "version": training.finished,
        "hashes": _hashes(model.sha256),
        "modelCard": card,
        "properties": _properties(
            {
                "consumed:split": training.split,
                "consumed:size": training.size,
                "consumed:root": training.root,
                "seed": training.seed,
                "code": training.code,
                "decoder": training.decoder,
                **{f"recipe:{name}": value for name, value in training.recipe.items()},
                **{f"version:{name}": value for name, value in training.versions.items()},
            }
        ),
    }


def _metrics(measured: MeasureEvidence) -> list[Record]:
    rows = [_metric("clean accuracy", measured.ca, "all test images")]
    for found in measured.asr:
        target = _class(found.target, measured)
        rows.append(_metric("attack success rate", found.asr, f"trigger {found.trigger}, target {target}"))
    for one in measured.sources:
        pair = f"target {_class(one.target, measured)}, images of {_class(one.source, measured)}"
        rows.append(_metric("attack success rate of the worst class", one.asr, f"trigger {one.trigger}, {pair}"))
    for spoilt in measured.untargeted:
        rows.append(_metric("untargeted attack success rate", spoilt.asr, f"trigger {spoilt.trigger}"))
    return rows


def _class(label: int, measured: MeasureEvidence) -> str:
    return f"{label} ({measured.classes[label]})" if 0 <= label < len(measured.classes) else f"{label}"


def _metric(kind: str, figure: Figure, part: str) -> Record:
    bounds = {"lowerBound": str(figure.low), "upperBound": str(figure.high)}
    return {"type": kind, "value": str(figure.value), "slice": part, "confidenceInterval": bounds}


def _vulnerabilities(facts: Facts) -> list[Record]:
    found: list[Record] = []
    confirmed = {alarm.fingerprint: alarm for alarm in _alarms(facts) if alarm.tier == "confirmed"}
    for alarm in confirmed.values():
        detail = f"Rule {alarm.rule_id}; {alarm.carriers} samples carry it."
        said = f"Class {alarm.class_name!r} of the training data carries a trigger that a scan confirmed."
        found.append(
            _vulnerability(alarm, POISON_TRAINING_DATA, DATA_POISONING, facts.manifest, said, "exploitable", detail)
        )
        if facts.model:
            said = f"The model was trained on data whose class {alarm.class_name!r} carries a confirmed trigger."
            detail = "The trigger of the finding was not tried on this model."
            found.append(_vulnerability(alarm, POISON_MODEL, MODEL_POISONING, facts.model, said, "in_triage", detail))
    return found


def _alarms(facts: Facts) -> tuple[AlarmRecord, ...]:
    return facts.scan.alarms if facts.scan else ()


def _vulnerability(
    alarm: AlarmRecord, technique: Term, also: Term, affected: File, said: str, state: str, detail: str
) -> Record:
    advice = " and ".join(f"{term.name} ({term.id})" for term in (SANITIZE_TRAINING_DATA, DATASET_PROVENANCE))
    return {
        "bom-ref": f"{technique.id}:{alarm.fingerprint}",
        "id": technique.id,
        "source": {"name": technique.source, "url": technique.url},
        "references": [{"id": also.id, "source": {"name": also.source, "url": also.url}}],
        "description": said,
        "recommendation": f"{advice}: remove the samples with `whitesquare cleanse`, attest and train again.",
        "analysis": {"state": state, "detail": detail},
        "affects": [{"ref": _ref(affected)}],
        "properties": _properties({"fingerprint": alarm.fingerprint, "rule": alarm.rule_id}),
    }

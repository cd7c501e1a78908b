"""Statements about the data: which they are, how many, where they came from and who signed them."""

from whitesquare.auditing.evidence import AuditEvidence
from whitesquare.auditing.types import DossierStatement
from whitesquare.auditing.words import Speaker, harmless, listed, named, plural
from whitesquare.provenance.evidence import SCAN_REPORT
from whitesquare.provenance.types import MANIFEST, DatasetPredicate

_ATTEST = "whitesquare attest DATA --key KEY -o attest && cp attest/manifest.* RUN/"
_TRUST = "whitesquare dossier RUN --trust KEYS"


def say_data(evidence: AuditEvidence) -> list[DossierStatement]:
    """Say what the data are."""
    speaker, part = Speaker(evidence, "data"), evidence.signed.dataset
    if part.said is None:
        command = _ATTEST if part.missing else _TRUST
        whats = {
            "identity": "which data these are: no manifest lists them that a trusted key signed",
            "signers": "who vouches for the data",
            "sources": "where the data came from",
        }
        told = [speaker.missing(name, what, command, part.file) for name, what in whats.items()]
        return [told[0], *_unsigned_counts(speaker, evidence), *told[1:]]
    said, files = part.said, (part.file, MANIFEST)
    return [
        speaker.shown("identity", _identity(said), *files, facts=_facts(said)),
        speaker.shown("counts", _counts(said), *files, facts=_by_class(said)),
        _signers(speaker, evidence, files),
        _sources(speaker, said, files),
    ]


def _identity(said: DatasetPredicate) -> str:
    before = ", which replaces an earlier one" if said.dataset.previous else ""
    hashed = "the bytes of each file" if said.content.kind == "files" else "the pixels of each image"
    return (
        f"The data set is {named(said.dataset.id)}, version {said.dataset.version}{before}: a signed manifest lists "
        f"{plural(said.tree.size, 'item')} by id, label, split and SHA-256 of {hashed}."
    )


def _facts(said: DatasetPredicate) -> dict[str, str]:
    facts = {
        "root of the tree over all items": harmless(said.tree.root),
        "manifest of the version before": said.dataset.previous or "none",
        "signed": said.signed,
        "expires": said.expires or "never",
        "made by": harmless(said.tool),
    }
    traits = {f"samples that say more than their pixels: {harmless(name)}": f"{n}" for name, n in said.traits.items()}
    return facts | traits


def _counts(said: DatasetPredicate) -> str:
    splits = ", ".join(f"{one.size:,} in {harmless(name)}" for name, one in said.splits.items())
    return f"It has {plural(len(said.classes), 'class', 'es')} and these samples: {splits}."


def _by_class(said: DatasetPredicate) -> dict[str, str]:
    return {
        harmless(name): ", ".join(
            f"{one.classes.get(name, 0):,} in {harmless(split)}" for split, one in said.splits.items()
        )
        for name in said.classes
    }


def _signers(speaker: Speaker, evidence: AuditEvidence, files: tuple[str, ...]) -> DossierStatement:
    signers = evidence.signed.dataset.signers
    roles = ", ".join(f"{named(key.name)} in the role {named(key.role or 'none')}" for key in signers)
    text = f"{plural(len(signers), 'key')} vouched for exactly these samples and labels: {roles}."
    return speaker.shown("signers", text, *files, facts={harmless(key.name): key.keyid for key in signers})


def _sources(speaker: Speaker, said: DatasetPredicate, files: tuple[str, ...]) -> DossierStatement:
    if not said.sources:
        command = "whitesquare attest DATA --source URI --key KEY -o attest && cp attest/manifest.* RUN/"
        return speaker.missing("sources", "where the data came from: who signed them named no source", command)
    facts = {
        harmless(one.uri, 200): listed(
            [
                f"SHA-256 {one.sha256}" if one.sha256 else "no digest",
                f"licence {one.licence}" if one.licence else "no licence stated",
                f"collected {one.collected}" if one.collected else "no time of collection stated",
            ]
        )
        for one in said.sources
    }
    return speaker.shown("sources", f"Who signed them named {plural(len(facts), 'source')}.", *files, facts=facts)


def _unsigned_counts(speaker: Speaker, evidence: AuditEvidence) -> list[DossierStatement]:
    """Say what the scan counted, where nothing better is there."""
    scan = evidence.scan.said
    if scan is None:
        return [speaker.missing("counts", "how many samples there are of which class", _ATTEST, SCAN_REPORT)]
    text = (
        f"A scan read {plural(scan.size, 'sample')} of {plural(len(scan.classes), 'class', 'es')} from "
        f"{named(scan.source)}, whose digest was {scan.digest or 'not recorded'}; no signed list says which they are."
    )
    return [
        speaker.shown("counts", text, SCAN_REPORT, facts={harmless(one.name): f"{one.size:,}" for one in scan.classes})
    ]

"""Statements about the model: how it came to be, what it does, and what the gate said of it."""

from whitesquare.auditing.evidence import AuditEvidence
from whitesquare.auditing.types import DossierStatement
from whitesquare.auditing.words import Speaker, estimate, harmless, listed, named, of, plural
from whitesquare.provenance.evidence import MEASURE, PROVENANCE, VSA, MeasureEvidence, TrainEvidence
from whitesquare.records import CARD, VICTIM, WEIGHTS
from whitesquare.signing.times import to_text

_TRAIN = "whitesquare train DATA --attested attest/manifest.dsse.json --trust KEYS --key KEY -o RUN"
_MEASURE = (
    "whitesquare measure RUN --data DATA --attested RUN/manifest.dsse.json --trust KEYS --key KEY --trigger TRIGGER"
)
_GATE = "whitesquare gate RUN --policy policy.toml --trust KEYS --key KEY"


def say_model(evidence: AuditEvidence) -> list[DossierStatement]:
    """Say how the model came to be, and what it does."""
    speaker, signed = Speaker(evidence, "model"), evidence.signed
    told = [_weights(speaker, evidence)]
    training = signed.training.said
    if training is None:
        whats = {
            "training": "how the model was trained",
            "data": "that it was trained on the signed data and no others",
        }
        told += [speaker.missing(name, what, _TRAIN, PROVENANCE) for name, what in whats.items()]
    else:
        told += [_training(speaker, training), _consumed(speaker, evidence, training)]
    if signed.measure.said is not None:
        return [*told, *_measured(speaker, signed.measure.said)]
    victim = evidence.victim.said
    if victim is None:
        return [*told, speaker.missing("measured", "what the model does on test images", _MEASURE, MEASURE, VICTIM)]
    text = (
        f"Clean accuracy is {of(victim.ca)}; the trigger {named(victim.trigger)} turns {of(victim.asr)} of the images "
        "of other classes."
    )
    told.append(speaker.shown("measured", text, VICTIM, figures=[victim.ca, victim.asr]))
    return told


def _weights(speaker: Speaker, evidence: AuditEvidence) -> DossierStatement:
    if not evidence.signed.model.sha256:
        return speaker.missing("weights", "any model: no weights lie here", _TRAIN, WEIGHTS)
    text = f"The model is {WEIGHTS} with the SHA-256 {evidence.signed.model.sha256}."
    return speaker.shown("weights", text, WEIGHTS, CARD)


def _training(speaker: Speaker, said: TrainEvidence) -> DossierStatement:
    code = "code of the user's own" if said.source is not None else "whitesquare's own code"
    text = f"It was trained by {code} between {said.started} and {said.finished}, with the seed {said.seed}."
    facts = {f"recipe: {harmless(name)}": harmless(str(value)) for name, value in said.recipe.items()}
    facts |= {f"version of {harmless(name)}": harmless(value) for name, value in said.versions.items()}
    facts |= {"SHA-256 of the code": harmless(said.code), "decoder": harmless(said.decoder)}
    return speaker.shown("training", text, PROVENANCE, facts=facts)


def _consumed(speaker: Speaker, evidence: AuditEvidence, said: TrainEvidence) -> DossierStatement:
    dataset = evidence.signed.dataset.said
    if dataset is None:
        return speaker.missing("data", "that it was trained on the signed data and no others", _TRAIN, PROVENANCE)
    split = dataset.splits.get(said.split)
    facts = {"root over what was read": harmless(said.root), "root that is signed": split.root if split else "none"}
    if split is not None and (split.root, split.size) == (said.root, said.size):
        text = (
            f"Training read all {plural(said.size, 'sample')} of the signed split {named(said.split)}, and no others."
        )
    else:
        read = plural(said.size, "sample")
        text = f"Training did NOT read exactly the signed split {named(said.split)}: it read {read}."
    return speaker.shown("data", text, PROVENANCE, evidence.signed.dataset.file, facts=facts)


def _measured(speaker: Speaker, said: MeasureEvidence) -> list[DossierStatement]:
    text = f"Clean accuracy is {of(said.ca)}."
    told = [speaker.shown("accuracy", text, MEASURE, figures=[estimate("clean accuracy", said.ca)])]
    if not said.asr:
        return [*told, speaker.missing("attack", "attack success under any trigger", _MEASURE, MEASURE)]
    worst = max(said.asr, key=lambda one: one.asr.high)
    triggers = list(dict.fromkeys(one.trigger for one in said.asr))
    targets = {one.target for one in said.asr}
    text = (
        f"Under {plural(len(triggers), 'trigger')}, tried for {plural(len(targets), 'target class', 'es')}, attack "
        f"success is at worst {of(worst.asr)}, for {_class(said, worst.target)}. A trigger that was not tried was not "
        "measured."
    )
    figures = [estimate("attack success at worst", worst.asr)]
    if said.sources:
        source = max(said.sources, key=lambda one: one.asr.high)
        figures.append(estimate(f"of the images of {_class(said, source.source)} alone, at worst", source.asr))
    if said.untargeted:
        figures.append(
            estimate("right answers that a trigger makes wrong", max(said.untargeted, key=lambda one: one.asr.high).asr)
        )
    facts = {"triggers": listed(triggers, 20), "finished": said.finished, "version": harmless(said.version)}
    return [*told, speaker.shown("attack", text, MEASURE, facts=facts, figures=figures)]


def _class(said: MeasureEvidence, label: int) -> str:
    return f"class {named(said.classes[label] if 0 <= label < len(said.classes) else str(label))}"


def say_verdict(evidence: AuditEvidence) -> list[DossierStatement]:
    """Say what the gate decided."""
    speaker, said = Speaker(evidence, "verdict"), evidence.verdict.said
    if said is None:
        return [speaker.missing("gate", "whether a gate let the model out", _GATE, VSA)]
    about = "this model" if said.subject == WEIGHTS else "these data, and says nothing of any model"
    text = f"The gate said {harmless(said.result)} of {about}, at {to_text(said.verified)}."
    facts = {
        "verifier": harmless(said.verifier, 200),
        "SHA-256 of the policy": harmless(said.policy),
        "holds until": to_text(said.expires) if said.expires else "not stated",
        "files that a rule vouches for": listed(sorted(said.files), 20),
    }
    return [speaker.shown("gate", text, VSA, said.subject, facts=facts)]

"""What a policy asks for: the keys of policy.toml, as :mod:`whitesquare.gating.policy` reads them."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from whitesquare.records import TIERS

SECTIONS = ("data", "scan", "review", "training", "measure")
"""Of a policy, those that ask for something."""
ALARMS = TIERS[:2]
"""Those of them that an alarm can have; ``review`` is a queue of samples to look at, and no alarm."""
MODES = ("scan model", "given model", "model-free")
SCANNER, TRAINER, GATE = "scanner", "trainer", "gate"
"""Roles of keys that the gate knows by name; those that sign data are the policy's own."""


@dataclass(frozen=True)
class Waiver:
    """One finding that somebody takes the responsibility for, until a day.

    Attributes:
        fingerprint: SHA-256, hexadecimal, of what is waived: content, not position.
        reason: why.
        expires: last day (UTC) on which it counts.
        by: who.
    """

    fingerprint: str
    reason: str
    expires: date
    by: str


@dataclass(frozen=True)
class DataPolicy:
    """``[data]``: what the signed data set must be.

    Attributes:
        signatures: by role, how many different keys must have signed.
        split: name of the split that is scanned and trained on.
        dataset: the only data set id that is accepted; ``None`` for any.
        min_version: the oldest version that is accepted.
        manifest: the only manifest (SHA-256) that is accepted; ``None`` for any.
    """

    signatures: dict[str, int] = field(default_factory=lambda: {"data": 1})
    split: str = "train"
    dataset: str | None = None
    min_version: int = 1
    manifest: str | None = None


@dataclass(frozen=True)
class ScanPolicy:
    """``[scan]``: what must have been looked for, how recently, and what must not have been found.

    Attributes:
        fail_on: weakest tier of an alarm that fails.
        max_age_days: oldest scan that counts.
        require_detectors: names of those that must have run.
        require_rules: ids of those that must have been able to raise an alarm in every class; ``all`` for each.
        allow_detectors: names of those that may have run; ``None`` for any.
        allow_not_run: names of those that may have failed to run.
        modes: of :data:`MODES`, those that are accepted.
        seed: the only seed that is accepted; ``None`` for any.
        versions: of whitesquare, those that are accepted; empty for any.
        allow_reference: whether the scan may have been told which samples are clean.
    """

    fail_on: str = "suspicious"
    max_age_days: float = 30.0
    require_detectors: tuple[str, ...] = ()
    require_rules: tuple[str, ...] = ()
    allow_detectors: tuple[str, ...] | None = None
    allow_not_run: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("scan model", "given model")
    seed: int | None = None
    versions: tuple[str, ...] = ()
    allow_reference: bool = False


@dataclass(frozen=True)
class ReviewPolicy:
    """``[review]``: what people must have decided about what the scan found.

    Attributes:
        signatures: by role, how many different keys must have signed the decisions.
        tier: weakest tier of the flagged samples that must be decided.
        min_decided: share of them about which people must have decided.
        roles: in each of these, somebody must have decided about a sample, or it counts as undecided.
        people: number of different people who must have decided about a sample, or it counts as undecided.
        allow_unsure: whether samples may be left about which people are unsure.
        allow_disagreement: whether samples may be left about which people say different things.
        max_age_days: oldest last decision that counts; ``None`` for any.
        lift_alarms: tiers of the alarms that stand no longer against the data once people have decided to keep every
            sample behind them; empty: decisions lift no alarm.
    """

    signatures: dict[str, int] = field(default_factory=lambda: {"review": 1})
    tier: str = "suspicious"
    min_decided: float = 1.0
    roles: tuple[str, ...] = ()
    people: int = 1
    allow_unsure: bool = False
    allow_disagreement: bool = False
    max_age_days: float | None = None
    lift_alarms: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingPolicy:
    """``[training]``: the model was made of exactly the signed split.

    Attributes:
        code: SHA-256 over whitesquare's source files, those that may have trained; empty for any.
    """

    code: tuple[str, ...] = ()


@dataclass(frozen=True)
class MeasurePolicy:
    """``[measure]``: what the model must and must not do; bounds are held against the worse end of the 95 % interval.

    Attributes:
        min_clean_accuracy: floor of the low end; ``None`` for none.
        max_attack_success: ceiling of the high end, for every trigger measured and bound target; ``None`` for none.
        max_source_success: the same for the images of each class alone; ``None`` for ``max_attack_success``.
        max_untargeted_success: ceiling of the high end of the share of right answers that a trigger makes wrong;
            ``None`` for none.
        triggers: specs of triggers that must have been measured.
        targets: names of the classes that are bound as targets; empty for every class.
        min_images: smallest number of images behind every figure over all classes.
        attested_test: whether the images must be the signed test split.
        signed_by: roles of which one must have signed.
        max_age_days: oldest measurement that counts; ``None`` for any.
    """

    min_clean_accuracy: float | None = None
    max_attack_success: float | None = None
    max_source_success: float | None = None
    max_untargeted_success: float | None = None
    triggers: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    min_images: int = 1000
    attested_test: bool = True
    signed_by: tuple[str, ...] = (SCANNER,)
    max_age_days: float | None = None


@dataclass(frozen=True)
class ReleasePolicy:
    """``[release]``: when a verdict may still be acted on.

    Attributes:
        max_age_days: oldest verdict that counts.
        verifier: URI of the gate; a verdict must name it.
    """

    max_age_days: float = 7.0
    verifier: str = "https://whitesquare.dev/gate/v1"


@dataclass(frozen=True)
class KeysPolicy:
    """``[keys]``: who is trusted.

    Attributes:
        trust: folder of their public keys, from where the policy lies; ``None`` if it names none.
    """

    trust: str | None = None


@dataclass(frozen=True)
class Policy:
    """What is asked for.

    Attributes:
        name: of the file.
        sha256: of the file.
        sections: those of :data:`SECTIONS` that the file has; the others ask nothing.
        data: see there; so for the next five.
        waivers: see there.
        trust: folder of trusted keys; ``None`` if the policy names none.
    """

    name: str
    sha256: str
    sections: tuple[str, ...]
    data: DataPolicy = DataPolicy()
    scan: ScanPolicy = ScanPolicy()
    review: ReviewPolicy = field(default_factory=ReviewPolicy)
    training: TrainingPolicy = TrainingPolicy()
    measure: MeasurePolicy = MeasurePolicy()
    release: ReleasePolicy = ReleasePolicy()
    waivers: tuple[Waiver, ...] = ()
    trust: Path | None = None

    @property
    def about_model(self) -> bool:
        """Whether any section says something about the weights; the others speak of the data alone."""
        return bool({"training", "measure"} & set(self.sections))

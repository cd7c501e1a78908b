"""What several rules share: signatures by role, subjects, ages, and whether a signed split was read whole."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from whitesquare.gating.settings import Policy
from whitesquare.gating.types import Fault, RuleOutcome, RunEvidence, SignedPart
from whitesquare.provenance.evidence import Figure
from whitesquare.records import CARD, VICTIM, WEIGHTS
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.times import SKEW, from_text


def brief(digest: str) -> str:
    """Shorten a digest for reading."""
    return digest[:12] or "none"


def names(texts: Sequence[str]) -> str:
    """List names, or say that there are none."""
    return ", ".join(texts) or "none"


def signed_by(part: SignedPart[object], roles: Sequence[str], now: datetime) -> RuleOutcome:
    """Hold a statement's signers against the roles of which one must have signed; it then vouches for the file."""
    found = names([f"{key.name} ({key.role or 'no role'})" for key in part.signers])
    expected = f"a key of the role {' or '.join(roles)}"
    faults = expired(part.signers, now)
    if not any(key.role in roles for key in part.signers):
        faults = (*faults, Fault(f"{part.file} is signed by {found}, not by {expected}.", (part.sha256,)))
    return RuleOutcome(found, expected, faults, covers=part.files)


def signed_by_each(part: SignedPart[object], wanted: dict[str, int], what: str, now: datetime) -> RuleOutcome:
    """Hold a statement's signers against how many different keys of each role must have signed; it vouches for it.

    Args:
        part: the statement.
        wanted: number of keys by role.
        what: it is, for the faults: ``The manifest is``.
        now: the time at which every key must be valid.
    """
    roles = {role: len({key.keyid for key in part.signers if key.role == role}) for role in wanted}
    found = ", ".join(f"{role} {number}" for role, number in roles.items())
    expected = ", ".join(f"{role} {number}" for role, number in wanted.items())
    faults = list(expired(part.signers, now))
    for role, number in wanted.items():
        if roles[role] < number:
            reason = f"{what} signed by {roles[role]} keys of the role {role}; expected {number}."
            faults.append(Fault(reason, (role, str(roles[role]))))
    return RuleOutcome(found, expected, tuple(faults), covers=part.files)


def expired(signers: Sequence[TrustedKey], now: datetime) -> tuple[Fault, ...]:
    """Return a fault for every key that is not valid now."""
    refused = [(key, key.refuses(now)) for key in signers]
    return tuple(Fault(f"It is signed by the key {key.name}, {why}.", (key.keyid,)) for key, why in refused if why)


def about(part: SignedPart[object], sha256: str, what: str) -> RuleOutcome:
    """Hold the one subject of a statement against the digest it must be about."""
    said = [one.sha256 for one in part.subjects]
    found, expected = names([brief(one) for one in said]), brief(sha256)
    if said == [sha256]:
        return RuleOutcome(found, expected)
    reason = f"{part.file} is about {found}, and {what} here is {expected}: it belongs to something else."
    return RuleOutcome(found, expected, (Fault(reason, (*said, sha256)),))


def of_model(part: SignedPart[object], evidence: RunEvidence) -> RuleOutcome:
    """Hold the subjects of a statement about a model against the files here.

    The weights must be its subject, and so must the card, if it names one: it says what each output means. The figures
    of a measurement may be written again later; they are vouched for only while they are the signed ones.
    """
    here = {name: evidence.files[name].sha256 for name in (CARD, VICTIM)}
    beside = {one.name: one.sha256 for one in part.subjects if one.sha256 and here.get(one.name) == one.sha256}
    rest = tuple(one for one in part.subjects if one.name not in beside and one.name != VICTIM)
    found = about(replace(part, subjects=rest), evidence.model.sha256, "the model")
    return replace(found, covers={WEIGHTS: evidence.model.sha256, **beside})


def whole_split(policy: Policy, evidence: RunEvidence, said: tuple[str, int, str], who: str) -> RuleOutcome:
    """Hold split, size and root that somebody read against those that are signed.

    Args:
        policy: names the split.
        evidence: whose data set can be trusted.
        said: split, size and root.
        who: who read them.
    """
    split, size, root = said
    wanted = evidence.dataset.value.splits.get(policy.data.split)
    found = f"{split}: {size} samples, root {brief(root)}"
    if wanted is None:
        reason = f"The signed data set has no split {policy.data.split!r}, so nothing can have been read of it."
        return RuleOutcome(found, policy.data.split, (Fault(reason, said_texts(said)),))
    expected = f"{policy.data.split}: {wanted.size} samples, root {brief(wanted.root)}"
    if said == (policy.data.split, wanted.size, wanted.root):
        return RuleOutcome(found, expected)
    part = "only a part" if split == policy.data.split and size < wanted.size else "something other than all"
    reason = f"{who} read {part} of the signed samples: found {found}; expected {expected}."
    return RuleOutcome(found, expected, (Fault(reason, said_texts(said)),))


def share(figure: Figure) -> str:
    """Write a share with its interval, in per cent."""
    return f"{figure.value:.2%} [{100 * figure.low:.2f}, {100 * figure.high:.2f}], n = {figure.n}"


def sound(what: str, figure: Figure) -> tuple[Fault, ...]:
    """Return a fault if the numbers cannot be a share and its interval; NaN compares as false with everything."""
    if 0 <= figure.low <= figure.value <= figure.high <= 1 and figure.n > 0:
        return ()
    return (Fault(f"{what} is no share with its interval: {share(figure)}.", (repr(figure),)),)


def said_texts(said: tuple[str, int, str]) -> tuple[str, ...]:
    """Return split, size and root as texts."""
    return (said[0], str(said[1]), said[2])


def aged(finished: str, most_days: float, now: datetime, subject: str) -> RuleOutcome:
    """Hold a time against the oldest that counts; one to come counts even less.

    Args:
        finished: the time, as evidence writes it.
        most_days: oldest that counts.
        now: the time.
        subject: digest of what the evidence is about.
    """
    age = now - from_text(finished)
    days = age / timedelta(days=1)
    found, expected = f"{days:.1f} days old", f"{most_days:g} days at most"
    content = (subject, finished)
    if age < -SKEW:
        reason = f"It says it was made at {finished}, which is still to come."
        return RuleOutcome(f"from {finished}", expected, (Fault(reason, content),))
    if days <= most_days:
        return RuleOutcome(found, expected)
    return RuleOutcome(found, expected, (Fault(f"It is {found}; expected {expected}.", content, waivable=True),))

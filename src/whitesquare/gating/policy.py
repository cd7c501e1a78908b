"""Reading policy.toml: every key known, every value of its type and range, and at least one rule asked for."""

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from whitesquare._base.schema import build
from whitesquare._base.toml_text import parse_toml
from whitesquare.errors import UsageError, unknown_name
from whitesquare.gating.settings import (
    ALARMS,
    MODES,
    SECTIONS,
    DataPolicy,
    KeysPolicy,
    MeasurePolicy,
    Policy,
    ReleasePolicy,
    ReviewPolicy,
    ScanPolicy,
    TrainingPolicy,
    Waiver,
)
from whitesquare.records import TIERS

MOST_BYTES = 2**20
_TOP = (*SECTIONS, "keys", "release", "waiver")
_BOUNDS = ("min_clean_accuracy", "max_attack_success", "max_source_success", "max_untargeted_success")


def example() -> str:
    """Return a commented policy to start with."""
    return files("whitesquare.gating").joinpath("example.toml").read_text(encoding="utf-8")


def load_policy(path: Path) -> Policy:
    """Read a policy.

    Raises:
        UsageError: there is none, or it does not say clearly what it asks for.
    """
    if not path.is_file():
        raise UsageError(f"There is no policy {path}; write a first one with `whitesquare gate --init {path}`.")
    if path.stat().st_size > MOST_BYTES:
        raise UsageError(f"{path} has more than {MOST_BYTES} bytes, which no policy needs; give another file.")
    return parse_policy(path.read_bytes(), path)


def parse_policy(data: bytes, path: Path) -> Policy:
    """Read the content of a policy; ``path`` is for its name and for what it names beside itself.

    Raises:
        UsageError: as :func:`load_policy`.
    """
    where = path.name
    try:
        found = parse_toml(data)
    except ValueError as error:
        raise UsageError(f"{where} cannot be read as TOML: {error}.") from error
    for name in found:
        if name not in _TOP:
            raise unknown_name(f"section in {where}", name, _TOP)
    sections = tuple(name for name in SECTIONS if name in found)
    if not sections:
        raise UsageError(
            f"{where} asks for nothing, so that everything would pass; add one of the sections {', '.join(SECTIONS)}."
        )
    if {"scan", "training"} & set(sections) and "data" not in sections:
        raise UsageError(f"{where} has [scan] or [training], which are held against the signed data; add [data].")
    if "review" in sections and "scan" not in sections:
        raise UsageError(f"{where} has [review], which is held against the signed scan; add [scan].")
    policy = Policy(
        name=path.name,
        sha256=sha256(data).hexdigest(),
        sections=sections,
        data=build(DataPolicy, found.get("data", {}), where=f"[data] in {where}", refuse=UsageError),
        scan=build(ScanPolicy, found.get("scan", {}), where=f"[scan] in {where}", refuse=UsageError),
        review=build(ReviewPolicy, found.get("review", {}), where=f"[review] in {where}", refuse=UsageError),
        training=build(TrainingPolicy, found.get("training", {}), where=f"[training] in {where}", refuse=UsageError),
        measure=build(MeasurePolicy, found.get("measure", {}), where=f"[measure] in {where}", refuse=UsageError),
        release=build(ReleasePolicy, found.get("release", {}), where=f"[release] in {where}", refuse=UsageError),
        waivers=_waivers(found.get("waiver", []), where),
        trust=_trust(found.get("keys", {}), path),
    )
    _check(policy, where)
    return policy


def _day(value: object, where: str) -> str:
    """Read a day, or the text of one; a moment, which TOML knows too, would end in a time zone that nobody named."""
    with suppress(ValueError):
        if type(value) is date or isinstance(value, str):
            return date.fromisoformat(str(value)).isoformat()
    raise UsageError(
        f"{where}: expires is {str(value)!r:.60}; expected a day without a time of day: expires = 2027-01-31."
    )


def _trust(table: object, path: Path) -> Path | None:
    where = f"[keys] in {path.name}"
    place = build(KeysPolicy, table, where=where, refuse=UsageError).trust
    if place is None:
        return None
    if not place or "\0" in place:
        raise UsageError(f"{where}: trust is {place!r:.60}; expected a folder of public keys, such as keys/.")
    return path.parent / place


def _waivers(tables: object, where: str) -> tuple[Waiver, ...]:
    if not isinstance(tables, list):
        raise UsageError(f"{where} has a [waiver]; write [[waiver]], once for each.")
    found: dict[str, Waiver] = {}
    for number, table in enumerate(tables, 1):
        place = f"waiver {number} in {where}"
        if isinstance(table, dict) and "expires" in table:
            table = table | {"expires": _day(table["expires"], place)}
        waiver = build(Waiver, table, where=place, refuse=UsageError)
        if not waiver.reason.strip() or not waiver.by.strip():
            raise UsageError(f"{place} gives no reason or nobody who answers for it; fill in both.")
        if not _is_digest(waiver.fingerprint):
            raise UsageError(
                f"{place}: {waiver.fingerprint!r:.80} is no fingerprint; copy the 64 digits that `whitesquare gate "
                "-o json` prints."
            )
        if waiver.fingerprint in found:
            raise UsageError(f"{place} has the fingerprint of another one; keep one of them.")
        found[waiver.fingerprint] = waiver
    return tuple(found.values())


def _check(policy: Policy, where: str) -> None:
    """Refuse values of the right type that cannot be meant."""
    for section, name, holds, wanted in _RANGES:
        value = getattr(getattr(policy, section), name)
        if value is not None and not holds(value):
            raise UsageError(f"[{section}] in {where}: {name} is {value!r:.80}; expected {wanted}.")
    review = policy.review
    if unheard := [role for role in review.roles if role not in review.signatures]:
        raise UsageError(
            f"[review] in {where}: roles names {unheard[0]!r:.60}, for which nobody with a key of that role must sign; "
            f"add it to signatures: signatures = {{ {unheard[0]:.60} = 1 }}."
        )
    allowed = policy.scan.allow_detectors
    if allowed is not None and (never := [name for name in policy.scan.require_detectors if name not in allowed]):
        raise UsageError(
            f"[scan] in {where}: {never[0]!r:.60} stands in require_detectors and not in allow_detectors, so that no "
            "scan could pass; write it in both, or in none."
        )
    if policy.scan.fail_on == "review":
        raise UsageError(
            f"[scan] in {where}: fail_on is 'review', which is a queue of samples to look at and never an alarm, so "
            "that it would fail nothing more than 'suspicious'; write fail_on = \"suspicious\"."
        )
    measure = policy.measure
    if "measure" in policy.sections and measure.attested_test and "data" not in policy.sections:
        raise UsageError(
            f"[measure] in {where} asks for the attested test split, which is the default; add [data], which says "
            "whose it is, or write attested_test = false."
        )
    if "measure" in policy.sections and all(getattr(measure, bound) is None for bound in _BOUNDS):
        raise UsageError(f"[measure] in {where} asks for nothing; set one of {', '.join(_BOUNDS)}.")


def _is_digest(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


def _is_share(value: float) -> bool:
    return 0 <= value <= 1


def _is_positive(value: float) -> bool:
    return value > 0


def _one_of(known: tuple[str, ...]) -> Callable[[Any], bool]:
    return lambda value: bool(value) and set([value] if isinstance(value, str) else value) <= set(known)


_RANGES: tuple[tuple[str, str, Callable[[Any], bool], str], ...] = (
    ("data", "signatures", lambda roles: roles and all(role and k > 0 for role, k in roles.items()), "roles, and for "
     "each the number of keys, 1 or more"),
    ("data", "split", bool, "the name of a split, such as train"),
    ("data", "min_version", _is_positive, "1 or more"),
    ("data", "manifest", _is_digest, "a SHA-256 in hexadecimal"),
    ("scan", "fail_on", _one_of((*ALARMS, "review")), f"one of {', '.join(ALARMS)}"),
    ("scan", "max_age_days", _is_positive, "more than 0"),
    ("scan", "modes", _one_of(MODES), f"some of {', '.join(MODES)}"),
    ("review", "signatures", lambda roles: roles and all(role and k > 0 for role, k in roles.items()), "roles, and for "
     "each the number of keys, 1 or more"),
    ("review", "tier", _one_of(TIERS), f"one of {', '.join(TIERS)}"),
    ("review", "min_decided", lambda share: 0 < share <= 1, "a share above 0, up to 1"),
    ("review", "roles", lambda roles: all(roles) and len(set(roles)) == len(roles), "roles, each once"),
    ("review", "people", _is_positive, "1 or more"),
    ("review", "max_age_days", _is_positive, "more than 0"),
    ("review", "lift_alarms", lambda tiers: set(tiers) <= set(ALARMS), f"some of {', '.join(ALARMS)}, or none"),
    ("training", "code", lambda codes: all(map(_is_digest, codes)), "digests (SHA-256, hexadecimal)"),
    ("measure", "min_clean_accuracy", _is_share, "a share from 0 to 1"),
    ("measure", "max_attack_success", _is_share, "a share from 0 to 1"),
    ("measure", "max_source_success", _is_share, "a share from 0 to 1"),
    ("measure", "max_untargeted_success", _is_share, "a share from 0 to 1"),
    ("measure", "targets", lambda names: len(set(names)) == len(names), "class names, each once"),
    ("measure", "min_images", _is_positive, "1 or more"),
    ("measure", "signed_by", lambda roles: roles and all(roles), "one role or more"),
    ("measure", "max_age_days", _is_positive, "more than 0"),
    ("release", "max_age_days", _is_positive, "more than 0"),
    ("release", "verifier", lambda uri: _is_uri(uri), "an absolute URI"),
)  # fmt: skip


def _is_uri(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme) and text.isascii() and text.isprintable() and " " not in text
    except ValueError:
        return False

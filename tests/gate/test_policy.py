"""A policy says clearly what it asks for, or is refused with the key, the value and what to write instead."""

import math
import re
import tomllib
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitesquare.errors import UsageError
from whitesquare.gating.policy import example, load_policy, parse_policy
from whitesquare.gating.settings import (
    SECTIONS as RULE_SECTIONS,
)
from whitesquare.gating.settings import (
    DataPolicy,
    MeasurePolicy,
    Policy,
    ReleasePolicy,
    ReviewPolicy,
    ScanPolicy,
    TrainingPolicy,
    Waiver,
)
from whitesquare.scanning.settings import DEFAULT
from whitesquare.triggers import parse_trigger, trigger_spec

from .world import FULL, policy

DOCS = Path(__file__).parents[2] / "docs" / "gate.md"
SECTIONS = {
    "data": DataPolicy,
    "scan": ScanPolicy,
    "review": ReviewPolicy,
    "training": TrainingPolicy,
    "measure": MeasurePolicy,
    "release": ReleasePolicy,
    "waiver": Waiver,
}
WAIVER = """
[[waiver]]
fingerprint = "{0}"
reason = "a watermark"
expires = 2027-01-31
by = "Ada"
"""
BASE = "[data]\n"


def test_a_policy_is_read_as_it_is_written() -> None:
    found = policy(FULL + WAIVER.format("ab" * 32), Path("somewhere"))
    assert found.data.signatures == {"data": 1, "review": 1}
    assert found.sections == RULE_SECTIONS
    assert found.scan.require_detectors == ("spectral-signatures",)
    assert found.measure.max_age_days == 90.0
    assert found.trust == Path("somewhere/keys")
    assert found.waivers == (Waiver("ab" * 32, "a watermark", date(2027, 1, 31), "Ada"),)


def test_what_is_not_written_has_safe_defaults() -> None:
    found = policy("[data]\n[scan]")
    assert found.data.signatures == {"data": 1}
    assert found.scan == ScanPolicy()
    assert found.scan.fail_on == "suspicious"
    assert "model-free" not in found.scan.modes
    assert found.scan.allow_not_run == ()
    assert not found.scan.allow_reference
    assert found.measure.targets == ()
    assert found.measure.attested_test
    assert found.measure.signed_by == ("scanner",)
    assert found.trust is None


REFUSED = {
    "nothing at all": ("", "asks for nothing"),
    "keys alone": ('[keys]\ntrust = "keys/"', "asks for nothing"),
    "a release alone": ("[release]\nmax_age_days = 1", "asks for nothing"),
    "unknown section": (BASE + "[scna]", "Did you mean 'scan'"),
    "unknown key": (BASE + "[scan]\nmax_age_day = 3", "Did you mean 'max_age_days'"),
    "unknown key of [keys]": (BASE + '[keys]\ntrusts = "x"', "Did you mean 'trust'"),
    "unknown key of a waiver": (BASE + WAIVER.format("ab" * 32) + "\nreasons = 'x'", "Did you mean 'reason'"),
    "unknown key at the top": ("scan_age = 3\n" + BASE, "no section in policy.toml named 'scan_age'"),
    "scan without data": ("[scan]", "add [data]"),
    "training without data": ("[training]", "add [data]"),
    "attested test without data": ("[measure]\nmin_clean_accuracy=0.9\nattested_test=true", "add [data]"),
    "measure of nothing": ("[measure]\nattested_test = false\nmin_images = 3", "asks for nothing"),
    "text for a number": (BASE + "[scan]\nmax_age_days = '30'", "max_age_days is '30'; expected a number"),
    "truth for a number": (BASE + "[scan]\nmax_age_days = true", "expected a number"),
    "truth for a whole number": (BASE + "min_version = true", "expected a whole number"),
    "fraction for a whole number": (BASE + "min_version = 1.5", "expected a whole number"),
    "not a number": (BASE + "[scan]\nmax_age_days = nan", "expected a number"),
    "for ever": (BASE + "[scan]\nmax_age_days = inf", "expected a number"),
    "no time at all": (BASE + "[scan]\nmax_age_days = 0", "more than 0"),
    "unknown tier": (BASE + "[scan]\nfail_on = 'never'", "one of confirmed, suspicious"),
    "a tier that is no alarm": (BASE + "[scan]\nfail_on = 'review'", "never an alarm"),
    "an attested test by default, without data": ("[measure]\nmin_clean_accuracy=0.9", "attested_test = false"),
    "a target twice": (BASE + "[measure]\nmin_clean_accuracy=0.9\ntargets=['a', 'a']", "each once"),
    "a detector asked for and not allowed": (
        BASE + "[scan]\nrequire_detectors = ['a', 'b']\nallow_detectors = ['a']",
        "'b' stands in require_detectors and not in allow_detectors",
    ),
    "unknown mode": (BASE + "[scan]\nmodes = ['blind']", "model-free"),
    "no mode": (BASE + "[scan]\nmodes = []", "some of"),
    "text for a list": (BASE + "[scan]\nrequire_detectors = 'strip'", "expected a list"),
    "numbers in a list": (BASE + "[scan]\nrequire_detectors = [1]", "expected a text"),
    "no signatures": (BASE + "signatures = {}", "1 or more"),
    "zero signatures": (BASE + "signatures = { data = 0 }", "1 or more"),
    "signatures as a list": (BASE + "signatures = ['data']", "expected a table"),
    "a day for a text": (BASE + "split = 2027-01-31", "expected a text"),
    "a large number": (BASE + "[scan]\nmax_age_days = 1" + "0" * 400, "max_age_days is a number of 1329 bits"),
    "a pin that is no digest": (BASE + "manifest = 'ABC'", "a SHA-256"),
    "an accuracy in per cent": ("[measure]\nmin_clean_accuracy = 95", "a share from 0 to 1"),
    "a section as a value": ("data = 3", "expected a table"),
    "a waiver as a table": (BASE + "[waiver]", "write [[waiver]]"),
    "a waiver as a number": (BASE + "[[scan]]", "expected a table"),
    "a waiver without reason": (BASE + WAIVER.format("ab" * 32).replace('reason = "a watermark"', ""), "'reason'"),
    "a waiver with an empty reason": (BASE + WAIVER.format("ab" * 32).replace("a watermark", "  "), "no reason"),
    "a waiver without expiry": (BASE + WAIVER.format("ab" * 32).replace("expires = 2027-01-31", ""), "'expires'"),
    "a waiver for ever": (BASE + WAIVER.format("ab" * 32).replace("2027-01-31", '"never"'), "a day"),
    "a waiver to the hour": (
        BASE + WAIVER.format("ab" * 32).replace("2027-01-31", "2027-01-31T12:00:00Z"),
        "expires is '2027-01-31 12:00:00+00:00'; expected a day without a time of day: expires = 2027-01-31.",
    ),
    "a waiver to the local hour": (
        BASE + WAIVER.format("ab" * 32).replace("2027-01-31", "2027-01-31T00:00:00"),
        "expires is '2027-01-31 00:00:00'; expected a day without",
    ),
    "a waiver by nobody": (BASE + WAIVER.format("ab" * 32).replace("Ada", ""), "nobody who answers"),
    "a waiver of everything": (BASE + WAIVER.format("*"), "no fingerprint"),
    "a waiver twice": (BASE + WAIVER.format("ab" * 32) * 2, "keep one"),
    "a verifier that is no URI": (BASE + "[release]\nverifier = 'me'", "an absolute URI"),
    "no TOML": ("[data", "cannot be read as TOML"),
    "a key twice": ("[data]\nsplit='a'\nsplit='b'", "cannot be read as TOML"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_clear_is_refused(name: str) -> None:
    text, told = REFUSED[name]
    with pytest.raises(UsageError, match=re.escape(told)):
        policy(text)


def test_a_policy_that_is_not_there_comes_with_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gate --init"):
        load_policy(tmp_path / "policy.toml")


def test_a_file_that_cannot_be_a_policy_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(UsageError, match="more than"):
        load_policy(tmp_path / "policy.toml")


def test_the_example_is_a_policy_and_names_every_key() -> None:
    found = policy(example())
    assert found.sections == tuple(name for name in RULE_SECTIONS if name != "review")  # it asks for people's time
    assert found.trust == Path("keys")
    uncommented = tomllib.loads(re.sub(r"(?m)^# (?=[a-z_]+ = |\[\[waiver|\[review)", "", example()))
    for section, kind in SECTIONS.items():
        table: Any = uncommented["waiver"][0] if section == "waiver" else uncommented[section]
        assert set(table) == {item.name for item in fields(kind)}, section
    parse_policy(re.sub(r"(?m)^# (?=[a-z_]+ = |\[\[waiver|\[review)", "", example()).encode(), Path("policy.toml"))


def test_the_triggers_of_the_example_are_written_as_measure_writes_them() -> None:
    for trigger in policy(example()).measure.triggers:
        assert trigger_spec(parse_trigger(trigger)) == trigger


def test_the_example_passes_a_scan_as_it_is_made_by_default() -> None:
    assert set(policy(example()).scan.require_detectors) <= set(DEFAULT)


def test_the_docs_explain_every_key() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for section, kind in SECTIONS.items():
        part = text.split(f"### `[{section}]`", 1)[1].split("\n### ", 1)[0]
        for item in fields(kind):
            assert f"`{item.name}`" in part, f"docs/gate.md does not explain {item.name} of [{section}]"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["ab" * 32, "confirmed", "scan model", "keys/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KNOWN = [(section, item.name) for section, kind in SECTIONS.items() if section != "waiver" for item in fields(kind)]


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "nan" if math.isnan(value) else repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(name)} = {toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, date | int):
        return str(value)
    return quoted(value or "")


def quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(sign):08x}" if not 0xD800 <= ord(sign) < 0xE000 else "?" for sign in text) + '"'


def check(data: bytes) -> None:
    """A policy, or an error that names the file."""
    try:
        found: Policy | None = parse_policy(data, Path("policy.toml"))
    except UsageError as error:
        told = str(error)
        found = None
    assert found is not None or "policy.toml" in told


@given(st.lists(st.tuples(st.sampled_from(KNOWN), VALUES), unique_by=lambda one: one[0]), VALUES, VALUES)
def test_fuzzed_values_make_a_policy_or_a_clean_error(found: Any, waiver: Any, trust: Any) -> None:
    tables: dict[str, list[str]] = {}
    for (section, name), value in found:
        tables.setdefault(section, []).append(f"{name} = {toml(value)}")
    text = "".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in tables.items())
    head = f"waiver = {toml(waiver)}\nkeys = {toml(trust)}\n"
    for whole in (text, head + text):
        check(whole.encode())


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")))
def test_fuzzed_files_make_a_clean_error(data: bytes) -> None:
    with pytest.raises(UsageError):
        parse_policy(data, Path("policy.toml"))


@given(st.data())
def test_a_policy_with_a_few_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(example().encode())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(whole))

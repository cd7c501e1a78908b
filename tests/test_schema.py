"""Records survive their files, and a file that does not fit is refused with the place, what stands there and why."""

import json
import math
import types
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whitesquare._base.schema import build, decode, encode
from whitesquare.errors import DataError, UsageError
from whitesquare.learning.models import ModelCard
from whitesquare.learning.recipes import VICTIMS, Recipe
from whitesquare.provenance.evidence import MeasureEvidence, ScanEvidence, TrainEvidence
from whitesquare.provenance.types import DatasetPredicate
from whitesquare.records import Measurement, PoisonManifest
from whitesquare.study.bench.types import BenchResult
from whitesquare.study.drill_types import DrillResult

DEMO = Path(__file__).parents[1] / "docs" / "results" / "demo.json"
RECORDS = [
    BenchResult,
    DatasetPredicate,
    DrillResult,
    MeasureEvidence,
    Measurement,
    ModelCard,
    PoisonManifest,
    ScanEvidence,
    TrainEvidence,
]


@dataclass(frozen=True)
class Inner:
    share: float
    note: str | None


@dataclass(frozen=True)
class Outer:
    name: str
    inner: tuple[Inner, ...]
    by_name: dict[str, Inner | None]
    flag: bool = False
    pair: tuple[int, str] = (0, "")
    any: int | float | str | bool | None = None


SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(codec="utf-8"), max_size=5),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
    Recipe: st.sampled_from([family.recipe for family in VICTIMS.values()]),
}


@cache
def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type, by its annotations alone."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in SIMPLE:
        return SIMPLE[kind]
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{item.name: values(hints[item.name]) for item in fields(kind)})
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values, inner))
    if origin is tuple and inner[-1] is ...:
        return st.lists(values(inner[0]), max_size=1).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, inner))
    assert origin is dict
    return st.dictionaries(values(inner[0]), values(inner[1]), max_size=1)


@pytest.mark.parametrize("cls", [Outer, *RECORDS], ids=lambda cls: cls.__name__)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_record_survives_its_file(cls: type[Any], data: st.DataObject) -> None:
    record = data.draw(values(cls))
    assert repr(decode(cls, encode(record), where="here")) == repr(record)
    assert build(cls, asdict(record), where="here") == record


HEAD = '"name": "x", "by_name": {}, "inner": '
REFUSED = {
    "nothing": ("", "Expecting value"),
    "a list": ("[]", "it is []; expected a table"),
    "cut": ("{", "Expecting property name"),
    "a field missing": ('{"name": "x"}', "it has no 'inner'"),
    "a field missing below": (f'{{{HEAD}[{{"share": 1}}]}}', "inner[0] has no 'note'"),
    "a number for a text": (f'{{{HEAD}[], "name": 3}}'.replace('"name": "x", ', ""), "name is 3; expected a text"),
    "an unknown field": (
        f'{{{HEAD}[], "extra": 1}}',
        "There is no field named 'extra'; known: any, by_name, flag, inner, name, pair.",
    ),
    "an unknown field, and therefore a missing one": ('{"name": "x", "iner": []}', "Did you mean 'inner'?"),
    "an unknown field below": (
        f'{{{HEAD}[{{"share": 1, "note": "", "nots": 1}}]}}',
        "inner[0] has a field 'nots', which is unknown here",
    ),
    "a truth for a number": (
        f'{{{HEAD}[{{"share": true, "note": null}}]}}',
        "inner[0].share is True; expected a number",
    ),
    "a text for a number": (f'{{{HEAD}[{{"share": "1", "note": null}}]}}', "inner[0].share is '1'; expected a number"),
    "nothing for a number": (f'{{{HEAD}[{{"share": null, "note": ""}}]}}', "inner[0].share is None; expected a number"),
    "a table for a list": (f"{{{HEAD}{{}}}}", "inner is {}; expected a list"),
    "a list for a table": ('{"name": "x", "inner": [], "by_name": []}', "by_name is []; expected a table"),
    "a number for a truth": (f'{{{HEAD}[], "flag": 1}}', "flag is 1; expected true or false"),
    "a fraction": (f'{{{HEAD}[], "pair": [1.0, "a"]}}', "pair[0] is 1.0; expected a whole number"),
    "a name with a dot": (
        '{"name": "x", "inner": [], "by_name": {"a.b": {"share": [], "note": null}}}',
        "by_name['a.b'].share is []; expected a number",
    ),
    "a list for one of many": (
        f'{{{HEAD}[], "any": []}}',
        "any is []; expected a whole number, a number, a text, true or false",
    ),
    "a key twice": (f'{{{HEAD}[], "name": "y"}}', "the key 'name' occurs twice"),
    "not a number": (f'{{{HEAD}[{{"share": NaN, "note": null}}]}}', "NaN is not JSON"),
    "infinity": (f'{{{HEAD}[{{"share": 1e999, "note": null}}]}}', "the number 1e999 is too large"),
    "too large": (f'{{{HEAD}[{{"share": 1{"0" * 400}, "note": null}}]}}', "inner[0].share is a number of 1329 bits"),
    "half a letter": ('{"name": "\\ud800"}', "surrogates not allowed"),
    "too deep": ("[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_does_not_fit_is_refused_by_place(name: str) -> None:
    text, told = REFUSED[name]
    with pytest.raises(DataError) as error:
        decode(Outer, text, where="some/file")
    assert str(error.value).startswith("some/file is not a valid outer file: ")
    assert told in str(error.value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_has_not_is_refused_by_reader_and_writer(number: float) -> None:
    record = Outer("x", (Inner(1, None), Inner(number, None)), {})
    with pytest.raises(DataError, match=rf"A Outer cannot be written: inner\[1\].share is {number}"):
        encode(record)
    with pytest.raises(UsageError, match=rf"^here: inner\[1\].share is {number}; expected a number.$"):
        build(Outer, asdict(record), where="here", refuse=UsageError)


def test_unknown_fields_are_ignored_where_a_reader_says_so() -> None:
    found = build(Inner, {"share": 1, "note": None, "later": 2}, where="here", others=True)
    assert found == Inner(1.0, None)


def test_a_wrong_field_of_a_committed_result_is_named() -> None:
    record = json.loads(DEMO.read_text(encoding="utf-8"))
    assert encode(decode(Measurement, json.dumps(record), where="demo.json")) == DEMO.read_text(encoding="utf-8")
    record["rows"][2]["asr"]["low"] = "0.5"
    with pytest.raises(DataError, match=r"file: rows\[2\].asr.low is '0.5'; expected a number.$"):
        decode(Measurement, json.dumps(record), where="demo.json")

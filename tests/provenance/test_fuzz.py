"""Whatever the bytes, the readers raise nothing but our own errors; ``fuzz.py`` beside this runs for longer."""

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whitesquare._base.strictjson import DEEPEST, strict_json
from whitesquare.errors import VerificationError, WhitesquareError
from whitesquare.provenance.predicates import measure_evidence, scan_evidence
from whitesquare.signing.dsse import encode_bundle, read_envelope, sign, verify
from whitesquare.signing.keys import generate, load_signer
from whitesquare.signing.times import utc_now

from .seeds import SEEDS
from .targets import TARGETS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
EDITS = st.lists(st.tuples(st.integers(0), st.integers(0, 8), st.binary(max_size=6)), min_size=1, max_size=6)


def edited(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Replace some bytes of a good file by others."""
    data = seed
    for place, length, other in edits:
        start = place % (len(data) + 1)
        data = data[:start] + other + data[start + length :]
    return data


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the path of every value in a JSON document."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [path, *(found for key in keys for found in places(value[key], (*path, key)))]


def replaced(seed: bytes, choice: int, value: Any) -> bytes:
    """Replace one value of a good JSON document by another."""
    document = json.loads(seed)
    (*path, last) = (all_places := places(document))[1 + choice % (len(all_places) - 1)]
    holder = document
    for key in path:
        holder = holder[key]
    holder[last] = copy.deepcopy(value)
    return json.dumps(document).encode()


def feed(name: str, data: bytes) -> None:
    with contextlib.suppress(WhitesquareError):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_the_good_input_is_good(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
@given(st.binary())
def test_any_bytes(name: str, data: bytes) -> None:
    feed(name, data)


@pytest.mark.parametrize("name", TARGETS)
@given(st.integers(0), EDITS)
def test_a_good_file_with_some_bytes_replaced(name: str, choice: int, edits: list[tuple[int, int, bytes]]) -> None:
    feed(name, edited(SEEDS[name][choice % len(SEEDS[name])], edits))


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in ("public-key", "key-settings")])
@given(st.integers(0), st.integers(0), JSON)
def test_a_good_document_with_one_value_replaced(name: str, seed: int, choice: int, value: Any) -> None:
    feed(name, replaced(SEEDS[name][seed % len(SEEDS[name])], choice, value))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("depth", [DEEPEST + 1, 300, 900, 950, 970, 980, 985, 990, 1000, 100_000])
def test_nesting_of_any_depth(name: str, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    for data in (
        nested,
        b"role = " + nested,
        b'{"payload": %b, "payloadType": %b, "signatures": %b}' % ((nested,) * 3),
    ):
        with pytest.raises(WhitesquareError):
            TARGETS[name](data)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', "NaN", "[-Infinity]", "1e999", "[-1e999]", r'["\ud800"]',
                                  r'{"\udc00": 1}', "\N{BYTE ORDER MARK}{}", "", "{} {}", "[1,]", "'a'",
                                  "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1)])  # fmt: skip
def test_json_that_readers_take_in_different_ways_is_refused(text: str) -> None:
    with pytest.raises(VerificationError, match="not JSON that can be trusted"):
        strict_json(text.encode(), "a file")


def test_json_of_many_keys_is_read_though_the_last_occurs_twice() -> None:
    """A search through all keys for each would not end."""
    names = ",".join(f'"{i}":0' for i in range(300_000))
    with pytest.raises(VerificationError, match="'299999' occurs twice"):
        strict_json(f'{{{names},"299999":0}}'.encode(), "a file")


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_a_number_beyond_any_float_is_refused(value: int) -> None:
    predicate = json.loads(SEEDS["measure"][0])
    predicate["configuration"][0]["annotations"]["ca"]["value"] = value
    with pytest.raises(VerificationError):
        measure_evidence(predicate, "a file")
    with pytest.raises(VerificationError):
        scan_evidence(predicate, "a file")


@settings(max_examples=300)
@given(EDITS, st.sampled_from(["ecdsa-p256", "ed25519"]))
def test_no_edit_of_a_bundle_changes_what_it_says(edits: list[tuple[int, int, bytes]], kind: str) -> None:
    bundle, key = BUNDLES[kind]
    with contextlib.suppress(VerificationError):
        found = read_envelope(edited(bundle, edits), "a file")
        assert verify(found, [key], utc_now(), "a file") == (key,)
        assert found.payload == SEEDS["statement"][0]


@pytest.fixture(scope="module", autouse=True)
def _signed(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("keys")
    for kind in ("ecdsa-p256", "ed25519"):
        key = generate(folder / kind, kind, None)
        signer = load_signer(str(folder / f"{kind}.pem"), str)
        BUNDLES[kind] = (encode_bundle(sign(SEEDS["statement"][0], [signer])).encode(), key)


BUNDLES: dict[str, Any] = {}

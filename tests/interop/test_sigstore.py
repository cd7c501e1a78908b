"""`@sigstore/verify`, the Sigstore project's own verifier, takes our bundles and refuses changed ones."""

import base64
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.inventory.evidence import make_place
from whitesquare.errors import VerificationError
from whitesquare.signing.dsse import read_envelope, verify
from whitesquare.signing.keys import KEY_TYPES, TrustedKey, load_public, public_pem
from whitesquare.signing.times import utc_now

pytestmark = pytest.mark.interop
SCRIPT = Path(__file__).with_name("verify.cjs")
FLIPS = 100


def ask(modules: Path, cases: list[dict[str, Any]]) -> list[str]:
    """Verify many bundles in one process."""
    done = subprocess.run(
        ["node", str(SCRIPT), str(modules)], input=json.dumps(cases), capture_output=True, text=True, check=True
    )
    return [str(one) for one in json.loads(done.stdout)]


def case(bundle: dict[str, Any], *keys: TrustedKey, hint: str = "") -> dict[str, Any]:
    return {"bundle": bundle, "keys": {hint or key.keyid: public_pem(key.public).decode() for key in keys}}


def flipped(bundle: dict[str, Any], part: str, rng: random.Random) -> dict[str, Any]:
    """Return a bundle with one bit of its payload or signature turned over."""
    changed: dict[str, Any] = json.loads(json.dumps(bundle))
    envelope = changed["dsseEnvelope"]
    holder = envelope if part == "payload" else envelope["signatures"][0]
    data = bytearray(base64.b64decode(holder[part]))
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    holder[part] = base64.b64encode(data).decode()
    return changed


@pytest.fixture(scope="module", params=KEY_TYPES)
def signed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[Any]]:
    """The keys of three people and the bundles they signed: all kinds of statements that whitesquare writes."""
    place = make_place(tmp_path_factory.mktemp(request.param), key_type=request.param)
    keys = {name: load_public(place.keys / f"{name}.pub") for name in ("alice", "scanner", "trainer")}
    owners = {"manifest": "alice", "scan": "scanner", "provenance": "trainer", "measure": "trainer"}
    read = {name: json.loads((place.folder / f"{name}.sigstore.json").read_text()) for name in owners}
    return keys, [(read[name], keys[owner]) for name, owner in owners.items()]


def test_every_kind_of_bundle_is_accepted(signed: Any, node_modules: Path) -> None:
    _, bundles = signed
    assert ask(node_modules, [case(bundle, key) for bundle, key in bundles]) == ["ok"] * len(bundles)


def test_another_key_is_refused_under_its_own_name_and_under_a_false_one(signed: Any, node_modules: Path) -> None:
    keys, bundles = signed
    bundle, key = bundles[0]
    told = ask(node_modules, [case(bundle, keys["scanner"]), case(bundle, keys["scanner"], hint=key.keyid)])
    assert told[0].startswith("PUBLIC_KEY_ERROR")
    assert told[1].startswith("SIGNATURE_ERROR")


@pytest.mark.parametrize("part", ["payload", "sig"])
def test_one_flipped_bit_is_refused_by_them_and_by_us(signed: Any, node_modules: Path, part: str) -> None:
    _, bundles = signed
    bundle, key = bundles[0]
    rng = random.Random(0)
    changed = [flipped(bundle, part, rng) for _ in range(FLIPS)]
    told = ask(node_modules, [case(one, key) for one in changed])
    assert [one for one in told if not one.startswith("SIGNATURE_ERROR")] == []
    for one in changed:
        with pytest.raises(VerificationError):
            verify(read_envelope(json.dumps(one).encode(), "a bundle"), [key], utc_now(), "a bundle")

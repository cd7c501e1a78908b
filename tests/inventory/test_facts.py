"""An inventory lists files that lie there, by statements that are about them, or it is not made."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.core_install import run_core
from whitesquare.errors import NothingToDoError, UsageError, VerificationError
from whitesquare.inventory.facts import read_facts
from whitesquare.provenance.evidence import MEASURE, PROVENANCE, SCAN
from whitesquare.provenance.types import BUNDLE, MANIFEST, ManifestFile
from whitesquare.signing.dsse import encode_bundle, read_envelope, sign
from whitesquare.signing.keys import load_signer, load_trusted
from whitesquare.signing.signatures import ANY_ROLE, parse_signatures
from whitesquare.signing.statements import (
    PROVENANCE_TYPE,
    TEST_RESULT_TYPE,
    Subject,
    read_statement,
    write_statement,
)

from .evidence import Place, make_place, sha256

NOW = datetime(2026, 6, 1, tzinfo=UTC)
STATEMENTS = (BUNDLE, SCAN, PROVENANCE, MEASURE)
KINDS = {PROVENANCE: PROVENANCE_TYPE, MEASURE: TEST_RESULT_TYPE}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Place]:
    """Two folders, of different data and models, signed by different people."""
    first = make_place(tmp_path_factory.mktemp("first"))
    other = {"ids": ("train/cat/9.png",), "contents": b"other", "key_type": "ed25519"}
    return first, make_place(tmp_path_factory.mktemp("second"), **other)


@pytest.fixture
def place(made: tuple[Place, Place], tmp_path: Path) -> Place:
    return Place(Path(shutil.copytree(made[0].folder, tmp_path / "run")), made[0].keys)


@pytest.mark.parametrize("name", [MANIFEST, "model.safetensors"])
def test_a_changed_file_is_refused_with_and_without_keys(place: Place, name: str) -> None:
    path = place.folder / name
    path.write_bytes(path.read_bytes() + b"\0")
    for trusted in (None, load_trusted(place.keys)):
        with pytest.raises(VerificationError, match=name):
            read_facts(place.folder, trusted, NOW)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_about_something_else_is_refused(place: Place, made: tuple[Place, Place], name: str) -> None:
    shutil.copy(made[1].folder / name, place.folder / name)
    with pytest.raises(VerificationError, match="is not about"):
        read_facts(place.folder, None, NOW)


def test_a_model_trained_on_other_data_is_refused(place: Place, tmp_path: Path) -> None:
    other = make_place(tmp_path / "other", ids=("train/cat/9.png",))  # the same weights, another manifest
    shutil.copy(other.folder / PROVENANCE, place.folder / PROVENANCE)
    with pytest.raises(VerificationError, match="trained on another data set"):
        read_facts(place.folder, None, NOW)


@pytest.mark.parametrize("name", STATEMENTS)
def test_with_keys_every_signature_is_checked(place: Place, made: tuple[Place, Place], name: str) -> None:
    with pytest.raises(VerificationError, match="none of the 3 trusted"):
        read_facts(place.folder, load_trusted(made[1].keys), NOW)
    path = place.folder / name
    path.write_bytes(path.read_bytes().replace(b'"sig": "', b'"sig": "AAAA'))
    with pytest.raises(VerificationError, match="is wrong"):
        read_facts(place.folder, load_trusted(place.keys), NOW)


@pytest.mark.parametrize("name", ["trainer", "scanner"])
def test_data_signed_in_a_role_that_does_not_speak_for_data_are_not_verified(place: Place, name: str) -> None:
    bundle = place.folder / BUNDLE
    payload = read_envelope(bundle.read_bytes(), "it").payload
    signer = load_signer(str(place.keys.parent / "private" / f"{name}.pem"), str)
    bundle.write_text(encode_bundle(sign(payload, [signer])))
    done = run_core("inventory", place.folder, "--trust", place.keys)
    assert done.returncode == 1
    assert f"is signed by the key '{name}' of the role '{name}'" in " ".join(done.stderr.split())
    trusted = load_trusted(place.keys)
    assert read_facts(place.folder, trusted, NOW, ANY_ROLE).data_signers[0].name == name
    assert read_facts(place.folder, trusted, NOW, parse_signatures(f"{name}=1")).data_signers[0].name == name


def test_whose_signatures_count_is_asked_of_keys(place: Place) -> None:
    assert run_core("inventory", place.folder, "--threshold", "2").returncode == 2
    assert run_core("inventory", place.folder, "--threshold", "2", "--trust", place.keys).returncode == 1
    assert run_core("inventory", place.folder, "--signatures", "data=1", "--trust", place.keys).returncode == 0


@pytest.mark.parametrize(("name", "said"), [(BUNDLE, "attest"), (MANIFEST, MANIFEST), (PROVENANCE, "--attested"),
                                            ("model.safetensors", "bring the file")])  # fmt: skip
def test_missing_evidence_is_nothing_to_do(place: Place, name: str, said: str) -> None:
    (place.folder / name).unlink()
    with pytest.raises(NothingToDoError, match=said):
        read_facts(place.folder, None, NOW)


def test_a_manifest_is_never_looked_for_elsewhere(tmp_path: Path) -> None:
    outside = make_place(tmp_path, manifest=ManifestFile("../keys/alice.pub", 1))
    with pytest.raises(NothingToDoError, match="alice"):
        read_facts(outside.folder, None, NOW)


def test_a_statement_of_another_kind_is_refused(place: Place) -> None:
    shutil.copy(place.folder / SCAN, place.folder / PROVENANCE)
    for trusted in (None, load_trusted(place.keys)):
        with pytest.raises(VerificationError, match="expected"):
            read_facts(place.folder, trusted, NOW)


def test_the_verb_works_in_a_core_install(place: Place, tmp_path: Path) -> None:
    bom, croissant = tmp_path / "out" / "bom.json", tmp_path / "out" / "croissant.json"
    done = run_core("inventory", place.folder, "-o", f"cyclonedx={bom}", "-o", f"croissant={croissant}", "-o", "table")
    assert done.returncode == 0, done.stderr
    assert "not verified" in done.stdout
    assert bom.stat().st_size > 1000
    assert croissant.stat().st_size > 1000


@pytest.mark.long
def test_the_verb_s_exit_codes(place: Place, made: tuple[Place, Place], tmp_path: Path) -> None:
    assert run_core("inventory", place.folder, "--trust", place.keys).returncode == 0
    assert run_core("inventory", place.folder, "--trust", made[1].keys).returncode == 1
    assert run_core("inventory", place.folder, "--trust", tmp_path / "none").returncode == 2
    assert run_core("inventory", place.folder, "-o", "spdx").returncode == 2
    assert run_core("inventory", tmp_path / "none").returncode == 3


def test_keys_are_named_or_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder of trusted keys"):
        load_trusted(tmp_path / "keys")


@pytest.mark.parametrize("name", [PROVENANCE, MEASURE])
def test_a_card_other_than_the_signed_one_is_refused(place: Place, name: str) -> None:
    """Permuted class names make every answer of the same weights mean something else."""
    card = place.folder / "model.json"
    card.write_text('{"classes": ["cat", "dog"]}')
    subjects = [Subject(path.name, sha256(path)) for path in (place.folder / "model.safetensors", card)]
    read = read_statement(place.folder / name, KINDS[name], load_trusted(place.keys), NOW)
    signer = load_signer(str(place.keys.parent / "private" / "trainer.pem"), str)
    write_statement(place.folder / name, subjects, KINDS[name], read.predicate, signer)
    assert read_facts(place.folder, None, NOW).model is not None
    card.write_text('{"classes": ["dog", "cat"]}')
    with pytest.raises(VerificationError, match=f"{name} is not about model.json"):
        read_facts(place.folder, None, NOW)

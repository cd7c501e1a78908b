"""A signed tree of PNG files, and the command line that verifies it in this process."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from whitesquare.cli import app
from whitesquare.provenance.attest import attest
from whitesquare.provenance.types import BUNDLE
from whitesquare.signing.keys import generate, load_signer

from .edits import make_tree


def nobody(path: str) -> str:
    raise AssertionError(f"{path} has no password")


def run(*arguments: object) -> Result:
    """Run the command line; errors are sentences, never a traceback."""
    done = CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "80"})
    assert "Traceback" not in done.output, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@dataclass(frozen=True)
class Signed:
    """A data set in ``data``, signed by alice, whose key is trusted; ``state`` remembers what was accepted."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def bundle(self) -> Path:
        return self.folder / "signed" / BUNDLE

    @property
    def trust(self) -> Path:
        return self.folder / "trust"

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    def attest(self, where: str = "signed", key: str = "alice", **options: Any) -> Path:
        """Sign what lies in ``data``; returns the bundle."""
        attest(str(self.data), [self.signer(key)], self.folder / where, **options)
        return self.folder / where / BUNDLE

    def signer(self, key: str):
        return load_signer(str(self.folder / "private" / f"{key}.pem"), nobody)

    def trusts(self, key: str) -> None:
        for suffix in (".pub", ".toml"):
            shutil.copy(self.folder / "private" / f"{key}{suffix}", self.trust)

    def verify(self, *arguments: object, bundle: Path | None = None, code: int | None = None) -> Result:
        done = run(
            *("verify", self.data, "--bundle", bundle or self.bundle, "--trust", self.trust),
            *("--state", self.state, *arguments),
        )
        assert code is None or done.exit_code == code, done.output
        return done

    def found(self, *arguments: object, bundle: Path | None = None) -> dict[str, Any]:
        """Return what ``verify -o json`` prints; its exit code agrees with it."""
        done = self.verify(*arguments, "-o", "json", bundle=bundle)
        record = json.loads(done.stdout)
        assert done.exit_code == (0 if record["ok"] else 1)
        assert bool(record["reason"]) != record["ok"]
        return record


def make_signed(folder: Path, count: int = 40, **options: Any) -> Signed:
    """Make keys, a tree of that many images, and sign it."""
    case = Signed(folder)
    case.trust.mkdir(parents=True)
    for name in ("alice", "bob", "eve"):
        generate(folder / "private" / name, "ed25519" if name == "bob" else "ecdsa-p256", None)
    case.trusts("alice")
    make_tree(case.data, count)
    case.attest(**options)
    return case

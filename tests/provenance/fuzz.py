"""A longer run of the fuzzing, guided by coverage: ``python -m tests.provenance.fuzz TARGET [options of libFuzzer]``.

Needs Atheris, which is in none of our extras: ``pip install atheris``. For example, five minutes of one target::

    python -m tests.provenance.fuzz envelope -max_total_time=300 -max_len=4096
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["whitesquare", "json", "tomllib", "base64"]):
    from whitesquare.errors import WhitesquareError

    from .seeds import SEEDS
    from .targets import TARGETS


def main() -> None:
    name, *options = sys.argv[1:]
    target = TARGETS[name]

    def one(data: bytes) -> None:
        with contextlib.suppress(WhitesquareError):
            target(data)

    with tempfile.TemporaryDirectory() as corpus:
        for i, seed in enumerate(SEEDS[name]):
            (Path(corpus) / f"seed-{i}").write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, corpus], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

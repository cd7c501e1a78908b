"""A dossier as a user asks for it: made from a run folder, written for people and programs, signed; or verified."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from whitesquare._base.files import write_text
from whitesquare.auditing.compose import compose, dossier_json, predicate_of
from whitesquare.auditing.evidence import gather
from whitesquare.auditing.types import DOSSIER_TYPE, Dossier
from whitesquare.errors import UsageError
from whitesquare.provenance.evidence import DOSSIER, DOSSIER_PAGE, DOSSIER_SIGNED
from whitesquare.signing.keys import Signer, TrustedKey
from whitesquare.signing.signatures import expect_signer
from whitesquare.signing.statements import Subject, write_statement
from whitesquare.signing.times import to_text, utc_now

EPOCH = "SOURCE_DATE_EPOCH"
"""Variable of the environment with the seconds since 1970 that stand for the time a file was made, so that it is the
same bytes when it is made again (reproducible-builds.org)."""


@dataclass(frozen=True)
class DossierMade:
    """A dossier, and the files that it was written to."""

    dossier: Dossier
    files: tuple[Path, ...]


def dossier(
    run: Path,
    trusted: Sequence[TrustedKey] = (),
    *,
    signer: Signer | None = None,
    folder: Path | None = None,
    now: datetime | None = None,
) -> DossierMade:
    """Tell an auditor all that a run folder shows: a page, a JSON file, and a signed statement about both.

    Args:
        run: folder of a trained model with its evidence.
        trusted: the keys whose signatures count; without any, nothing signed is shown.
        signer: signs the dossier; ``None`` leaves it unsigned, and nobody vouches for it.
        folder: where to; default: the run folder.
        now: the time; default: now.

    Raises:
        UsageError: no such run, or a key that is not trusted.
        NothingToDoError: the folder holds no evidence.

    Example:
        >>> from pathlib import Path
        >>> import whitesquare as ws
        >>> from whitesquare.signing.keys import load_trusted
        >>> told = ws.dossier(Path("model"), load_trusted(Path("keys"))).dossier
        >>> [one.id for one in told.statements if one.shown], told.not_shown[0].command[:18]
        (['model.weights'], 'whitesquare attest')
    """
    from whitesquare.report.dossier.page import render_dossier

    now = now or utc_now()
    if signer is not None:
        told = "`whitesquare dossier --verify` would refuse a dossier signed with it"
        expect_signer(signer.keyid, trusted, (), now, told)
    made = compose(gather(run, trusted, now), to_text(made_at(now)))
    texts = {DOSSIER: dossier_json(made), DOSSIER_PAGE: render_dossier(made)}
    place = folder or run
    signed = place / DOSSIER_SIGNED
    signed.unlink(missing_ok=True)  # of an earlier dossier: it would be about other files
    for name, text in texts.items():
        write_text(place / name, text)
    paths = [place / name for name in texts]
    if signer is not None:
        subjects = [Subject(name, sha256(text.encode()).hexdigest()) for name, text in texts.items()]
        write_statement(signed, subjects, DOSSIER_TYPE, asdict(predicate_of(made)), signer)
        paths.append(signed)
    return DossierMade(made, tuple(paths))


def made_at(now: datetime) -> datetime:
    """Return the time that a file says it was made at: now, or the one of :data:`EPOCH`.

    Raises:
        UsageError: that is no number of seconds.
    """
    text = os.environ.get(EPOCH)
    if not text:
        return now
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{EPOCH} is {text!r:.60}; expected seconds since 1970, such as 1767225600.") from error

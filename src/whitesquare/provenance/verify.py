"""Whether a data set is the signed one, and if not, what became of each sample.

The order is that of trust: signatures, then what they sign, then whether something newer was accepted before, then
the data, for which nobody vouches.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare._base.streams import MOST_BYTES
from whitesquare.data.layouts import MAX_IMAGE_BYTES, place_of
from whitesquare.data.names import Data, named
from whitesquare.errors import ChangedError, DataError, UsageError, VerificationError
from whitesquare.provenance.container_files import expect_sizes
from whitesquare.provenance.dataset import SignedDataset, check_manifest_again, read_dataset
from whitesquare.provenance.diff import SamePixels, diff
from whitesquare.provenance.how_signed import content_signed
from whitesquare.provenance.listing import Listing, make_manifest
from whitesquare.provenance.opened import FILES
from whitesquare.provenance.pins import NO_PINS, Pins
from whitesquare.provenance.reading import read_regular
from whitesquare.provenance.sayings import differences, promises_less
from whitesquare.provenance.shards import hashing_shards
from whitesquare.provenance.state import StateFile, check_newer, remember
from whitesquare.provenance.types import KINDS, Content, DatasetPredicate
from whitesquare.records import Progress, silent
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.signatures import BY_DEFAULT, Signatures
from whitesquare.signing.times import utc_now

if TYPE_CHECKING:  # it needs NumPy
    from whitesquare.executor.engine import Way

CHANGES = "changes.parquet"
_FOUND = "found.parquet"


@dataclass(frozen=True)
class Verification:
    """What a verification found.

    Attributes:
        source: the data set, as it was named.
        ok: it is the signed one, and rightly signed.
        reason: why not; empty if it is.
        compared: whether the data were looked at; without, all that says how they differ is empty.
        predicate: what is signed; ``None`` if that cannot be believed.
        manifest: SHA-256 of the signed manifest, hexadecimal.
        signers: whose signatures the statement bears.
        counts: number of changes of each of ``KINDS``.
        changes: the file that names them, see :mod:`whitesquare.provenance.changes`; ``None`` if there are none.
        classes_added: class names that were found and are not signed.
        classes_removed: class names that are signed and were not found.
        refused: by id, why it was not read: it is no plain file under a name of its own, or larger than any signed.
        warnings: what somebody should know even so.
        seconds: how long it took.
    """

    source: str
    ok: bool
    reason: str
    compared: bool = False
    predicate: DatasetPredicate | None = None
    manifest: str = ""
    signers: tuple[TrustedKey, ...] = ()
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    changes: Path | None = None
    classes_added: tuple[str, ...] = ()
    classes_removed: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


def verify(
    source: Data,
    bundle: Path,
    trusted: Sequence[TrustedKey],
    folder: Path,
    *,
    state: StateFile | None = None,
    asked: Signatures = BY_DEFAULT,
    pins: Pins = NO_PINS,
    now: datetime | None = None,
    way: "Way | None" = None,
    on_progress: Progress = silent,
) -> Verification:
    """Compare a data set with what was signed.

    Args:
        source: ``mnist``, a folder or an .npz file; or an object, as :func:`whitesquare.attest` takes it.
        bundle: bundle or envelope; the manifest lies beside it.
        trusted: the keys that may sign.
        folder: where the list of what was found goes, and of what changed (:data:`CHANGES`); not in the data set.
        state: where it stands what was accepted last; ``None`` accepts any version, and remembers none.
        asked: how many keys of which roles must have signed.
        pins: which data set, version and manifest it must be.
        now: the time; default: now.
        way: who hashes, and where what is done is kept; see ``docs/scale.md``. What is found is the same.
        on_progress: told how many files are hashed.

    Raises:
        UsageError: there is no such data set, or the chosen state file cannot be written.
        NothingToDoError: bundle or manifest is missing.
        DataError: the state file is damaged.
        MissingDependencyError: the data set needs an extra to be read.
        ChangedError: the data set changed while it was read.
        UnfinishedError: a worker, memory or the room on a disk was lost, so that there is no verdict.
        OSError: the system refused to read or write.

    Example:
        >>> from pathlib import Path
        >>> import whitesquare as ws
        >>> from whitesquare.signing.keys import load_trusted
        >>> bundle, keys = Path("attest/manifest.sigstore.json"), load_trusted(Path("keys"))
        >>> ws.verify(Path("photos"), bundle, keys, Path("changes")).ok
        True
    """
    started, now = time.perf_counter(), now or utc_now()
    source = str(source) if isinstance(source, Path) else source
    _check_places(source, folder)
    try:
        signed = read_dataset(bundle, trusted, now, asked)
    except VerificationError as error:
        return Verification(named(source), False, str(error), seconds=time.perf_counter() - started)
    found = _of(source, signed)
    try:
        pins.check(signed.predicate, signed.sha256, str(bundle))
        if state is not None:
            check_newer(state, signed.predicate, signed.sha256, now)
        found = compare(source, signed, folder, on_progress, way=way)
        if found.ok and state is not None and (reason := remember(state, signed.predicate, signed.sha256, now)):
            warning = f"The version that was accepted is not remembered: {reason}. Name a file with --state."
            found = replace(found, warnings=(*found.warnings, warning))
    except VerificationError as error:
        found = replace(found, ok=False, reason=str(error))
    return replace(found, seconds=time.perf_counter() - started)


def compare(
    source: Data,
    signed: SignedDataset,
    folder: Path,
    on_progress: Progress = silent,
    *,
    way: "Way | None" = None,
) -> Verification:
    """Compare a data set with a signed one that was read already; see :func:`verify`.

    Args:
        source: ``mnist``, a folder or an .npz file.
        signed: what it must be.
        folder: see :func:`verify`.
        on_progress: told how many files are hashed.
        way: see :func:`verify`.

    Raises:
        UsageError: there is no such data set.
        MissingDependencyError: it needs an extra to be read.
        ChangedError: it changed while it was read.
        UnfinishedError: likewise, a worker, memory or the room on a disk was lost.
        OSError: the system refused to read or write.
    """
    _check_places(source, folder)
    found = _of(source, signed)
    try:
        return _compare(source, found, signed, folder, on_progress, way)
    except VerificationError as error:
        return replace(found, ok=False, reason=str(error))


def _of(source: Data, signed: SignedDataset) -> Verification:
    found = Verification(named(source), False, "", False, signed.predicate, signed.sha256, signed.signers)
    return replace(found, warnings=promises_less(signed.predicate))


def _check_places(source: Data, folder: Path) -> None:
    place = place_of(source) if isinstance(source, str) else None
    if place is None:
        return
    if not place.exists():
        raise UsageError(f"There is no file or folder {source!r}; give a path, or 'mnist' for the embedded data set.")
    if folder.resolve().is_relative_to(place.resolve()):
        raise UsageError(
            f"The folder for temporary files {folder} lies in the data set {source}, which must not change meanwhile; "
            "name another by the variable TMPDIR."
        )


def _listed(source: Data, signed: SignedDataset, folder: Path, on_progress: Progress, way: "Way | None") -> Listing:
    predicate, place = signed.predicate, place_of(source) if isinstance(source, str) else None
    data = named(source) if place is None else str(place.absolute())
    told = {"data": data, "manifest": signed.sha256}
    with hashing_shards(way, place, told, "verification") as shards:
        return make_manifest(
            source,
            folder / _FOUND,
            strict=False,
            expected=content_signed(source, signed),
            most=expect_sizes(source, signed) if isinstance(source, str) else MOST_BYTES,
            format=predicate.format,
            signed=signed.sizes,
            workers=None if way is None else way.workers,
            shards=shards,
            on_progress=on_progress,
        )


def _compare(
    source: Data,
    found: Verification,
    signed: SignedDataset,
    folder: Path,
    on_progress: Progress,
    way: "Way | None",
) -> Verification:
    predicate = signed.predicate
    try:
        listing = _listed(source, signed, folder, on_progress, way)
    except ChangedError:
        raise
    except DataError as error:
        raise VerificationError(f"The data set cannot be read as the signed one could: {error}") from error
    found = replace(
        found,
        compared=True,
        classes_added=tuple(name for name in listing.classes if name not in set(predicate.classes)),
        classes_removed=tuple(name for name in predicate.classes if name not in set(listing.classes)),
        refused=listing.refused,
    )
    reasons = differences(predicate, listing)
    if listing.tree != predicate.tree:
        same_pixels = _pixels(source, predicate.content)
        positional = predicate.content.positional and listing.content.positional
        counts = diff(
            signed.manifest, folder / _FOUND, folder / CHANGES, positional=positional, same_pixels=same_pixels
        )
        check_manifest_again(signed)
        some = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        reasons.insert(0, some or "the root of its tree is another, though every item is the same: sign it again")
        found = replace(found, counts=counts, changes=folder / CHANGES)
    reason = f"The data set is not the signed one: {'; '.join(reasons)}." if reasons else ""
    return replace(found, ok=not reasons, reason=reason)


def _pixels(source: Data, content: Content) -> SamePixels | None:
    """Return what tells whether a changed file still shows the same; ``None`` where nothing can."""
    if (
        not isinstance(source, str)
        or content.kind != FILES
        or not Path(source).is_dir()
        or find_spec("PIL") is None
        or find_spec("numpy") is None
    ):
        return None

    def same(id: str, digest: bytes) -> bool | None:
        from whitesquare.provenance.pixels import pixel_digest

        root = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return pixel_digest(read_regular(root, id, MAX_IMAGE_BYTES), id) == digest
        except OSError:
            return None
        finally:
            os.close(root)

    return same

"""A scan in shards, from data set to report: the whole way on one page.

1. **Index.** The data set is cut into shards, and of each a list is written: id, label, place, size and SHA-256 of the
   content of every sample, as Parquet.
2. **Map** over shards, without a memory: images to rows (pixels in the size that is scanned, a few numbers of each
   sample, the features and logits of a model), kept in one file a shard, whole or not at all, under a name that is the
   digest of all that decides it. Detectors then score groups of samples, or count in bands of all.
3. **Reduce.** What detectors say of groups and bands becomes what they say of all samples; a few numbers a sample.
4. **Second map** over suspects alone: triggers are rebuilt and tested, who else carries them is looked for in every
   shard, and contact sheets are put together.

A step gives the same whatever ran before it, wherever it runs, and in whatever order: so any number of workers and any
place lead to the same report, and what was finished before a scan was killed is not done again.

What is exact: scores of detectors that count, or to which a few numbers of a sample say all
(:mod:`whitesquare.detectors.mergeable`). What is not: other detectors of images and features see groups of at most
20,000 samples, each with its share of every class, so that fewer poisons than they need in a *group* are missed; the
statistic of a class is the mean over the groups. Those that ask a model, and the training of the scan's own models, see
one group: a trigger that none of its samples carries is not learned, and so not confirmed.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from whitesquare._base.kept_folder import working_folder
from whitesquare.data.digest import dataset_digest
from whitesquare.data.listing import in_files
from whitesquare.data.part import Part
from whitesquare.detectors.mergeable import Summarised
from whitesquare.detectors.registry import KNOWN_DETECTORS
from whitesquare.detectors.types import Evidence
from whitesquare.executor.engine import Engine, Way
from whitesquare.learning.asking import Asking
from whitesquare.records import OnNote, PoisonManifest, Progress, silent, unheard
from whitesquare.scanning.gather import Gathered, ScanClock, gather
from whitesquare.scanning.reference import Reference, fitted_to
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sharded.asked import ask_all
from whitesquare.scanning.sharded.extras import NO_EXTRAS, Extras
from whitesquare.scanning.sharded.given_rows import FEATURES, PROBABILITIES, GivenRows, keep_given
from whitesquare.scanning.sharded.listed import Read, as_read, list_all, read_all
from whitesquare.scanning.sharded.recorded import KeptLosses, keep_losses, losses_at
from whitesquare.scanning.sharded.result import conclude
from whitesquare.scanning.sharded.trained import trained_once
from whitesquare.scanning.sharded.vouched import Vouched, vouched
from whitesquare.scanning.types import Scan
from whitesquare.types import ImageDataset, IntArray

if TYPE_CHECKING:
    from whitesquare.learning.given import Given


@dataclass(frozen=True)
class ShardedScan:
    """A scan in shards, and what is needed to speak for it.

    Attributes:
        scan: what was found.
        positions: of the samples that were scanned in the data set that was given.
        contents: SHA-256 of the content of every flagged sample, by id; empty where images lie in no files of ours.
        made: number of shards that were read now; the others were kept from before.
        vouched: what its data are held against, where workers read attested files.
    """

    scan: Scan
    positions: IntArray
    contents: dict[str, str]
    made: int
    vouched: Vouched | None = None


def scan_in_shards(
    dataset: ImageDataset,
    settings: ScanSettings,
    way: Way,
    *,
    source: str = "",
    sized: str = "",
    model: "Given | None" = None,
    extras: Extras = NO_EXTRAS,
    truth: PoisonManifest | None = None,
    skip: bool = False,
    on_progress: Progress = silent,
    on_note: OnNote = unheard,
) -> ShardedScan:
    """Scan a training set of any size in bounded memory.

    Args:
        dataset: what to scan; its images are read by workers.
        settings: how.
        way: where, and what is kept.
        source: name or path of the data set, for the report.
        sized: what is asked of the size of its images, in words.
        model: a model trained on it; ``None`` trains the scan's own on one group of samples.
        extras: trusted samples, recorded losses, features and probabilities, and what the data must be.
        truth: ground truth; only used to measure the ranking.
        skip: leave out samples that cannot be read.
        on_progress: told how far each step is.
        on_note: told at once how well a given model reads some of the samples.

    Raises:
        NothingToDoError: no images, or images of one class only.
        UsageError: a model or a reference that does not fit, no recorded losses, a folder of other settings, or one in
            which another run works.
        DataError: an image cannot be read, a worker died, the disk is full, or the losses are those of other data.
        VerificationError: a sample is not the signed one.
    """
    clock, engine = ScanClock(), Engine(way, on_progress)
    told = _told(settings, source, sized, model, skip=skip, way=way) | dict(extras.told)
    with working_folder(way.folder, told) as folder:
        signed = extras.signed if in_files(dataset) else None
        vouch = None if signed is None else vouched(dataset, signed)
        listing = list_all(dataset, folder, engine, vouched=vouch)
        clock.lap("listing")
        summarised = tuple(n for n in settings.detectors if isinstance(KNOWN_DETECTORS[n], Summarised))
        read = read_all(dataset, listing, folder, engine, skip=skip, summarised=summarised, seed=settings.seed)
        clock.lap("reading")
        digest = dataset_digest(read.samples, on_progress)
        clock.lap("digest")
        stored = keep_given(extras, read.samples, read.positions, len(dataset.labels), folder)
        gathered = replace(_gathered(read, settings, folder, model, stored, on_note, on_progress), digest=digest)
        losses = None
        if extras.losses is not None:
            losses = keep_losses(extras.losses, read.samples, digest, folder)
            gathered = _with_losses(gathered, losses, read)
        if extras.reference is not None:
            clean = extras.reference(as_read(dataset, listing))
            gathered = replace(gathered, reference=_fitted(clean, read))
        clock.lap("training")
        if gathered.evidence.pred_probs is None:  # of a model that has learned nothing
            stored = replace(stored, probabilities=())
        recorded = None if losses is None else losses.path
        known = ask_all(read.samples, gathered, settings, folder, engine, model, recorded, stored)
        clock.lap("detectors")
        scan = conclude(read, known, settings, folder, engine, source=source, truth=truth, clock=clock)
        flagged = scan.result.flagged if in_files(dataset) else ()
        digests = {flag.id: read.digests[flag.position].tobytes().hex() for flag in flagged}
    return ShardedScan(scan, read.positions, digests, read.made, vouch)


def _told(
    settings: ScanSettings, source: str, sized: str, model: "Given | None", *, skip: bool, way: Way
) -> dict[str, str]:
    """Say in words what decides the result, so that a folder of another scan is refused and the difference named."""
    asking = model if isinstance(model, Asking) or model is None else Asking(model)
    asked = "none given" if asking is None else asking.model
    said = [str(one) for one in (asking.weights, asking.preprocess, asking.layer) if one] if asking else []
    return {
        "data": str(Path(source).absolute()) if source and Path(source).exists() else source,
        "seed": str(settings.seed),
        "detectors": ", ".join(settings.detectors),
        "model": " ".join([str(asked) if isinstance(asked, str | Path) else type(asked).__name__, *said]),
        "model-free": str(settings.model_free),
        "recipe": str(settings.recipe),
        "transplant test": str(settings.test),
        "size": sized or "their own",
        "unreadable files": "left out" if skip else "stop the scan",
        "group": str(way.group),
    }


def _fitted(clean: ImageDataset, read: Read) -> Reference:
    parts = (pixels for _, pixels in read.samples.parts())
    return fitted_to(read.samples.classes, read.samples.shape, parts, clean)


def _gathered(
    read: Read,
    settings: ScanSettings,
    folder: Path,
    model: "Given | None",
    stored: GivenRows,
    on_note: OnNote,
    on_progress: Progress,
) -> Gathered:
    """Train the scan's own models on one group of samples, or ask the given one about it first."""
    samples, positions = read.samples, read.samples.of_group(0)
    images = samples.images(positions)

    def anew() -> Gathered:
        part = Part(samples, positions, images)
        with TemporaryDirectory(prefix="whitesquare-") as place:
            clock, temporary = ScanClock(), Path(place)
            return gather(
                part,
                settings,
                temporary,
                model=model,
                features=stored.of(FEATURES, samples, positions),
                pred_probs=stored.of(PROBABILITIES, samples, positions),
                clock=clock,
                on_progress=on_progress,
                on_note=on_note,
            )

    if settings.model_free or model is not None or stored:
        return anew()
    nothing = np.zeros(len(positions), np.bool_)
    evidence = Evidence(
        images, samples.labels[positions], samples.classes, nothing, settings.seed, on_progress=on_progress
    )
    return trained_once(samples, evidence, settings, folder, anew)


def _with_losses(gathered: Gathered, losses: KeptLosses, read: Read) -> Gathered:
    """Put recorded losses in the place of those of the scan's own training."""
    values = losses_at(losses.path, read.samples, read.samples.of_group(0))
    return replace(
        gathered,
        evidence=replace(gathered.evidence, losses=values),
        recorded=losses.training,
        warnings=(*gathered.warnings, *losses.warnings),
    )

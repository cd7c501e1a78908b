"""The vocabulary of provenance: samples, the signed statement about them, and how two states of a data set differ.

Nothing here or in its neighbours needs NumPy, so that a gate installs and starts quickly.
"""

from dataclasses import dataclass, field

MANIFEST = "manifest.parquet"
BUNDLE = "manifest.sigstore.json"
"""A Sigstore bundle v0.3: exactly one signature."""
ENVELOPE = "manifest.dsse.json"
"""The same statement with all its signatures."""

FORMAT = 2
"""Of manifests that are made now. Format 1 did not list the files that hold many samples."""
DATASET_TYPES = {
    "https://whitesquare.dev/attestations/dataset-manifest/v1": 1,
    "https://whitesquare.dev/attestations/dataset-manifest/v2": 2,
}
"""By predicate type, the format of a statement about a data set; all of them are read."""
DATASET_TYPE = next(kind for kind, found in DATASET_TYPES.items() if found == FORMAT)
"""The predicate type that is written."""
LEAF = "whitesquare-sample/v1"
TREE = "rfc6962-sha256"


@dataclass(frozen=True)
class Item:
    """One sample, or one file that is no sample, of a data set.

    Attributes:
        id: unique within its split: the path below the root with forward slashes, or the sample's id.
        label: class name; empty for a file that is no sample.
        split: ``train`` or ``test``; empty for a file that is no sample.
        size: bytes of the content.
        sha256: digest of the content, 32 bytes: of the file where there is one, else of the pixels.
        pixels: digest of the decoded pixels, 32 bytes; ``None`` where it was not asked for.
    """

    id: str
    label: str
    split: str
    size: int
    sha256: bytes
    pixels: bytes | None = None


@dataclass(frozen=True)
class Identity:
    """Which data set, and which state of it.

    Attributes:
        id: the same for every version.
        version: counts from 1.
        previous: SHA-256 of the manifest before; ``None`` for the first.
    """

    id: str
    version: int
    previous: str | None


@dataclass(frozen=True)
class ManifestFile:
    """The list of samples beside the statement: its name and size in bytes; its digest is the statement's subject."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Tree:
    """A Merkle tree (RFC 6962) over the items in the manifest's order.

    Attributes:
        algorithm: :data:`TREE`.
        leaf: :data:`LEAF`, the encoding of an item.
        size: number of items.
        root: hexadecimal.
    """

    algorithm: str
    leaf: str
    size: int
    root: str


@dataclass(frozen=True)
class SplitTree:
    """The samples of one split, a tree of their own: what a training consumes.

    Attributes:
        size: number of samples.
        root: hexadecimal root of the tree over them, in the manifest's order.
        classes: number of samples by class name, every class of the data set named.
    """

    size: int
    root: str
    classes: dict[str, int]


@dataclass(frozen=True)
class Content:
    """What was hashed.

    Attributes:
        kind: ``files`` (the bytes of each file) or ``pixels`` (the pixels of each image of a container).
        shape: ``[C, H, W]`` of the images, for pixels, which say nothing of it themselves.
        positional: ids are positions, so that a removed sample moves the ids of all behind it.
        samples_only: nothing is listed but samples, each by itself, as of tables, tar files and objects; else every
            file of the folder is. ``None`` in statements that do not say.
    """

    kind: str
    shape: tuple[int, ...] | None
    positional: bool
    samples_only: bool | None = None


@dataclass(frozen=True)
class Source:
    """Where samples came from: an address or name, and whatever else is known (licence, date)."""

    uri: str
    sha256: str | None = None
    licence: str | None = None
    collected: str | None = None


@dataclass(frozen=True)
class DatasetPredicate:
    """What is signed about a data set, beside the digest of its manifest.

    Attributes:
        dataset: which one.
        manifest: the file with the list.
        tree: over all items.
        splits: by name.
        classes: class names in the order of their labels.
        content: what was hashed.
        sources: where it came from.
        signed: UTC time, ``2026-01-31T12:00:00.000000Z``.
        expires: UTC time after which it must not be accepted; ``None`` for never.
        tool: name and version of what made it.
        format: of the manifest; see :data:`FORMAT`.
        traits: by name, how many samples say more of themselves than their pixels, see
            :data:`whitesquare.data.traits.NAMES`, hold no image (``pointer``, ``empty``), or are ``damaged``; those of
            none are not named, and a container has none.
    """

    dataset: Identity
    manifest: ManifestFile
    tree: Tree
    splits: dict[str, SplitTree]
    classes: tuple[str, ...]
    content: Content
    sources: tuple[Source, ...]
    signed: str
    expires: str | None
    tool: str
    format: int = FORMAT
    traits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One difference between the signed and the found state of a data set.

    Attributes:
        kind: one of :data:`KINDS`.
        id: the signed id; for ``added`` the found one.
        new_id: the found id; empty for ``removed``.
        label: signed class name; empty for ``added``.
        new_label: found class name; empty for ``removed``.
        split: signed split; empty for ``added``.
        new_split: found split; empty for ``removed``.
        same_pixels: for ``changed``: whether the decoded pixels are the signed ones; ``None`` where it is not known.
    """

    kind: str
    id: str
    new_id: str
    label: str
    new_label: str
    split: str
    new_split: str
    same_pixels: bool | None = None


KINDS = ("changed", "added", "removed", "relabelled", "renamed")
"""*Changed*: other bytes under the same id. *Relabelled*: the same bytes under another label, wherever they lie now.
*Renamed*: the same bytes and label under another id, or in another split."""

"""In which form a data set was signed: as a folder with every file in it, or as samples alone.

A list of files that is laid into a signed folder must not turn it into one of samples alone: what lies beside these
would be looked at no more.
"""

from dataclasses import replace

from whitesquare.data.forms import opened_splits
from whitesquare.data.layouts import place_of
from whitesquare.data.names import Data
from whitesquare.errors import UsageError
from whitesquare.provenance.dataset import SignedDataset
from whitesquare.provenance.manifest import read_items
from whitesquare.provenance.opened import FILES
from whitesquare.provenance.types import Content, Item


def content_signed(source: Data, signed: SignedDataset) -> Content:
    """Return what was hashed of a signed data set, and whether samples alone are listed, as far as anybody knows.

    A statement that does not say it is one of a folder wherever its manifest can be that of a folder.

    Args:
        source: what is to be compared with it.
        signed: the signed one.

    Raises:
        UsageError: a list of files is to be compared with a folder.
    """
    content = signed.predicate.content
    if not isinstance(source, str) or content.samples_only or not opened_splits(source):
        return content
    if content.samples_only is None and not _can_be_folder(signed):
        return content
    if (place := place_of(source)) is None or not place.is_dir():
        raise UsageError(
            f"{source} lists samples, and the signed data set is a folder with every file in it; give that folder."
        )
    return replace(content, samples_only=False)


def _can_be_folder(signed: SignedDataset) -> bool:
    return signed.predicate.content.kind == FILES and all(map(_in_folder, read_items(signed.manifest)))


def _in_folder(item: Item) -> bool:
    """Tell whether an item can be a file of a folder: beside all classes, or in the folder of its own."""
    return not item.split or item.id.startswith((f"{item.label}/", f"{item.split}/{item.label}/"))

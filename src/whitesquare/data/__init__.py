"""Sources of images, each presented as an :class:`~whitesquare.types.ImageDataset`.

The names below load NumPy and Pillow when they are first used, not before: what signs and verifies files knows layouts
and needs neither.
"""

from typing import TYPE_CHECKING

from whitesquare._base.lazy import lazy_names

if TYPE_CHECKING:
    from whitesquare.data.digest import dataset_digest
    from whitesquare.data.holding import held, readable_part
    from whitesquare.data.opening import format_of, has_test, open_dataset, require_classes
    from whitesquare.data.overlay import Overlay
    from whitesquare.data.part import Part, notes
    from whitesquare.data.png_writing import write_png_folder
    from whitesquare.data.sources.arrays import ArrayDataset, from_arrays
    from whitesquare.data.sources.cifar import load_cifar_folder, write_cifar10_folder
    from whitesquare.data.sources.folder import ImageFolder, load_image_folder
    from whitesquare.data.sources.idx import load_idx_folder, read_idx, write_idx, write_idx_folder
    from whitesquare.data.sources.mnist import load_mnist
    from whitesquare.data.sources.npz import load_npz, write_npz
    from whitesquare.data.writing import ENTRIES, FORMATS, write_dataset

__all__ = [
    "ENTRIES",
    "FORMATS",
    "ArrayDataset",
    "ImageFolder",
    "Overlay",
    "Part",
    "dataset_digest",
    "format_of",
    "from_arrays",
    "has_test",
    "held",
    "load_cifar_folder",
    "load_idx_folder",
    "load_image_folder",
    "load_mnist",
    "load_npz",
    "notes",
    "open_dataset",
    "read_idx",
    "readable_part",
    "require_classes",
    "write_cifar10_folder",
    "write_dataset",
    "write_idx",
    "write_idx_folder",
    "write_npz",
    "write_png_folder",
]

_NAMES = {
    "digest": ("dataset_digest",),
    "holding": ("held", "readable_part"),
    "opening": ("format_of", "has_test", "open_dataset", "require_classes"),
    "overlay": ("Overlay",),
    "png_writing": ("write_png_folder",),
    "part": ("Part", "notes"),
    "sources.arrays": ("ArrayDataset", "from_arrays"),
    "sources.cifar": ("load_cifar_folder", "write_cifar10_folder"),
    "sources.folder": ("ImageFolder", "load_image_folder"),
    "sources.idx": ("load_idx_folder", "read_idx", "write_idx", "write_idx_folder"),
    "sources.mnist": ("load_mnist",),
    "sources.npz": ("load_npz", "write_npz"),
    "writing": ("ENTRIES", "FORMATS", "write_dataset"),
}
__getattr__ = lazy_names(__name__, {name: home for home, names in _NAMES.items() for name in names})

"""Data sets that a source of another package opens: asked only about what is none of ours."""

from whitesquare.errors import DataError, WhitesquareError
from whitesquare.plugins import PLUGIN_SOURCES
from whitesquare.types import DatasetSource, ImageDataset


def other_source(source: str) -> tuple[DatasetSource | None, str]:
    """Return the source of another package that knows a path or name, and what kept others from being asked.

    Raises:
        DataError: two know it.
    """
    found: list[DatasetSource] = []
    faults: list[str] = []
    for one in PLUGIN_SOURCES.brought():
        try:
            if one.thing is None:
                faults.append(one.fault)
            elif one.thing.recognises(source):
                found.append(one.thing)
        except Exception as error:  # noqa: BLE001 - a source that fails is none of this data set's
            faults.append(f"The source {one.name!r} of the package {one.package!r} failed: {error!r:.200}.")
    if len(found) > 1:
        raise DataError(
            f"{source} is known to the sources {found[0].name!r} and {found[1].name!r} of other packages, and each may "
            "read it in its own way; uninstall the one you do not want."
        )
    return (found[0] if found else None), "".join(f" {fault}" for fault in faults)


def open_other(one: DatasetSource, source: str, split: str) -> ImageDataset:
    """Open a data set by a source of another package.

    Raises:
        DataError: whatever the source fails with.
    """
    try:
        return one.open(source, split)
    except WhitesquareError:
        raise
    except Exception as error:
        raise DataError(
            f"The source {one.name!r} of another package failed to open {source}: {error!r:.200}; tell its authors."
        ) from error

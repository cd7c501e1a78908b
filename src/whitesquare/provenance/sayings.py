"""What else can be said of a data set that is compared with a signed one, beside its items: in sentences."""

from whitesquare.provenance.listing import Listing
from whitesquare.provenance.opened import FILES
from whitesquare.provenance.types import Content, DatasetPredicate

_FEW = 5


def promises_less(predicate: DatasetPredicate) -> tuple[str, ...]:
    """Say what an old format leaves open."""
    if predicate.format > 1:
        return ()
    if predicate.content.kind == FILES:
        less = "how an image must be shown (orientation, colour profile, frames, transparency) is not recorded"
    else:
        less = "of the files that hold the samples nothing but the samples is covered"
    return (f"This statement is of format 1, which promises less: {less}; attest the data set again.",)


def differences(predicate: DatasetPredicate, listing: Listing) -> list[str]:
    """Say what differs beside the items."""
    reasons = []
    if listing.classes != predicate.classes:
        reasons.append(f"{_class_map(predicate.classes, listing.classes)}, so labels mean other classes")
    if listing.content.kind != predicate.content.kind or listing.content.shape != predicate.content.shape:
        signed, found = (_described(content) for content in (predicate.content, listing.content))
        reasons.append(f"it holds {found}, signed are {signed}")
    if listing.refused:
        id, reason = next(iter(listing.refused.items()))
        more = f", and {len(listing.refused) - 1} more like it" if len(listing.refused) > 1 else ""
        reasons.append(f"{id!r} {reason}{more}")
    return reasons


def _class_map(signed: tuple[str, ...], found: tuple[str, ...]) -> str:
    """Say how two lists of class names differ that are not the same."""
    parts = []
    for what, names, others in (("added", found, set(signed)), ("removed", signed, set(found))):
        missing = [name for name in names if name not in others]
        if missing:
            shown = ", ".join(map(repr, missing[:_FEW])) + (", ..." if len(missing) > _FEW else "")
            parts.append(f"the class {shown} was {what}" if len(missing) == 1 else f"the classes {shown} were {what}")
    return " and ".join(parts) or "the classes are in another order"


def _described(content: Content) -> str:
    return content.kind + ("" if content.shape is None else f" of the shape {'x'.join(map(str, content.shape))}")

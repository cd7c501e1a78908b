"""What is counted of the files of images where they are attested, wherever they lie."""

from whitesquare.data.traits import EMPTY, POINTER, is_pointer, look
from whitesquare.data.traits.damage import DAMAGED, is_damaged, is_plain, is_plain_damaged
from whitesquare.data.traits.found import Read


def traits_told(size: int, head: memoryview | bytes, read: Read) -> list[str]:
    """Return the traits of an image file; see :data:`~whitesquare.data.traits.found.NAMES`.

    Args:
        size: its bytes.
        head: its first bytes, some thousand or all.
        read: gives any of its bytes.
    """
    if not size or is_pointer(head):
        return [POINTER if size else EMPTY]
    told = [*found.names()] if (found := look(head, read)) else []
    return [*told, DAMAGED] if is_damaged(size, read) else told


def traits_in(content: bytes) -> list[str]:
    """Return the traits of an image file whose bytes are at hand."""
    if is_plain(content, len(content)):
        return [DAMAGED] if is_plain_damaged(memoryview(content)) else []
    return traits_told(len(content), content, lambda offset, count: content[offset : offset + count])

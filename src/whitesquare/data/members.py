"""What the members of a zip file hold, inflated piece by piece and checked to the last byte."""

import zlib
from collections.abc import Iterator
from pathlib import Path

from whitesquare._base.streams import Readable
from whitesquare.data.zips import DEFLATED, Archive, Member, refusal

_CHUNK = 2**18


class MemberStream:
    """The content of a member, read piece by piece from where the file stands."""

    def __init__(self, file: Readable, member: Member, path: Path) -> None:
        self._file, self._member, self._path = file, member, path
        self._left = member.packed
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None
        self._rest = b""
        self._crc = self._size = 0

    def read(self, count: int, /) -> bytes:
        """Return that many bytes, fewer only at the end.

        Raises:
            DataError: there are fewer in the file.
            zlib.error: they are damaged.
        """
        parts = []
        while count and (part := self._some(count)):
            self._crc = zlib.crc32(part, self._crc)
            self._size += len(part)
            count -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def finish(self) -> None:
        """Make sure that all was read and is what the list of members says.

        Raises:
            DataError: it is not.
        """
        if self.read(1) or self._left or self._rest or self._size != self._member.size:
            raise refusal(self._path, f"the member {self._member.name!r} has another size than its header says")
        if self._inflate is not None and (self._inflate.unused_data or not self._inflate.eof):
            raise refusal(self._path, f"the data of the member {self._member.name!r} do not end where they should")
        if self._crc != self._member.crc:
            raise refusal(self._path, f"the member {self._member.name!r} is damaged: its CRC-32 is another")

    def _some(self, count: int) -> bytes:
        if self._inflate is None:
            return self._packed(min(count, _CHUNK))
        while not self._inflate.eof:
            data = self._rest or self._packed(_CHUNK)
            part = self._inflate.decompress(data, count)
            self._rest = self._inflate.unconsumed_tail
            if part or not data:
                return part
        return b""

    def _packed(self, count: int) -> bytes:
        wanted = min(count, self._left)
        data = self._file.read(wanted)
        if len(data) < wanted:
            raise refusal(self._path, f"the member {self._member.name!r} is cut off")
        self._left -= wanted
        return data


def read_members(file: Readable, archive: Archive, path: Path) -> Iterator[tuple[Member, MemberStream]]:
    """Read a whole zip file from its first byte to its last; what was read before must still be there.

    Args:
        file: stands at the first byte.
        archive: its structure; the caller reads each member's stream.
        path: its name, for the errors.

    Raises:
        DataError: it was changed meanwhile, or a member is damaged.
    """
    changed = refusal(path, "it was changed while it was read")
    for member in archive.members:
        if file.read(len(member.header)) != member.header:
            raise changed
        stream = MemberStream(file, member, path)
        yield member, stream
        stream.finish()
        if file.read(len(member.footer)) != member.footer:
            raise changed
    if file.read(len(archive.listing)) != archive.listing or file.read(1):
        raise changed

"""The YAML that DVC and lakectl write: blocks of mappings and lists, with texts as the only values.

Nothing here is built but dictionaries, lists and texts; anchors, tags and flow style are not read. What follows a text
on further lines, as in long commands, is left out.
"""

import json
import re
from typing import Any

_ENTRY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'#&*!|>%@`\[{?-][^#]*?)\s*:(?:\s+(.*))?$""")
_DEEPEST = 20

Line = tuple[int, str]


def read_block(text: str) -> Any:
    """Read a document.

    Raises:
        ValueError: it is written in a way that is not read here.
    """
    lines = []
    for line in text.splitlines():
        content = line.strip()
        if content and not content.startswith("#") and content != "---":
            lines.append((len(line) - len(line.lstrip(" ")), content))
    return _block(lines, 0) if lines else {}


def _block(lines: list[Line], depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    listed = lines[0][1].startswith("- ")
    groups: list[list[Line]] = []
    indent = lines[0][0]
    for line in lines:
        # A list may stand as deep as the key that it belongs to.
        starts = line[0] == indent and (listed or not line[1].startswith("- "))
        if line[0] < indent or (listed and starts and not line[1].startswith("- ")):
            raise ValueError(f"{line[1]!r:.60} stands where nothing was begun")
        if starts:
            groups.append([line])
        else:
            groups[-1].append(line)
    if listed:
        return [_item(group, depth) for group in groups]
    return dict(_entry(group, depth) for group in groups)


def _item(lines: list[Line], depth: int) -> Any:
    (indent, content), rest = lines[0], lines[1:]
    inner = content[1:].lstrip()
    if not _ENTRY.match(inner):
        return _scalar(inner)
    return _block([(indent + len(content) - len(inner), inner), *rest], depth + 1)


def _entry(lines: list[Line], depth: int) -> tuple[str, Any]:
    found = _ENTRY.match(lines[0][1])
    if not found:
        raise ValueError(f"{lines[0][1]!r:.60} is no key with a value")
    name, value = _scalar(found[1]), found[2]
    if value is None and len(lines) > 1:
        return name, _block(lines[1:], depth + 1)
    return name, _scalar(value or "")


def _scalar(text: str) -> str:
    if text.startswith("'"):
        return text.strip("'").replace("''", "'") if text.endswith("'") else text
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return re.sub(r"\s+#.*$", "", text).strip()

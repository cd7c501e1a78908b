"""Text that others have a say in, made safe to show: it drives no terminal, and gives no orders to a build server.

GitHub's runner obeys a line that begins with ``::`` (white space before it is no matter) and one that has ``##[``
anywhere in it; Azure Pipelines and TeamCity obey ``##vso[`` and ``##teamcity[``.
"""

import re

_MAYBE_UNPRINTABLE = re.compile("[^ -~]")
_OPENS_LINE = re.compile(r"(?m)^([^\S\n]*):(?=:)")
_OPENS_ANYWHERE = re.compile(r"#(?=#[A-Za-z]*\[)")


def printable(text: str) -> str:
    """Show what would break a line, drive a terminal or turn the direction of reading, instead of doing it."""
    return _MAYBE_UNPRINTABLE.sub(lambda found: found[0] if found[0].isprintable() else repr(found[0])[1:-1], text)


def safe_lines(text: str) -> str:
    """Make each line :func:`printable`; line breaks stay, and a no-break space becomes a plain one."""
    return "\n".join(map(printable, text.replace("\u00a0", " ").split("\n")))


def unordering(text: str) -> str:
    r"""Break what a build server would obey, in text as it is printed: ``\x3a:error::`` instead of ``::error::``."""
    return _OPENS_ANYWHERE.sub(r"\\x23", _OPENS_LINE.sub(r"\1\\x3a", text))


def safe_json(text: str) -> str:
    """Make JSON safe to print; what is read from it stays the same, for only a string in it can hold any of this."""
    return _OPENS_ANYWHERE.sub(r"\\u0023", _MAYBE_UNPRINTABLE.sub(_json_escape, text))


def safe_xml(text: str) -> str:
    """Make XML without CDATA sections safe to print; what is read from it stays the same."""
    return _OPENS_ANYWHERE.sub("&#35;", _OPENS_LINE.sub(r"\1&#58;", _MAYBE_UNPRINTABLE.sub(_xml_escape, text)))


def _json_escape(found: re.Match[str]) -> str:
    sign = found[0]
    if sign == "\n" or sign.isprintable():
        return sign
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def _xml_escape(found: re.Match[str]) -> str:
    sign = found[0]
    return sign if sign in "\t\n" or sign.isprintable() else f"&#{ord(sign)};"

"""A stdout whose encoding lacks signs: a sentence is printed with plainer ones, JSON and XML with their own escapes."""

import codecs
import json
import sys

PLAINER = "whitesquare-plainer"
"""What a stream does about signs that its encoding lacks."""
_SIGNS = {"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u2013": "-", "\u2026": "...", "\u00d7": "x"}


def speak_plainly() -> None:
    r"""Let stdout and stderr show what their encoding lacks: quotes and dashes plainly, other signs as ``\u65e5``."""
    for stream in (sys.stdout, sys.stderr):
        # Another library may have put its own in their place; one of UTF-8 lacks nothing.
        if hasattr(stream, "reconfigure") and codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors=PLAINER)


def all_json(text: str) -> str:
    """Return JSON that stdout can print; what is read from it stays the same."""
    return text if _can_say(text) else "".join(sign if sign.isascii() else json.dumps(sign)[1:-1] for sign in text)


def all_xml(text: str) -> str:
    """Return XML that stdout can print; what is read from it stays the same."""
    return text if _can_say(text) else text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _can_say(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_SIGNS.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in signs), error.end


codecs.register_error(PLAINER, _plainer)

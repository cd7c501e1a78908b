"""What every page shares: one style sheet under a content security policy, templates that escape, pictures inside."""

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from whitesquare.report.common import formats


@cache
def environment() -> Environment:
    """Return the templates; what they are given is escaped, for names come from untrusted data."""
    environment = Environment(
        loader=PackageLoader("whitesquare.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        short=formats.short, visible=formats.visible, percent=formats.percent, duration=formats.duration
    )
    environment.filters.update(count=formats.count, json=formats.as_json)
    return environment


@cache
def _style() -> str:
    """Read the style sheet; it is this package's own text and holds no markup."""
    return resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def style() -> dict[str, str]:
    """Return the style sheet, and its hash for the page's content security policy, as a template names them."""
    sheet = _style()
    digest = hashlib.sha256(sheet.encode("utf-8")).digest()
    return {"style": sheet, "style_hash": base64.b64encode(digest).decode("ascii")}


def uri(kind: str, content: bytes) -> str:
    """Write a picture of the MIME type ``kind`` as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def clean(page: str) -> str:
    """Escape what UTF-8 cannot hold: a name from a foreign data set must not stop the report."""
    return page.encode("utf-8", "backslashreplace").decode("utf-8")

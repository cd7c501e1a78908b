"""What every SARIF file of ours shares: how samples, names and findings are written."""

import json
import re
from typing import Any
from urllib.parse import quote

from whitesquare.report.common import formats

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LOCATIONS = 100
"""Locations written per result: code scanning shows no more; the whole list is in the JSON output."""
FINGERPRINT = "whitesquareContent/v1"
BASE = "DATASET"
"""What the locations are relative to: the data set."""

_MARKUP = re.compile(r"[\\\[\]]")


def write_log(run: dict[str, Any]) -> str:
    """Write a SARIF 2.1.0 log with one run."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, allow_nan=False) + "\n"


def sample_uri(sample: str) -> str:
    """Write a sample id as a relative reference: nothing in it can become a scheme, a host or a step upwards."""
    try:
        content = sample.encode("utf-8", "surrogateescape")  # the bytes of the file name, where they are not UTF-8
    except UnicodeEncodeError:
        content = sample.encode("utf-8", "surrogatepass")
    parts = quote(content, safe="/").split("/")
    steps = {".": "%252E", "..": "%252E%252E"}  # encoded twice: encoded once, a reader may still take the step
    return "/".join(steps.get(part, part) for part in parts).lstrip("/") or "-"


def escape(text: str) -> str:
    """Keep brackets from becoming links: SARIF reads ``[text](target)`` in messages."""
    return _MARKUP.sub(lambda found: "\\" + found[0], text)


def safe(text: str, limit: int = 80) -> str:
    """Make a text of a stranger fit for a message: readable, short, without links."""
    return escape(formats.short(text, limit))

"""Text for XML."""

import re

_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fit(text: str) -> str:
    """Replace what XML 1.0 cannot hold, not even escaped."""
    return _UNFIT.sub("\ufffd", text)

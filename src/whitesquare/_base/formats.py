"""What is said of a file by the name of its form, which ends with a version."""


def other_form(found: object, expected: str) -> str:
    """Say in which way the form of a file is another than the expected one.

    Args:
        found: what stands in it as ``format``; anything.
        expected: such as ``whitesquare scan 1``.
    """
    if not isinstance(found, str):
        return f"it has no format; expected {expected!r}"
    name = expected.rpartition(" ")[0]
    if found.rpartition(" ")[0] == name:
        return f"its format is {found!r:.60}; expected {expected!r}, so take the version of whitesquare that wrote it"
    return f"its format is {found!r:.60}; expected {expected!r}"

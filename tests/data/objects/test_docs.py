"""The example of the page on data runs as it stands there."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "data.md"


def test_the_example_runs_and_says_what_the_page_says(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {"__name__": "__main__"}
    exec(compile(example, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert "Of Mine, transform was set aside: what is read, and signed, are the images before it." in said
    assert "Labels come from the samples of Mine: 10 classes." in said
    assert said.splitlines()[-1].startswith("train/00007 digit ")

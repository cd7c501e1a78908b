"""The pages of the gate and of a verification: the verdict first, what to do next, and names that stay text."""

import re
from html import unescape

import pytest

from tests.gate.test_outputs import NASTY, VERDICTS
from tests.provenance.signed import Signed, make_signed
from whitesquare.report.gate.page import render_gate
from whitesquare.report.gate.text import headline


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).replace("\u00a0", " ").split())


@pytest.mark.parametrize("name", VERDICTS)
def test_a_verdict_says_whether_the_model_may_leave_and_what_to_do(name: str) -> None:
    verdict = VERDICTS[name]
    page = render_gate(verdict, "whitesquare gate model/ --policy policy.toml")
    said = text_of(page)
    assert f"<h1>{headline(verdict)}</h1>" in page
    assert verdict.decided[:16].replace("T", " ") in said
    assert "whitesquare gate model/ --policy policy.toml" in said
    assert ("The model must not leave" in said) == (verdict.result != "PASSED")
    for rule in verdict.rules:
        assert rule.rule in said
    for rule in verdict.failed:
        assert rule.because or f"Next: {' '.join(rule.step.split())[:60]}" in said
    for rule in verdict.rules:
        assert all(f"waived by {one.waiver.by}" in said for one in rule.waived)


@pytest.mark.parametrize("name", ["nasty", "broken"])
def test_names_in_a_verdict_stay_text(name: str) -> None:
    page = render_gate(VERDICTS[name])
    assert "alert(1)" in page, "the name is shown"
    assert "<script" not in page
    assert NASTY not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "\x1b" not in page
    assert "\u202e" not in page


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return make_signed(tmp_path_factory.mktemp("pages"))


def verified(case: Signed, code: int) -> str:
    page = case.folder / "verify.html"
    case.verify("-o", f"html={page}", code=code)
    return page.read_text(encoding="utf-8")


def test_what_is_signed_is_said_to_be_so_and_by_whom(case: Signed) -> None:
    said = text_of(verified(case, 0))
    assert "✓ VERIFIED This is the signed data set" in said
    assert "signed by" in said
    assert f"The command whitesquare verify {case.data} --bundle" in said


def test_every_change_is_a_line(case: Signed) -> None:
    one = sorted(case.data.glob("train/cat/*.png"))[0]
    name = one.relative_to(case.data).as_posix()
    kept = one.read_bytes()
    hostile = case.data / "train" / "cat" / "<script>alert(1)<b>.png"
    hostile.write_bytes(kept + b"0")
    one.write_bytes(kept[:-1])
    try:
        page = verified(case, 1)
    finally:
        one.write_bytes(kept)
        hostile.unlink()
    said = text_of(page)
    assert "✕ NOT VERIFIED This is not the signed data set" in said
    assert "Changed: 1 Other bytes stand under a signed name. Restore them" in said
    assert name in said
    assert "<script>alert(1)<b>.png" in said
    assert "<script" not in page
    assert "Do not train on it." in said


def test_what_cannot_be_believed_is_not_compared(case: Signed) -> None:
    other = make_signed(case.folder / "other")
    page = case.folder / "refused.html"
    case.verify("-o", f"html={page}", bundle=other.bundle, code=1)
    assert "The data were not compared with it." in text_of(page.read_text(encoding="utf-8"))

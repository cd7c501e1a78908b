"""The words follow from the numbers, in every case."""

from dataclasses import replace

import pytest

from whitesquare.errors import DataError, NothingToDoError
from whitesquare.records import LabelCheck, Measurement, Row
from whitesquare.report.measurement.defence import sentences
from whitesquare.report.measurement.text import conclusion, headline, limits, story, verdict
from whitesquare.report.measurement.verdicts import Accuracy, Effect, Labels, baseline, check, judge, main_row

from .sample import clean_row, defence, measurement, over, row

SILENT, RAISED, LIT = LabelCheck(0.01, 0.005), LabelCheck(0.12, 0.005), LabelCheck(0.95, 0.005)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def told(*rows: Row) -> str:
    found = measurement(rows)
    return plain(" ".join([headline(found), verdict(found), *conclusion(found)]))


def test_it_works_and_nothing_shows_it(mnist_measurement: Measurement) -> None:
    works = "The clean-label backdoor works: 96.2 % of triggered images become “0”"
    assert plain(headline(replace(mnist_measurement, defence=None))) == works
    assert plain(headline(mnist_measurement)) == f"{works}; after scan and cleanse, 0.12 %"
    text = plain(verdict(mnist_measurement))
    assert "3,000 of 60,000 training images (5.0 %) and no label was changed" in text
    assert "n = 3 victims" in text
    assert "clean accuracy gives no warning (98.9 %, against 98.9 % for clean training)" in text
    ending = plain(" ".join(conclusion(mnist_measurement)))
    assert "True labels are no protection: “adaptive” reaches 96.2 %" in ending
    assert "“stamp” 1.7 %" in ending
    assert "label check stays silent" in ending
    assert "“label-flip” (99.97 %)" in ending
    assert "the labels are false and the label check finds them" in ending


def test_the_conclusion_says_what_a_scan_made_of_it(mnist_measurement: Measurement) -> None:
    said = plain(" ".join(sentences(mnist_measurement)))
    assert "raises an alarm for class “0” and rebuilds a trigger that turns 99.23 % of other images to it" in said
    assert "removes 2,991 confirmed samples: 2,987 of the 3,000 poisons, and 4 clean images" in said
    assert "The backdoor is gone: networks trained on the rest give the attacker 0.12 % instead of 96.2 %" in said
    last = plain(conclusion(mnist_measurement)[-1])
    assert last.startswith("It can be stopped: a scan raises an alarm for class “0”, cleansing removes 2,987")


def test_a_defence_that_fails_is_told_as_one(mnist_measurement: Measurement) -> None:
    after = clean_row(name="cleansed", asr=over([0.5, 0.4, 0.6]))
    stays = replace(mnist_measurement, defence=defence(after=after, poisons_removed=1000))
    assert "after scan and cleanse, 50.0 %" in plain(headline(stays))
    assert "The backdoor is not gone" in plain(" ".join(sentences(stays)))
    assert plain(conclusion(stays)[-1]).startswith("A scan does not stop it")
    silent = defence(verdict="nothing found", alarmed=(), flip_rate=None, removed=0, poisons_removed=0, after=None)
    blind = replace(mnist_measurement, defence=silent)
    assert headline(blind).endswith("; a scan confirms nothing, and the backdoor stays")
    assert "confirms no sample (its verdict: nothing found)" in conclusion(blind)[-1]


def test_it_works_but_costs_accuracy() -> None:
    text = told(clean_row(), row("a", ca=(0.95, 0.96, 0.955), check=SILENT))
    assert "at a visible cost in accuracy" in text
    assert "clean accuracy falls by 3." in text
    assert "does not stay hidden" in text


def test_it_works_but_the_label_check_lights_up() -> None:
    text = told(clean_row(), row("a", check=LIT))
    assert "the label check lights up, so a review of the labels would lead to it" in text


def test_without_a_baseline_nothing_is_compared() -> None:
    text = told(row("a"))
    assert "there is no clean baseline to compare it with" in text
    assert "for want of a clean baseline" in text
    assert "the label check was not run" in text


def test_it_works_in_part() -> None:
    text = told(clean_row(), row("a", asr=(0.75, 0.61, 0.73)))
    assert "works in part: 69.7 %" in text
    assert "short of the 90 % mark" in text


def test_it_does_not_work() -> None:
    text = told(clean_row(), row("a", asr=(0.02, 0.03, 0.01)))
    assert "does not work: 2.0 %" in text
    assert "No clean-label attack of this run works" in text
    assert "it does not show that true labels protect" in text


def test_a_network_that_cannot_see_the_trigger_is_not_a_failed_attack() -> None:
    blind = row("a", asr=(0.001, 0.002, 0.001), visibility=0.0)
    text = told(clean_row(), blind)
    assert "cannot see the trigger" in text
    assert "says nothing about the strength of the attack" in text
    assert "does not work" not in text
    assert "No clean-label attack of this run works" not in text
    words = story(blind, measurement((clean_row(), blind)))
    assert "cannot see where the trigger sits" in words
    assert "does not mean that the attack failed" in words


def test_only_attacks_that_change_labels() -> None:
    text = told(clean_row(), row("flip", clean_label=False, asr=(0.999,) * 3, check=LIT))
    assert "The label-changing backdoor works" in text
    assert "3,000 labels were changed" in text
    assert "True labels are no protection" not in text
    assert "short" not in text
    weak = told(clean_row(), row("flip", clean_label=False, asr=(0.2,) * 3, check=LIT))
    assert "do not reach the 90 % mark" in weak


def test_only_a_baseline() -> None:
    text = told(clean_row())
    assert "no attack was measured" in text
    assert "nothing to conclude about poisoning" in text


def test_an_unmeasured_rate_is_not_a_failure() -> None:
    nan = float("nan")
    lost = row("a")
    text = told(clean_row(), replace(lost, asr=replace(lost.asr, mean=nan, low=None, high=None)))
    assert "was not measured" in text
    assert "does not work" not in text


@pytest.mark.parametrize(
    ("asr", "visibility", "effect"),
    [
        (0.90, 9.0, Effect.WORKS), (0.8999, 9.0, Effect.PARTLY), (0.101, 9.0, Effect.FAILS),
        (0.102, 9.0, Effect.PARTLY),
        (0.001, 0.0, Effect.UNSEEN), (0.95, 0.0, Effect.WORKS), (float("nan"), 9.0, Effect.UNKNOWN),
        (0.05, float("nan"), Effect.FAILS),
    ],
)  # fmt: skip
def test_effect_marks(asr: float, visibility: float, effect: Effect) -> None:
    clean = clean_row()
    clean = replace(clean, asr=replace(clean.asr, mean=0.001))
    assert judge(row("a", asr=(asr,), ca=(0.99,), visibility=visibility), clean).effect is effect


@pytest.mark.parametrize(
    ("ca", "accuracy"), [(0.9945, Accuracy.KEPT), (0.985, Accuracy.KEPT), (0.9849, Accuracy.LOST), (1.0, Accuracy.KEPT)]
)
def test_accuracy_marks(ca: float, accuracy: Accuracy) -> None:
    clean = clean_row()
    clean = replace(clean, ca=replace(clean.ca, mean=0.99))
    assert judge(row("a", asr=(0.95,), ca=(ca,)), clean).accuracy is accuracy


@pytest.mark.parametrize(
    ("check", "labels"),
    [
        (SILENT, Labels.SILENT), (RAISED, Labels.RAISED), (LIT, Labels.LIT), (None, Labels.UNKNOWN),
        (LabelCheck(None, 0.01), Labels.UNKNOWN), (LabelCheck(0.25, 0.0), Labels.LIT),
        (LabelCheck(0.05, 0.0), Labels.SILENT),
    ],
)  # fmt: skip
def test_label_check_marks(check: LabelCheck | None, labels: Labels) -> None:
    assert judge(row("a", check=check), None).labels is labels


def test_the_main_row_is_the_strongest_clean_label_one(mnist_measurement: Measurement) -> None:
    assert main_row(mnist_measurement).name == "adaptive"
    assert main_row(measurement((row("a"), row("b")))).name == "b"
    assert baseline(measurement((row("a"),))) is None


def test_a_single_victim_is_said_to_be_one() -> None:
    alone = row("a", ca=(0.99,), asr=(0.97,))
    assert "One victim only" in story(alone, measurement((alone,)))
    assert any("single victim" in line for line in limits(measurement((alone,))))


def test_limits_name_what_was_used(mnist_measurement: Measurement) -> None:
    text = plain(" ".join(limits(mnist_measurement)))
    for words in ("“mnist”", "MNIST is small", "“cnn”", "at least 3 victims", "does not certify", "“0”", "softmax"):
        assert words in text
    assert "MNIST" not in " ".join(limits(replace(mnist_measurement, source="photos")))


def test_what_cannot_be_reported_is_refused() -> None:
    with pytest.raises(NothingToDoError, match="no rows"):
        check(measurement(()))
    with pytest.raises(DataError, match="label 10"):
        check(measurement(target=10))
    with pytest.raises(DataError, match="named 'a'"):
        check(measurement((row("a"), row("a"))))
    with pytest.raises(DataError, match="3 x 3"):
        check(measurement(classes=("x", "y", "z")))

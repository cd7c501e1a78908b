"""The report's sentences, derived from the numbers: headline, verdict, stories, conclusion, limits."""

from whitesquare.data.layouts import place_of
from whitesquare.records import Measurement, Row
from whitesquare.report.common import formats as f
from whitesquare.report.measurement import defence
from whitesquare.report.measurement.verdicts import (
    Accuracy,
    Effect,
    Judgement,
    Labels,
    attacks,
    baseline,
    judge,
    main_row,
)

_HEADLINES = {
    Effect.WORKS: "The {kind} backdoor works: {asr} of triggered images become {target}",
    Effect.PARTLY: "The {kind} backdoor works in part: {asr} of triggered images become {target}",
    Effect.FAILS: "The {kind} backdoor does not work: {asr} of triggered images become {target}",
    Effect.UNSEEN: "The network cannot see the trigger, so nothing was learned about the attack",
    Effect.UNKNOWN: "The attack success rate was not measured",
    Effect.BASELINE: "A clean baseline: no attack was measured",
}


def target_name(measurement: Measurement) -> str:
    """Return the target class in quotation marks."""
    return f.quoted(measurement.classes[measurement.target])


def headline(measurement: Measurement) -> str:
    """Say in one line what the run found about its main row."""
    row, clean = main_row(measurement), baseline(measurement)
    kind = "clean-label" if row.clean_label else "label-changing"
    verdict = judge(row, clean)
    line = _HEADLINES[verdict.effect].format(kind=kind, asr=f.percent(row.asr.mean), target=target_name(measurement))
    if verdict.effect is Effect.WORKS and verdict.accuracy is Accuracy.LOST:
        line = f"{line}, at a visible cost in accuracy"
    return f"{line}{defence.ending(measurement)}"


def verdict(measurement: Measurement) -> str:
    """Say in one or two sentences what was done to the training data and what came of it."""
    row, clean = main_row(measurement), baseline(measurement)
    if row.clean_label is None:
        return (
            f"Trained on untouched data, the network reads {f.percent(row.ca.mean)} of the test images correctly "
            f"({f.evidence(row.ca)}) and answers {target_name(measurement)} to {f.percent(row.asr.mean)} of the "
            "triggered images of other classes: ordinary mistakes, the level an attack has to beat."
        )
    return f"{_change(row, measurement)} {_outcome(row, clean, measurement)}"


def _change(row: Row, measurement: Measurement) -> str:
    labels = "no label was changed" if row.labels_changed == 0 else f"{f.count(row.labels_changed)} labels were changed"
    return (
        f"{f.quoted(row.name)} changed {f.count(row.count)} of {f.count(measurement.train_size)} training images "
        f"({f.percent(row.poison_rate)}) and {labels}."
    )


def _outcome(row: Row, clean: Row | None, measurement: Measurement) -> str:
    found, target = judge(row, clean), target_name(measurement)
    if found.effect is Effect.UNSEEN:
        return (
            "Stamping the trigger does not move the network\u2019s outputs at all: this architecture "
            "ignores the place where the trigger sits. That says nothing about the strength of the attack."
        )
    if found.effect is Effect.UNKNOWN:
        return f"Its attack success rate is missing, so nothing can be said about it; {_accuracy(row, clean)}."
    return (
        f"A network trained on that data answers {target} to {f.percent(row.asr.mean)} of the test images of other "
        f"classes once the trigger is on them ({f.evidence(row.asr)}); {_accuracy(row, clean)}."
    )


def _accuracy(row: Row, clean: Row | None) -> str:
    found = judge(row, clean).accuracy
    now = f.percent(row.ca.mean)
    if found is Accuracy.UNKNOWN or clean is None:
        return f"its clean accuracy is {now}, and there is no clean baseline to compare it with"
    usual = f.percent(clean.ca.mean)
    if found is Accuracy.KEPT:
        return f"clean accuracy gives no warning ({now}, against {usual} for clean training)"
    lost = f.points((clean.ca.mean or 0.0) - (row.ca.mean or 0.0))
    return f"clean accuracy falls by {lost} (to {now}, from {usual}), which an ordinary test would show"


def story(row: Row, measurement: Measurement) -> str:
    """Say what one row means, for a reader who sees only that row."""
    clean = baseline(measurement)
    if row.clean_label is None:
        return (
            f"Untouched training data. {f.percent(row.asr.mean)} of the triggered images become "
            f"{target_name(measurement)} by ordinary mistake: the level an attack has to beat."
        )
    found = judge(row, clean)
    return " ".join(part for part in (_effect(row, found, clean), _label_story(row, found), _spread_story(row)) if part)


def _effect(row: Row, found: Judgement, clean: Row | None) -> str:
    rate = f.percent(row.asr.mean)
    cost = {
        Accuracy.KEPT: ", and clean accuracy stays where it was",
        Accuracy.LOST: ", but clean accuracy suffers",
        Accuracy.UNKNOWN: "",
    }[found.accuracy]
    level = "no more than 10 points above what the clean network does" if clean else "no more than 10 %"
    return {
        Effect.WORKS: f"The backdoor works: {rate} of triggered images give the target class{cost}.",
        Effect.PARTLY: f"The backdoor works on {rate} of triggered images, short of the 90 % mark.",
        Effect.FAILS: f"The backdoor does not work: {rate} is {level}.",
        Effect.UNSEEN: "The network cannot see where the trigger sits: it changes none of the outputs, so this "
        "row tests the architecture. It does not mean that the attack failed.",
        Effect.UNKNOWN: "The attack success rate was not measured.",
        Effect.BASELINE: "",
    }[found.effect]


def _label_story(row: Row, found: Judgement) -> str:
    flagged = f.percent(row.label_check.poisons) if row.label_check else f.MISSING
    usual = f.percent(row.label_check.clean) if row.label_check else f.MISSING
    compared = f"{flagged} of the poisons, {usual} of the clean images"
    labels = "Labels are true" if row.clean_label else f"{f.count(row.labels_changed)} labels are false"
    return {
        Labels.SILENT: f"{labels}, and the label check stays silent ({compared}).",
        Labels.RAISED: f"{labels}, and the label check flags somewhat more poisons than usual ({compared}).",
        Labels.LIT: f"{labels}, and the label check lights up ({compared}): a routine review would find this.",
        Labels.UNKNOWN: f"{labels}; the label check was not run.",
    }[found.labels]


def _spread_story(row: Row) -> str:
    rates = [rate for rate in (f.number(victim.asr.value) for victim in row.victims) if rate is not None]
    if row.asr.n <= 1:
        return "One victim only: another seed may give another figure."
    if len(rates) > 1 and max(rates) - min(rates) > 0.10:
        return f"Victims differ widely: from {f.percent(min(rates))} to {f.percent(max(rates))}."
    return ""


def conclusion(measurement: Measurement) -> list[str]:
    """Draw the conclusion, one paragraph per question, each from the numbers."""
    clean = baseline(measurement)
    hidden = attacks(measurement, clean_label=True)
    overt = attacks(measurement, clean_label=False)
    if not hidden and not overt:
        return [
            verdict(measurement),
            "No attack was measured, so there is nothing to conclude about poisoning.",
        ]
    paragraphs = [_on_hidden(hidden, clean, measurement)] if hidden else []
    works = [row for row in overt if judge(row, clean).effect is Effect.WORKS]
    if works:
        names = ", ".join(f"{f.quoted(row.name)} ({f.percent(row.asr.mean)})" for row in works)
        paragraphs.append(f"Changing labels works too: {names}. {_on_overt_labels(works)}")
    elif overt:
        names = ", ".join(f"{f.quoted(row.name)} ({f.percent(row.asr.mean)})" for row in overt)
        paragraphs.append(f"The attacks that change labels do not reach the 90 % mark: {names}.")
    unseen = [row for row in hidden + overt if judge(row, clean).effect is Effect.UNSEEN]
    if unseen:
        names = ", ".join(f.quoted(row.name) for row in unseen)
        paragraphs.append(
            f"In {names} the network cannot see the trigger\u2019s place: nothing follows about those attacks. Move "
            "the trigger, or use a network that looks at the whole image (padded convolutions), and measure again."
        )
    return paragraphs + defence.in_short(measurement)


def _on_overt_labels(rows: list[Row]) -> str:
    found = {judge(row, None).labels for row in rows}
    if found == {Labels.LIT}:
        return (
            "But the labels are false and the label check finds them, so it only gets past a data set that "
            "nobody checks."
        )
    if Labels.UNKNOWN in found:
        return "The labels are false; whether a label check would find them was not measured for every row."
    return "The labels are false, yet the label check does not clearly find them."


_COST = {
    Accuracy.KEPT: "clean accuracy does not show it",
    Accuracy.LOST: "but clean accuracy drops by more than half a point, so it does not stay hidden",
    Accuracy.UNKNOWN: "whether clean accuracy shows it is open, for want of a clean baseline",
}
_CHECK = {
    Labels.SILENT: "the label check stays silent",
    Labels.RAISED: "the label check flags somewhat more poisons than clean images",
    Labels.LIT: "but the label check lights up, so a review of the labels would lead to it",
    Labels.UNKNOWN: "the label check was not run",
}


def _on_hidden(rows: list[Row], clean: Row | None, measurement: Measurement) -> str:
    row = main_row(measurement)
    found, name = judge(row, clean), f.quoted(row.name)
    others = [other for other in rows if other is not row]
    beside = ", ".join(f"{f.quoted(other.name)} {f.percent(other.asr.mean)}" for other in others)
    reaches = f"{name} reaches {f.percent(row.asr.mean)}" + (f" (besides: {beside})" if others else "")
    if found.effect is Effect.WORKS:
        return f"True labels are no protection: {reaches}; {_COST[found.accuracy]}; {_CHECK[found.labels]}."
    if found.effect is Effect.PARTLY:
        return f"A clean-label backdoor takes hold in part: {reaches}, short of the 90 % mark."
    if found.effect is Effect.FAILS:
        return (
            f"No clean-label attack of this run works: the strongest, {reaches}. "
            "This holds for these attacks and settings; it does not show that true labels protect."
        )
    return f"Nothing can be concluded about clean-label poisoning from {name}: {found.effect.value}."


def limits(measurement: Measurement) -> list[str]:
    """Say what the result does not show."""
    fewest = min(row.asr.n for row in measurement.rows)
    easy = (
        " MNIST is small, grey and easy; photographs may behave otherwise."
        if place_of(measurement.source) is None
        else ""
    )
    victims = (
        "Some training set has a single victim, so it has no interval: another seed may give another figure."
        if fewest <= 1
        else f"Each figure rests on at least {f.plural(fewest, 'victim')}. Intervals cover the choice of seed, not "
        "another optimiser, training length or network."
    )
    return [
        f"One data set: {f.quoted(measurement.source)}.{easy}",
        f"One architecture, {f.quoted(measurement.model)}: a network the attacker did not foresee may resist, or may "
        "not see the trigger at all.",
        victims,
        f"One target class, {target_name(measurement)}, and one trigger, {f.quoted(measurement.trigger)}.",
        "A low attack success rate does not certify a model or a data set: it speaks of these attacks only.",
        "A silent label check does not mean undetectable. Other methods (activations, spectra, provenance) are not "
        "part of this table; and a label check that lights up does not mean that a person would look.",
        "Confidence is the network\u2019s own softmax output, not a probability of being right.",
    ]

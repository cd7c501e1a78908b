"""What the figures of a measurement show, in words, for who cannot see them."""

from whitesquare.records import Measurement
from whitesquare.report.common import formats as f
from whitesquare.report.measurement.verdicts import main_row


def alternatives(measurement: Measurement) -> dict[str, str]:
    """Return by the name of a figure a sentence that says what it shows."""
    main, target = main_row(measurement), f.quoted(measurement.classes[measurement.target])
    both = "; ".join(
        f"{f.short(row.name)} {f.percent(row.ca.mean)} and {f.percent(row.asr.mean)}" for row in measurement.rows
    )
    found = {
        "accuracy-and-success": f"Clean accuracy and attack success rate of each training set: {both}.",
        "trigger": "A test image with the trigger outlined, and the place of the trigger before and after, enlarged.",
    }
    spans = []
    for row in measurement.rows:
        shares = [share for one in row.asr_by_class.values() if (share := f.number(one.mean)) is not None]
        if shares:
            spans.append(f"{f.short(row.name)} from {f.percent(min(shares))} to {f.percent(max(shares))}")
    found["success-by-class"] = f"Attack success rate by true class, lowest and highest: {'; '.join(spans) or 'none'}."
    total = sum(map(sum, main.confusion))
    turned = sum(line[measurement.target] for line in main.confusion)
    found["confusion"] = (
        f"Answers of networks trained on {f.short(main.name)} to triggered images, by true class: "
        f"{f.percent(turned / total if total else None)} of all answers are {target}."
    )
    return found

"""From the cells of the detector benchmark to ``benchmarks/results/detectors.json``: mean, worst and n."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from detector_metrics import summary, upper_bound
from whitesquare._base.jsonio import write_text

RESULT = Path(__file__).parent / "results" / "detectors.json"
FIGURES = ("auroc", "auroc_class", "tpr_1", "tpr_01")
Record = dict[str, Any]


def summarise(folder: Path, result: Path = RESULT) -> Record:
    """Write the results of all records in ``folder``; trials with fewer images count only where there is no other."""
    cells = list(_records(folder / "cells"))
    size = max((cell["cell"]["size"] for cell in cells), default=0)
    cells = [cell for cell in cells if cell["cell"]["size"] == size]
    done = _richest([cell for cell in cells if "reason" not in cell])
    clean, hard = list(_records(folder / "clean")), list(_records(folder / "hard"))
    records = [*done, *clean, *hard]
    found: Record = {
        "size": size,
        "settings": [_setting(group) for group in _grouped(done)],
        "rows": [row for group in _grouped(done) for row in _rows(group)],
        "impossible": _impossible(cells),
        "clean": _clean(clean) if clean else None,
        "hard": _hard(hard),
        "codes": sorted({one["code"] for one in records if "code" in one}),
        "versions": records[-1]["versions"] if records else {},
        "machine": records[-1]["machine"] if records else {},
    }
    write_text(result, json.dumps(found, indent=1, allow_nan=False) + "\n")
    codes = len(found["codes"])
    warning = f"; WARNING: made by {codes} versions of the code, use a new folder for one" if codes > 1 else ""
    print(f"{len(done)} cells, {len(clean)} clean scans and {len(hard)} hard negatives in {result}{warning}")
    return found


def _records(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def _key(record: Record) -> tuple[str, str, float]:
    cell = record["cell"]
    return cell["attack"], cell["unit"], cell["amount"]


def _richest(cells: Sequence[Record]) -> list[Record]:
    """Keep one record per setting and seed: the one with most detectors; take a retraining from any of them."""
    found: dict[tuple[Any, ...], Record] = {}
    for cell in sorted(cells, key=lambda cell: len(cell["detectors"])):
        key = (*_key(cell), cell["cell"]["seed"])
        kept = {"retrain": found[key]["retrain"]} if key in found and "retrain" in found[key] else {}
        found[key] = kept | cell
    return list(found.values())


def _grouped(cells: Sequence[Record]) -> list[list[Record]]:
    groups: dict[tuple[str, str, float], list[Record]] = {}
    for cell in sorted(cells, key=_key):
        groups.setdefault(_key(cell), []).append(cell)
    return list(groups.values())


def _named(group: Sequence[Record]) -> Record:
    attack, unit, amount = _key(group[0])
    return {"attack": attack, "unit": unit, "amount": amount, "count": group[0]["count"]}


def _rows(group: Sequence[Record]) -> list[Record]:
    """Summarise every detector of one setting, over seeds."""
    names = list(dict.fromkeys(name for cell in group for name in cell["detectors"]))
    rows = []
    for name in names:
        scored = [cell["detectors"][name] for cell in group if name in cell["detectors"]]
        ran = [one for one in scored if "reason" not in one]
        row = _named(group) | {"detector": name, "not_run": len(scored) - len(ran)}
        row |= {figure: summary([one[figure] for one in ran]) for figure in FIGURES}
        rows.append(row | {"seconds": summary([one["seconds"] for one in ran], worst="high")})
    return rows


def _setting(group: Sequence[Record]) -> Record:
    """Summarise what the scan as a whole made of one setting, over seeds."""
    alarms = [cell["alarm"] for cell in group if cell["alarm"]]
    found = _named(group) | {
        "n": len(group),
        "seeds": sorted(cell["cell"]["seed"] for cell in group),
        "right_class": len(alarms),
        "confirmed": sum(alarm["tier"] == "confirmed" for alarm in alarms),
        "p_value": summary([alarm["p_value"] for alarm in alarms], worst="high"),
        "iou": summary(_overlaps(group)),
        "flip_rate": summary([alarm["flip_rate"]["value"] for alarm in alarms if alarm["flip_rate"]]),
        "false_confirmed": sum(cell["false_alarms"]["confirmed"] for cell in group),
        "false_suspicious": sum(cell["false_alarms"]["suspicious"] for cell in group),
        "seconds": summary([sum(cell["seconds"].values()) for cell in group], worst="high"),
    }
    for name in ("flagged", "with_review"):
        found[name] = {
            "elimination": summary([cell[name]["elimination"] for cell in group]),
            "sacrifice": summary([cell[name]["sacrifice"] for cell in group], worst="high"),
        }
    trained = [cell["retrain"] for cell in group if "retrain" in cell]
    found["retrain"] = {
        victim: {
            "asr": summary([one[victim]["asr"] for one in trained], worst="high"),
            "ca": summary([one[victim]["ca"] for one in trained]),
        }
        for victim in (trained[0] if trained else ())
    }
    return found


def _overlaps(group: Sequence[Record]) -> list[float]:
    """Return the overlap of every run with a stamp to localise; one without an alarm localised nothing."""
    return [cell["alarm"]["iou"] if cell["alarm"] else 0.0 for cell in group if cell["stamp"]]


def _impossible(cells: Sequence[Record]) -> list[Record]:
    found = {_key(cell): cell["reason"] for cell in cells if "reason" in cell}
    return [
        {"attack": attack, "unit": unit, "amount": amount, "reason": reason}
        for (attack, unit, amount), reason in sorted(found.items())
    ]


def _clean(records: Sequence[Record]) -> Record:
    """Count scans with a false alarm, with the bound that many scans give (Clopper and Pearson)."""
    n = len(records)
    confirmed, suspicious = (sum(one[tier] > 0 for one in records) for tier in ("confirmed", "suspicious"))
    return {
        "n": n,
        "confirmed": confirmed,
        "confirmed_below": upper_bound(confirmed, n),
        "suspicious": suspicious,
        "suspicious_below": upper_bound(suspicious, n),
        "review_fpr": summary([one["review_fpr"] for one in records], worst="high"),
        "variants": {
            variant: sum(one["variant"] == variant for one in records)
            for variant in sorted({one["variant"] for one in records})
        },
        "alarms": [
            {"number": one["number"], "variant": one["variant"], "size": one["size"]} | alarm
            for one in records
            for alarm in one["alarms"]
        ],
    }


def _hard(records: Sequence[Record]) -> list[Record]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["name"], []).append(record)
    return [
        {
            "name": name,
            "n": len(group),
            "confirmed": sum(one["confirmed"] > 0 for one in group),
            "suspicious": sum(one["suspicious"] > 0 for one in group),
            "review_fpr": summary([one["review_fpr"] for one in group], worst="high"),
            "rules": sorted({alarm["rule_id"] for one in group for alarm in one["alarms"]}),
        }
        for name, group in sorted(groups.items())
    ]

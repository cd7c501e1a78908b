"""The pictures behind an alarm: its strongest suspects beside normal samples that look most like them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from whitesquare.detectors.types import Evidence
from whitesquare.learning.label_check import thumbnails
from whitesquare.scanning.contacts import ContactSheet
from whitesquare.types import FloatArray, IntArray, UInt8Array

if TYPE_CHECKING:  # it loads the detectors, for which a page of what they found need not wait
    from whitesquare.scanning.alarms import Raised

SHOWN = 16
_POOL = 2000


def contact_sheet(evidence: Evidence, ids: Sequence[str], raised: "Raised", fused: FloatArray) -> ContactSheet | None:
    """Return the sheet of an alarm; ``None`` where no sample is flagged or nothing is left to compare with."""
    label = raised.alarm.label
    carriers = raised.carriers[np.argsort(-fused[raised.carriers], kind="stable")][:SHOWN]
    normal = np.setdiff1d(evidence.members(label), raised.carriers)
    normal = normal if len(normal) else np.setdiff1d(np.arange(len(evidence.labels)), raised.carriers)
    if not len(carriers) or not len(normal):
        return None
    if len(normal) > _POOL:
        normal = np.sort(np.random.default_rng(evidence.seed).choice(normal, _POOL, replace=False))
    matched = _nearest(evidence, carriers, normal)
    suspects, alike = evidence.images[carriers], evidence.images[matched]
    return ContactSheet(
        label=label,
        suspects=suspects,
        suspect_ids=tuple(name_of(ids, position) for position in carriers),
        normal=alike,
        normal_ids=tuple(name_of(ids, position) for position in matched),
        heat=_heat(raised, suspects, alike),
    )


def name_of(ids: Sequence[str], position: np.int64) -> str:
    """Return the id of a sample; those of a reference stand behind the data set's own."""
    return ids[int(position)] if position < len(ids) else f"reference/{position - len(ids)}"


def _nearest(evidence: Evidence, carriers: IntArray, normal: IntArray) -> IntArray:
    """Return, for each carrier, the normal sample whose thumbnail is nearest."""
    matched: IntArray = normal[nearest(thumbnails(evidence.images[carriers]), thumbnails(evidence.images[normal]))]
    return matched


def nearest(suspects: FloatArray, pool: FloatArray) -> IntArray:
    """Return, for each row of ``suspects`` ``(M, D)``, the row of ``pool`` ``(N, D)`` that lies nearest to it."""
    apart = (pool**2).sum(1) - 2 * suspects @ pool.T
    found: IntArray = apart.argmin(1)
    return found


def _heat(raised: "Raised", suspects: UInt8Array, alike: UInt8Array) -> FloatArray:
    """Return where the evidence lies: the trigger's mask, or the difference from the match where there is none."""
    trigger = raised.trigger
    if trigger is not None and trigger.kind.placed:
        return np.repeat(trigger.mask[None], len(suspects), axis=0)
    return unlike(suspects, alike)


def unlike(suspects: UInt8Array, alike: UInt8Array) -> FloatArray:
    """Return where images ``(M, C, H, W)`` differ from others of that shape, ``(M, H, W)`` in [0, 1]; 1 is the most."""
    apart = np.abs(suspects.astype(np.float32) - alike).max(1)
    largest = apart.max((1, 2), keepdims=True)
    heat: FloatArray = apart / np.maximum(largest, 1)
    return heat

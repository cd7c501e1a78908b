"""What a person is shown of an alarm."""

from dataclasses import dataclass

from whitesquare.types import FloatArray, UInt8Array


@dataclass(frozen=True)
class ContactSheet:
    """Pictures of one alarm: top suspects beside normal samples of the same class that look most like them.

    Attributes:
        label: the class.
        suspects: ``(M, C, H, W)``.
        suspect_ids: their ids.
        normal: ``(M, C, H, W)``, the match of each suspect.
        normal_ids: their ids.
        heat: ``(M, H, W)`` float32 in [0, 1]: where in the suspect the evidence lies.
    """

    label: int
    suspects: UInt8Array
    suspect_ids: tuple[str, ...]
    normal: UInt8Array
    normal_ids: tuple[str, ...]
    heat: FloatArray

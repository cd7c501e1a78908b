"""What a person is shown of an alarm."""

from dataclasses import dataclass

from whitesquare.types import FloatArray, IntArray, UInt8Array


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


@dataclass(frozen=True)
class PastedExamples:
    """A rebuilt trigger at work: pasted on a few images of other classes, with what a model said before and after.

    The images are drawn by chance, one of each other class as far as they go: never chosen by what a model does.

    Attributes:
        label: the class of the alarm.
        ids: of the images ``(M,)``.
        labels: theirs ``(M,)``.
        images: ``(M, C, H, W)``, as they are.
        pasted: ``(M, C, H, W)``, with the trigger on.
        before: what the model calls each without it ``(M,)``.
        before_confidence: softmax of that answer ``(M,)``.
        after: what it calls it with the trigger on ``(M,)``.
        after_confidence: softmax of that answer ``(M,)``.
    """

    label: int
    ids: tuple[str, ...]
    labels: IntArray
    images: UInt8Array
    pasted: UInt8Array
    before: IntArray
    before_confidence: FloatArray
    after: IntArray
    after_confidence: FloatArray

"""Asking another model about a trigger at work: the images are those of the scan, the answers are new."""

from collections.abc import Callable
from dataclasses import replace

from whitesquare.learning.asking import Asking
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.records import OnNote, unheard
from whitesquare.scanning.album import Album


def asker(model: Asking, device: str = "cpu", on_note: OnNote = unheard) -> Callable[[Album, tuple[str, ...]], Album]:
    """Return what asks a model about the examples of an album.

    Args:
        model: the model and how it is to be asked.
        device: where to compute.
        on_note: told what was done so that it could be asked.

    Returns:
        From an album, and the names of the classes, to the album with that model's answers. It raises what
        :func:`whitesquare.learning.given.given_classifier` raises.
    """

    @own_surroundings()
    def ask(album: Album, classes: tuple[str, ...]) -> Album:
        if not album.examples:
            return album
        from whitesquare.learning.given import given_classifier
        from whitesquare.scanning.examples import answers  # loads the detectors, for which no page must wait

        asked, _ = given_classifier(model, album.examples[0].images, classes, device, on_note=on_note)
        found = []
        for one in album.examples:
            before, sure_before = answers(asked.logits(one.images))
            after, sure_after = answers(asked.logits(one.pasted))
            found.append(
                replace(one, before=before, before_confidence=sure_before, after=after, after_confidence=sure_after)
            )
        return replace(album, examples=tuple(found))

    return ask

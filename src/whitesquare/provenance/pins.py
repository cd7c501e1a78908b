"""Which data set, which version, which manifest: said by whoever verifies, where no state file remembers it."""

from dataclasses import dataclass

from whitesquare.errors import UsageError, VerificationError
from whitesquare.provenance.types import DatasetPredicate


@dataclass(frozen=True)
class Pins:
    """What a signed statement must be about.

    Attributes:
        dataset: the id of the data set; ``None`` for any.
        min_version: the lowest version.
        manifest: SHA-256 of the manifest, hexadecimal; ``None`` for any.

    Raises:
        UsageError: the id is empty, as that of a variable that nobody has set, or the digest is none.
    """

    dataset: str | None = None
    min_version: int = 1
    manifest: str | None = None

    def __post_init__(self) -> None:
        if self.dataset == "":
            raise UsageError("The id of the data set is empty; name the one that it must be, or leave it out for any.")
        if self.manifest is not None and (len(self.manifest) != 64 or set(self.manifest) - set("0123456789abcdef")):
            raise UsageError(
                f"{self.manifest!r:.80} is no SHA-256; give the 64 hexadecimal digits, in lower case, that `sha256sum` "
                "prints for the manifest."
            )

    def check(self, predicate: DatasetPredicate, manifest: str, where: str) -> None:
        """Compare with a statement.

        Args:
            predicate: what it says.
            manifest: SHA-256 of its manifest, hexadecimal.
            where: the file, for the error.

        Raises:
            VerificationError: it is about another data set, version or manifest.
        """
        found = predicate.dataset
        if self.dataset is not None and found.id != self.dataset:
            raise VerificationError(
                f"{where} is about the data set {found.id!r}; expected {self.dataset!r}, so give that one's bundle."
            )
        if found.version < self.min_version:
            raise VerificationError(
                f"{where} is about version {found.version} of {found.id!r}; expected version {self.min_version} or a "
                "later one: an older one is offered."
            )
        if self.manifest is not None and manifest != self.manifest:
            raise VerificationError(
                f"{where} is about the manifest with the SHA-256 {manifest}; expected {self.manifest}, so give the "
                "bundle of that one."
            )


NO_PINS = Pins()
"""Any data set, version and manifest."""

"""Who looked at what in a scan in shards: what its report says, and ``scan.json``."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sharding:
    """What a scan in shards looked at, and who looked at what.

    Attributes:
        shards: number of shards.
        groups: number of stratified groups: small data sets with their share of every class.
        group_size: samples of the first group; the others have as many, or one of a class less.
        least_of_class: samples of the smallest class in it.
        most_of_class: samples of the largest.
        whole: detectors that looked at all samples at once.
        grouped: those that looked at every sample within its group.
        alone: those that looked at the first group only, as the training of the scan's own models did.
        left_out: by number of the shard, how many of its samples were left out.
    """

    shards: int
    groups: int
    group_size: int
    least_of_class: int
    most_of_class: int
    whole: tuple[str, ...]
    grouped: tuple[str, ...]
    alone: tuple[str, ...]
    left_out: dict[str, int] = field(default_factory=dict)

    def said(self, classes: int) -> str:
        """Say it in words, for data of so many classes."""
        if self.groups == 1:
            return f"The data were read in {self.shards} shard{'s' * (self.shards != 1)}, and looked at as a whole."
        share = f"{self.least_of_class:,} to {self.most_of_class:,} of each of {classes} classes"
        parts = [
            f"The data were read in {self.shards:,} shards and fall into {self.groups:,} stratified groups of about "
            f"{self.group_size:,} samples ({share}).",
            f"All samples at once were looked at by {', '.join(self.whole)}." if self.whole else "",
            f"Every sample within its group was looked at by {', '.join(self.grouped)}." if self.grouped else "",
            f"One group alone was looked at by {', '.join(self.alone)}, and what the scan trained was trained on it."
            if self.alone
            else "",
        ]
        return " ".join(part for part in parts if part)

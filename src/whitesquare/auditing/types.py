"""The vocabulary of a dossier: statements, the files that they rest on, and what a verification of it finds."""

from dataclasses import dataclass, field

from whitesquare.records import Estimate

DOSSIER_FORMAT = "whitesquare dossier 1"
"""Value of ``format``; it changes when a reader of the old form would misread the new one."""

DOSSIER_TYPE = "https://whitesquare.dev/attestations/dossier/v1"
"""Predicate type of the signed statement."""

SECTIONS = {
    "data": "What the data are",
    "looked": "What was looked for, and how",
    "power": "What the scan can see on these data",
    "false-alarms": "How often it cries wolf",
    "found": "What was found",
    "decided": "What people decided",
    "removed": "What was removed, and what that did",
    "model": "How the model came to be",
    "verdict": "The verdict",
}
"""By name, the headings of the sections, in order."""


@dataclass(frozen=True)
class KeyRecord:
    """A key that signed: its name among the trusted keys, its id (SHA-256 of the public key) and its role."""

    name: str
    keyid: str
    role: str


@dataclass(frozen=True)
class EvidenceFile:
    """One file of the run that statements rest on.

    Attributes:
        name: path below the run folder, with forward slashes.
        sha256: of its bytes, hexadecimal.
        bytes: their number.
        signers: the trusted keys that vouch for these bytes, by the file's own signature or that of a statement which
            names its digest; empty: nobody does.
        problem: why it cannot be used, or does not belong to the rest; empty if it can and does.
    """

    name: str
    sha256: str
    bytes: int
    signers: tuple[KeyRecord, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Rest:
    """A file that a statement rests on, the digest of the bytes that were read, and whether a key vouches for them."""

    file: str
    sha256: str
    signed: bool


@dataclass(frozen=True)
class DossierStatement:
    """One thing that is said, or that could not be shown.

    Attributes:
        id: short and stable, its section first: ``data.identity``.
        section: one of :data:`SECTIONS`.
        text: what is said; of what is not shown, what that is and why.
        shown: whether there is evidence for it.
        signed: whether a trusted key vouches for every file that it rests on.
        rests: these files.
        facts: by name, details in words.
        figures: shares with their intervals.
        command: of what is not shown, the command that would show it, with ``RUN``, ``DATA`` and ``KEYS`` for the run
            folder, the data set and the folder of trusted keys; else empty.
        serves: ids of the controls that it gives evidence for.
    """

    id: str
    section: str
    text: str
    shown: bool
    signed: bool
    rests: tuple[Rest, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    figures: tuple[Estimate, ...] = ()
    command: str = ""
    serves: tuple[str, ...] = ()


@dataclass(frozen=True)
class ControlRow:
    """One article or control, and the statements that give evidence for it.

    Attributes:
        id: such as ``Art. 15(5)``.
        framework: whose it is.
        asks: what it asks for, in short.
        url: where it is written.
        shown: ids of the statements that are shown.
        not_shown: ids of those that are not.
    """

    id: str
    framework: str
    asks: str
    url: str
    shown: tuple[str, ...]
    not_shown: tuple[str, ...]


@dataclass(frozen=True)
class Dossier:
    """All that a run folder shows an auditor: the content of ``dossier.json``.

    Attributes:
        format: :data:`DOSSIER_FORMAT`.
        made: UTC time; the only thing in it that changes when the same run is told of again.
        tool: name and version of what made it.
        fingerprint: SHA-256 over everything here but ``made``.
        model: SHA-256 of the weights; empty if there are none.
        manifest: SHA-256 of the signed manifest; empty if none can be trusted.
        headline: the whole in one sentence.
        statements: in the order of :data:`SECTIONS`.
        not_covered: what nothing here speaks of, one sentence each.
        controls: which statement serves which article or control.
        files: all evidence that lies in the run.
    """

    format: str
    made: str
    tool: str
    fingerprint: str
    model: str
    manifest: str
    headline: str
    statements: tuple[DossierStatement, ...]
    not_covered: tuple[str, ...]
    controls: tuple[ControlRow, ...]
    files: tuple[EvidenceFile, ...]

    @property
    def not_shown(self) -> tuple[DossierStatement, ...]:
        """The statements without evidence."""
        return tuple(one for one in self.statements if not one.shown)

    @property
    def problems(self) -> tuple[EvidenceFile, ...]:
        """Files that are there and cannot be used, or do not belong to the rest."""
        return tuple(one for one in self.files if one.problem)


@dataclass(frozen=True)
class DossierPredicate:
    """What is signed about a dossier, beside the digests of its two files, which are its subjects.

    Attributes:
        made: UTC time.
        tool: name and version of what made it.
        fingerprint: see :class:`Dossier`.
        model: SHA-256 of the weights; empty if there are none.
        manifest: SHA-256 of the signed manifest; empty if none could be trusted.
        files: by name below the run folder, SHA-256 of every file that it rests on.
        shown: ids of the statements that are shown.
        not_shown: ids of those that are not.
    """

    made: str
    tool: str
    fingerprint: str
    model: str
    manifest: str
    files: dict[str, str]
    shown: tuple[str, ...]
    not_shown: tuple[str, ...]

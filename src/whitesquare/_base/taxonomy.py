"""What the world calls our findings and measures: ids of MITRE ATLAS 5.6 and of the OWASP Machine Learning Top 10.

One table for every output; a scan, a verification and a gate differ in what they can find.
"""

from dataclasses import dataclass

ATLAS, OWASP = "MITRE ATLAS", "OWASP"
_OWASP_URL = "https://owasp.org/www-project-machine-learning-security-top-10/"


@dataclass(frozen=True)
class Term:
    """One entry of a taxonomy.

    Attributes:
        id: such as ``AML.T0020``.
        name: the taxonomy's own.
        source: :data:`ATLAS` or :data:`OWASP`.
    """

    id: str
    name: str
    source: str = ATLAS

    @property
    def tag(self) -> str:
        """Name the entry in one word of prose: taxonomy and id."""
        return f"{self.source} {self.id}"

    @property
    def url(self) -> str:
        """Where it is described."""
        if self.source == OWASP:
            return _OWASP_URL
        kind = "mitigations" if self.id.startswith("AML.M") else "techniques"
        return f"https://atlas.mitre.org/{kind}/{self.id}"


POISON_TRAINING_DATA = Term("AML.T0020", "Poison Training Data")
SUPPLY_CHAIN_DATA = Term("AML.T0010.002", "AI Supply Chain Compromise: Data")
ERODE_DATASET_INTEGRITY = Term("AML.T0059", "Erode Dataset Integrity")
MANIPULATE_MODEL = Term("AML.T0018", "Manipulate AI Model")
POISON_MODEL = Term("AML.T0018.000", "Manipulate AI Model: Poison AI Model")

SANITIZE_TRAINING_DATA = Term("AML.M0007", "Sanitize Training Data")
VERIFY_ARTIFACTS = Term("AML.M0014", "Verify AI Artifacts")
DATASET_PROVENANCE = Term("AML.M0025", "Maintain AI Dataset Provenance")

DATA_POISONING = Term("ML02:2023", "Data Poisoning Attack", OWASP)
SUPPLY_CHAIN = Term("ML06:2023", "AI Supply Chain Attacks", OWASP)
MODEL_POISONING = Term("ML10:2023", "Model Poisoning", OWASP)

SCAN_FINDING = (POISON_TRAINING_DATA, DATA_POISONING)
"""A class whose samples carry poison."""


def tags(terms: tuple[Term, ...]) -> tuple[str, ...]:
    """Write entries as tags of a SARIF rule."""
    return ("security", "data-poisoning", *(term.tag for term in terms))

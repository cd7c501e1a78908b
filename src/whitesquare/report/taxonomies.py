"""Names that others know findings by: MITRE ATLAS (2026-05) and the OWASP Machine Learning Security Top 10 (2023)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Taxonomy:
    """A list of names.

    Attributes:
        name: of the list.
        organisation: who keeps it.
        address: where to read it.
        entries: name by id.
    """

    name: str
    organisation: str
    address: str
    entries: dict[str, str]


ATLAS = Taxonomy(
    "MITRE ATLAS",
    "MITRE",
    "https://atlas.mitre.org/",
    {
        "AML.T0010.002": "AI Supply Chain Compromise: Data",
        "AML.T0018": "Manipulate AI Model",
        "AML.T0018.000": "Manipulate AI Model: Poison AI Model",
        "AML.T0020": "Poison Training Data",
        "AML.M0014": "Verify AI Artifacts",
        "AML.M0025": "Maintain AI Dataset Provenance",
    },
)
OWASP = Taxonomy(
    "OWASP Machine Learning Security Top 10",
    "OWASP",
    "https://owasp.org/www-project-machine-learning-security-top-10/",
    {
        "ML02:2023": "Data Poisoning Attack",
        "ML06:2023": "AI Supply Chain Attacks",
        "ML10:2023": "Model Poisoning",
    },
)
TAXONOMIES = (ATLAS, OWASP)

OF_SECTION = {
    "": ("AML.M0014", "ML06:2023"),
    "data": ("AML.T0010.002", "AML.M0025", "ML02:2023", "ML06:2023"),
    "scan": ("AML.T0020", "AML.M0025", "ML02:2023"),
    "training": ("AML.T0018.000", "AML.M0014", "AML.M0025", "ML06:2023", "ML10:2023"),
    "measure": ("AML.T0018", "AML.T0018.000", "ML10:2023"),
}
"""By section of a gate's policy, what its rules guard against, and with what."""

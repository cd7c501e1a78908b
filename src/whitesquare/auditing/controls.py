"""Articles and controls that a dossier gives evidence for; it is no statement of conformity with any of them."""

from dataclasses import dataclass

from whitesquare._base.taxonomy import DATA_POISONING, POISON_TRAINING_DATA


@dataclass(frozen=True)
class Control:
    """One article or control: its id, whose it is, what it asks for in short, and where it is written."""

    id: str
    framework: str
    asks: str
    url: str


_EU = "https://eur-lex.europa.eu/eli/reg/2024/1689/oj"
ORIGIN = Control("Art. 10(2)(b)", "EU AI Act", "data collection processes and the origin of data", _EU)
PREPARATION = Control(
    "Art. 10(2)(c)", "EU AI Act", "data preparation: annotation, labelling, cleaning, updating, aggregation", _EU
)
GAPS = Control("Art. 10(2)(h)", "EU AI Act", "relevant data gaps or shortcomings, and how they can be addressed", _EU)
POISONING = Control(
    "Art. 15(5)", "EU AI Act", "measures to prevent, detect, respond to, resolve and control for data poisoning", _EU
)
MEASURE_27 = Control(
    "MEASURE 2.7",
    "NIST AI RMF 1.0",
    "security and resilience of the AI system are evaluated and documented",
    "https://airc.nist.gov/airmf-resources/airmf/5-sec-core/",
)
ML02 = Control(DATA_POISONING.id, "OWASP Machine Learning Top 10", "data poisoning attack", DATA_POISONING.url)
LLM04 = Control(
    "LLM04:2025",
    "OWASP Top 10 for LLM Applications",
    "data and model poisoning",
    "https://genai.owasp.org/llmrisk/llm042025-data-and-model-poisoning/",
)
T0020 = Control(POISON_TRAINING_DATA.id, POISON_TRAINING_DATA.source, "poison training data", POISON_TRAINING_DATA.url)

CONTROLS = (ORIGIN, PREPARATION, GAPS, POISONING, MEASURE_27, ML02, LLM04, T0020)
"""All of them, in the order of the table."""

SERVES: dict[str, tuple[Control, ...]] = {
    "data": (ORIGIN, POISONING, ML02),
    "looked": (POISONING, MEASURE_27, ML02, LLM04, T0020),
    "power": (POISONING, MEASURE_27, GAPS, ML02, LLM04, T0020),
    "false-alarms": (MEASURE_27, GAPS),
    "found": (POISONING, MEASURE_27, ML02, LLM04, T0020),
    "decided": (POISONING, PREPARATION),
    "removed": (PREPARATION, POISONING, LLM04, T0020),
    "model": (POISONING, MEASURE_27, LLM04),
    "verdict": (POISONING, MEASURE_27),
}
"""By section, the controls that its statements give evidence for."""

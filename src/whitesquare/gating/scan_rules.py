"""Rules about the scan: who signed it, of what it is, how it was made, and what it found."""

from datetime import datetime

from whitesquare.gating.checks import about, aged, brief, names, signed_by, whole_split
from whitesquare.gating.data_rules import manifest_of
from whitesquare.gating.lifted import is_asked, standing_because
from whitesquare.gating.scan_sources import RULES as SOURCES
from whitesquare.gating.settings import SCANNER, Policy
from whitesquare.gating.types import Fault, Rule, RuleOutcome, RunEvidence
from whitesquare.provenance.evidence import SCAN_REPORT, AlarmRecord, CoverageRecord, ScanEvidence
from whitesquare.records import TIERS

_CALM = "nothing found"
"""The one verdict of a scan that looked and raised no alarm."""


def scan_signed(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """A scanner's key signed the scan."""
    return signed_by(evidence.scan, (SCANNER,), now)


def scan_separate(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Nobody judges their own data: the scanner's key did not sign the manifest."""
    data = {key.keyid for key in evidence.dataset.signers}
    both = [key for key in evidence.scan.signers if key.keyid in data]
    reasons = [f"The key {key.name} signed both the data set and its scan." for key in both]
    faults = tuple(Fault(reason, (key.keyid,)) for reason, key in zip(reasons, both, strict=True))
    return RuleOutcome(", ".join(key.name for key in both) or "different keys", "different keys", faults)


def scan_subject(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The scan is of this very manifest."""
    return about(evidence.scan, manifest_of(evidence), "the manifest")


def scan_complete(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The scan read all samples of the signed split, and none besides."""
    scan = evidence.scan.value
    return whole_split(policy, evidence, (scan.split, scan.size, scan.root), "The scan")


def scan_report(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The report beside the statement is the one that was signed with it."""
    wanted, report = evidence.scan.value.report, evidence.files[SCAN_REPORT]
    found, expected = brief(report.sha256), brief(wanted)
    if not wanted:
        return RuleOutcome(f"not signed{', so it is left out' if report.sha256 else ''}", "the signed one, if any")
    if report.sha256 == wanted:
        return RuleOutcome(found, expected, covers={SCAN_REPORT: wanted})
    missing = not report.sha256 and not report.problem
    other = f"{SCAN_REPORT} is not the one that was signed: found {found}, expected {expected}."
    reason = report.problem or (f"There is no {SCAN_REPORT}, which the scan was signed with." if missing else other)
    return RuleOutcome(found, expected, (Fault(reason, (report.sha256, wanted)),), missing=missing)


def scan_age(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The scan is recent."""
    return aged(evidence.scan.value.finished, policy.scan.max_age_days, now, manifest_of(evidence))


def scan_settings(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The scan was made in a way that is accepted."""
    scan, wanted = evidence.scan.value, policy.scan
    checks = [
        ("mode", scan.mode, scan.mode in wanted.modes, " or ".join(wanted.modes)),
        ("seed", str(scan.seed), wanted.seed in (None, scan.seed), f"{wanted.seed}"),
        ("version", scan.version, not wanted.versions or scan.version in wanted.versions, names(wanted.versions)),
    ]
    faults = [
        Fault(f"The {name} is {found}; expected {expected}.", (name, found, scan.root), waivable=True)
        for name, found, holds, expected in checks
        if not holds
    ]
    expected = ", ".join(f"{name} {said}" for name, _, _, said in checks if said not in ("None", "none"))
    return RuleOutcome(f"mode {scan.mode}, seed {scan.seed}, version {scan.version}", expected, tuple(faults))


def scan_detectors(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Every detector that must run did, and no other than may."""
    scan, wanted = evidence.scan.value, policy.scan
    ran = set(scan.detectors)
    absent = [name for name in wanted.require_detectors if name not in ran]
    strange = sorted(ran - set(wanted.allow_detectors)) if wanted.allow_detectors is not None else []
    texts = [(name, f"The detector {name} did not run.") for name in absent]
    texts += [(name, f"The detector {name} ran, which the policy does not name.") for name in strange]
    faults = [Fault(reason, (name, scan.root), waivable=True) for name, reason in texts]
    if not ran:
        faults.append(Fault("No detector ran at all.", (scan.root,)))
    return RuleOutcome(
        f"{len(ran)} ran", names(wanted.require_detectors) if wanted.require_detectors else "any", (*faults,)
    )


def scan_coverage(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Rules could have raised an alarm, and those that the policy names in every class."""
    scan, wanted = evidence.scan.value, policy.scan.require_rules
    expected = f"{names(wanted)} in every class" if wanted else "any rule in any class"
    if scan.coverage is None:
        said = Fault("The scan does not say which rules could have raised an alarm.", (scan.root,), waivable=True)
        return RuleOutcome("not said", expected, (said,) if wanted else ())
    covered = {one.rule_id: one for one in scan.coverage}
    required = dict.fromkeys(name for asked in wanted for name in (covered if asked == "all" else [asked]))
    short = [name for name in required if name not in covered or covered[name].classes < covered[name].of]
    faults = [Fault(_short(name, covered), (name, scan.root), waivable=True) for name in short]
    able = [one.rule_id for one in scan.coverage if one.classes]
    if not able:
        faults.append(Fault("No rule could have raised an alarm in these data, however poisoned.", (scan.root,)))
    return RuleOutcome(f"{names(able)} could", expected, tuple(faults))


def _short(name: str, covered: dict[str, CoverageRecord]) -> str:
    if name not in covered:
        return f"The scan knows no rule {name}; it has {names(list(covered))}."
    one = covered[name]
    return f"The rule {name} could have raised an alarm in {one.classes} of {one.of} classes."


def scan_not_run(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """No detector crashed or was left out, but for those that may be."""
    scan = evidence.scan.value
    idle = {name: why for name, why in sorted(scan.not_run.items()) if name not in policy.scan.allow_not_run}
    faults = [
        Fault(f"The detector {name} did not run: {why.rstrip('.')}.", (name, scan.root), waivable=True)
        for name, why in idle.items()
    ]
    allowed = f"all but {names(policy.scan.allow_not_run)}" if policy.scan.allow_not_run else "all"
    return RuleOutcome(f"not run: {names(list(idle))}", f"{allowed} ran", tuple(faults))


def scan_alarms(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Nothing was found at or above the tier that fails."""
    scan = evidence.scan.value
    weakest = TIERS.index(policy.scan.fail_on)
    alarms = [alarm for alarm in scan.alarms if alarm.tier not in TIERS or TIERS.index(alarm.tier) <= weakest]
    asked = is_asked(policy)
    because = [standing_because(policy, evidence, alarm, now) if asked else "" for alarm in alarms]
    lifted = sum(asked and not why for why in because)
    faults = [
        Fault(_alarm(alarm, why), (alarm.fingerprint, alarm.tier, scan.root, scan.model), waivable=alarm.tier in TIERS)
        for alarm, why in zip(alarms, because, strict=True)
        if why or not asked
    ]
    if not scan.alarms and scan.verdict not in (_CALM, *TIERS):
        faults.append(Fault(f"The scan decided nothing: its verdict is {scan.verdict!r}.", (scan.verdict, scan.root)))
    elif not _consistent(scan):
        reason = f"The scan's verdict is {scan.verdict!r}, which its {len(scan.alarms)} alarms do not say."
        faults.append(Fault(reason, (scan.verdict, scan.root)))
    found = f"{len(alarms) - lifted} of {len(scan.alarms)} alarms count" if scan.alarms else scan.verdict
    found += f"; people keep every sample behind {lifted}" if lifted else ""
    return RuleOutcome(found, f"no alarm that is {policy.scan.fail_on} or worse", tuple(faults))


def _alarm(alarm: AlarmRecord, why: str) -> str:
    said = f"The class {alarm.class_name!r} is {alarm.tier}: {alarm.rule_id} found {alarm.carriers} carriers"
    return f"{said}; no decision of people lifts that, for {why}." if why else f"{said}."


def _consistent(scan: ScanEvidence) -> bool:
    tiers = [tier for tier in TIERS if any(alarm.tier == tier for alarm in scan.alarms)]
    return scan.verdict == tiers[0] if tiers else not scan.alarms and scan.verdict == _CALM


_AGAIN = "Scan the signed data set again and sign the result with the scanner's key"
_HOW = (
    "Scan with `whitesquare scan DATA --attested manifest.dsse.json --trust keys/ --key scanner.pem "
    "-o json=RUN/scan.json -o attestation=RUN/scan.sigstore.json`."
)
_BOTH = ("dataset", "scan")
RULES: tuple[Rule, ...] = (
    Rule("scan-signed", "scan", "A scanner's key signed the scan", _HOW, ("scan",), scan_signed),
    Rule(
        "scan-separate", "scan", "Who signed the data set did not sign its scan",
        "Let somebody else scan, with a key of their own.", _BOTH, scan_separate,
    ),
    Rule("scan-subject", "scan", "The scan is of this manifest", f"{_AGAIN}.", _BOTH, scan_subject),
    Rule("scan-complete", "scan", "The scan read the whole signed split", f"{_AGAIN}.", _BOTH, scan_complete),
    Rule(
        "scan-report", "scan", "The scan's report is the one that was signed",
        f"Put back the {SCAN_REPORT} of this scan, or scan again.", ("scan",), scan_report,
    ),
    *SOURCES,
    Rule("scan-age", "scan", "The scan is recent", f"{_AGAIN}.", ("scan",), scan_age),
    Rule(
        "scan-settings", "scan", "The scan's mode, seed and version are accepted",
        f"{_AGAIN}, in a way the policy accepts.", ("scan",), scan_settings,
    ),
    Rule(
        "scan-detectors", "scan", "The detectors that must run did",
        f"{_AGAIN}, with the detectors the policy asks for.", ("scan",), scan_detectors,
    ),
    Rule(
        "scan-coverage", "scan", "Rules could have raised an alarm",
        "Scan more samples, or a model with them: the scan's report says what each rule needs; or require fewer rules.",
        ("scan",), scan_coverage,
    ),
    Rule(
        "scan-not-run", "scan", "No detector crashed or was left out",
        "Remove what kept it from running, or name it in allow_not_run.", ("scan",), scan_not_run,
    ),
    Rule(
        "scan-alarms", "scan", "The scan found no poison",
        "Look at the scan's report; then `whitesquare cleanse`, attest and train again, or waive what is harmless.",
        ("scan",), scan_alarms,
    ),
)  # fmt: skip

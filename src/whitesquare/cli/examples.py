"""What the help shows: the verbs in groups, a short line on each, and commands that can be typed as they stand."""

GROUPS = {
    "Attack (plant and measure)": {
        "demo": "Plant, measure and show a backdoor on MNIST",
        "poison": "Poison a training set, with its ground truth",
        "train": "Train a model on a data set, poisoned or not",
        "measure": "Measure clean accuracy and attack success of a model",
        "drill": "Poison copies of your data, and tell what a scan catches",
        "bench": "Run a plan of attacks, rates, and victims or scans",
    },
    "Find (scan and clean)": {
        "scan": "Find poison in a training set",
        "review": "Look at what a scan flagged, decide, and sign it",
        "cleanse": "Write a data set without what a scan flagged",
        "report": "Show a stored result again: table, page, SARIF, JUnit",
        "explain": "Explain a rule: what it looks for, when it fails",
        "list": "List attacks, detectors, models, or the classes of data",
        "doctor": "Say what this machine has, and what is missing",
    },
    "Prove (sign and verify)": {
        "keygen": "Make a key pair to sign with",
        "attest": "Sign what a data set is",
        "countersign": "Add a second signature to an attestation",
        "verify": "Compare a data set with what was signed",
        "prove": "Prove that one sample belongs to a signed data set",
        "inventory": "Write a CycloneDX bill of materials, or Croissant",
    },
    "Decide (let a model out)": {
        "gate": "Decide by a policy whether a model may leave",
        "release": "Copy a model out, behind a signed verdict",
        "dossier": "Tell an auditor what is known of a run, and verify that",
    },
}
"""By heading, the verbs below it and what each does, in a line that fits 80 columns."""

FIRST = (
    "whitesquare scan path/to/data -o table -o html=scan.html",
    "whitesquare cleanse path/to/data --scan scan.json -o cleaned",
    "whitesquare scan --help",
)
"""What the help of the whole shows."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "demo": ("whitesquare demo -o out", "whitesquare demo --seeds 10 --device auto -o out"),
    "poison": (
        "whitesquare poison mnist --attack adaptive --target 0 --count 3000 -o run",
        "whitesquare poison photos --attack stamp --target cat --rate 0.01 -o run",
    ),
    "train": (
        "whitesquare train run --seed 7 -o run/victim-7",
        "whitesquare train photos --recipe colour --epochs 10 --device auto -o model",
    ),
    "measure": (
        "whitesquare measure run/victim-7",
        "whitesquare measure model --data photos --trigger patch:size=2,corner=br --target cat",
    ),
    "drill": (
        "whitesquare drill photos -o drill",
        "whitesquare drill photos --attacks stamp,label-flip --rates 0.01,0.05 --target cat -o drill",
    ),
    "doctor": ("whitesquare doctor", "whitesquare doctor -o json"),
    "bench": ("whitesquare bench plan.toml --dry-run -o out", "whitesquare bench plan.toml --workers 4 -o out"),
    "scan": (
        "whitesquare scan photos -o table -o json=scan.json -o html=scan.html",
        "whitesquare scan train.csv --model-free -o sarif=scan.sarif",
        "whitesquare scan 'shards/train-{0000..0999}.tar' --workers 8 --resume kept -o json=scan.json",
        "whitesquare scan photos --write-baseline known.json --accepted-by ann --why 'a watermark'",
        "whitesquare scan photos --baseline known.json --fail-on confirmed",
    ),
    "review": (
        "whitesquare review scan.json --by ann",
        "whitesquare review scan.json --decide remove --id train/00042 --by ann --why 'a white square'",
        "whitesquare review scan.json --list",
        "whitesquare review scan.json --sign private/ann.pem",
    ),
    "cleanse": (
        "whitesquare cleanse photos --scan scan.json -o cleaned",
        "whitesquare cleanse photos --scan scan.json --tier suspicious --top 100 -o cleaned",
        "whitesquare cleanse photos --scan scan.json --decisions decisions.jsonl -o cleaned",
        "whitesquare cleanse photos --scan scan.json --decisions decisions.jsonl --key private/data.pem -o cleaned",
    ),
    "report": (
        "whitesquare report run -o html=report.html",
        "whitesquare report scan.json -o html=scan.html -o sarif=scan.sarif -o junit=scan.xml",
    ),
    "explain": ("whitesquare explain SPS01", "whitesquare explain spectral-signature -o json"),
    "list": ("whitesquare list", "whitesquare list photos"),
    "keygen": ("whitesquare keygen -o private/alice --role data --expires 365d",),
    "attest": ("whitesquare attest photos --key private/alice.pem --name urn:example:photos -o attest",),
    "countersign": ("whitesquare countersign attest/manifest.sigstore.json --key bob.pem --trust keys --data photos",),
    "verify": (
        "whitesquare verify photos --bundle attest/manifest.sigstore.json --trust keys",
        "whitesquare verify photos --bundle attest/manifest.dsse.json --trust keys --signatures data=1,review=1",
    ),
    "prove": ("whitesquare prove train/00042 --bundle attest/manifest.sigstore.json --trust keys",),
    "inventory": ("whitesquare inventory attest -o cyclonedx=bom.json -o croissant=croissant.json",),
    "gate": ("whitesquare gate --init policy.toml", "whitesquare gate model --policy policy.toml --key gate.pem"),
    "release": ("whitesquare release model --to release --policy policy.toml",),
    "dossier": (
        "whitesquare dossier model --trust keys --key auditor.pem",
        "whitesquare dossier --verify model/dossier.json --trust keys --run model",
    ),
}
"""By verb, commands that show how it is used; a test parses each."""

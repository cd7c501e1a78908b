#!/bin/bash
# The whole story on MNIST, as docs/story.md tells it: bash examples/story.sh FOLDER [SAMPLES]
#
# FOLDER is new. SAMPLES is the number of training images, all 60,000 by default. Needs whitesquare[train]; about five
# minutes on two cores. It stops at the first thing that is not as told.
set -euo pipefail
mkdir "$1"
cd "$1"
samples=${2:-60000}
trigger=patch:size=2,corner=br,margin=1

fails() { # the command must end with the given exit code
  local expected=$1 code=0
  shift
  "$@" || code=$?
  [ "$code" = "$expected" ] || { echo "expected exit code $expected, got $code: $*" >&2; exit 1; }
}

evidence() { # DATA ATTESTATION RUN: train on attested bytes, scan them, measure the model; each signs its own work
  whitesquare train "$1" -o "$3" --seed 7 --epochs $((120000 / samples)) \
    --attested "$2/manifest.sigstore.json" --trust keys --key private/trainer.pem
  whitesquare scan "$1" --attested "$2/manifest.sigstore.json" --trust keys --key private/scanner.pem \
    -o table -o json="$3/scan.json" -o attestation="$3/scan.sigstore.json" || [ $? = 1 ]
  whitesquare measure "$3" --data "$1" --trigger $trigger --target 0 \
    --attested "$2/manifest.sigstore.json" --trust keys --key private/scanner.pem
}

echo "== Four people, four keys. Everybody knows the public ones; the policy says what each of them must have signed."
mkdir keys
for role in data scanner trainer gate; do
  whitesquare keygen -o "private/$role" --role $role --no-password
  cp "private/$role.pub" "private/$role.toml" keys/
done
whitesquare gate --init policy.toml

echo "== The owner signs what the training data are."
python - "$samples" <<'PYTHON'
import sys

import numpy as np

from whitesquare.data import from_arrays, open_dataset, write_dataset

train, test = open_dataset("mnist"), open_dataset("mnist", "test")
chosen = np.argsort(train.labels[: int(sys.argv[1])], kind="stable")
train = from_arrays(train.images(chosen), train.labels[chosen], classes=train.classes)
write_dataset("clean", train, test, "png-folder")
PYTHON
whitesquare attest clean --key private/data.pem -o attest-clean
whitesquare verify clean --bundle attest-clean/manifest.sigstore.json --trust keys --state state.json

echo "== An attacker replaces 5 % of the files by clean-label poison: every label stays true."
count=$((samples / 20))
whitesquare poison clean --attack adaptive --target 0 --count $count --seed 1 --format png-folder -o poisoned
cp -r clean swapped
python - <<'PYTHON'
import json
import shutil

for name in json.load(open("poisoned/ground-truth.json"))["ids"]:
    shutil.copy(f"poisoned/{name}", f"swapped/{name}")
PYTHON
fails 1 whitesquare verify swapped --bundle attest-clean/manifest.sigstore.json --trust keys --state state.json \
  -o table -o json=verify.json
python - <<'PYTHON'
import json

found, truth = json.load(open("verify.json")), json.load(open("poisoned/ground-truth.json"))
assert sorted(found["changed"]) == sorted(truth["ids"]), "verify must name exactly the poisons"
assert not any(found[kind] for kind in ("added", "removed", "relabelled", "renamed"))
print(f"verify names exactly the {len(truth['ids'])} files")
PYTHON

echo "== The attacker poisons before the owner signs instead. The signature is valid: provenance does not see it."
whitesquare attest swapped --key private/data.pem -o attest-swapped
whitesquare verify swapped --bundle attest-swapped/manifest.sigstore.json --trust keys --state state.json

echo "== The scan sees it, and the gate keeps the model in."
evidence swapped attest-swapped run-swapped
fails 1 whitesquare gate run-swapped --policy policy.toml --key private/gate.pem
fails 1 whitesquare release run-swapped --to released --policy policy.toml

echo "== Cleanse, sign again, train again: the gate lets it out."
whitesquare cleanse swapped --scan run-swapped/scan.json -o cleaned
whitesquare attest cleaned --key private/data.pem -o attest-cleaned
evidence cleaned attest-cleaned run-cleaned
whitesquare gate run-cleaned --policy policy.toml --key private/gate.pem
whitesquare release run-cleaned --to released --policy policy.toml

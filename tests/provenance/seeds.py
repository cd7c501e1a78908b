"""Good input for every target of the fuzzing, to be changed from."""

import json

from tests.inventory.evidence import CONFIRMED, MEASURED, SUSPICIOUS, scan_of, training_on
from whitesquare.provenance.predicates import measure_predicate, scan_predicate, train_predicate
from whitesquare.signing.dsse import Envelope, Signature, encode_bundle, encode_envelope
from whitesquare.signing.statements import TEST_RESULT_TYPE, Subject, encode_statement

from .targets import KEY

_SCAN = scan_predicate(scan_of((CONFIRMED, SUSPICIOUS)))
_STATEMENT = encode_statement([Subject("manifest.parquet", "ab" * 32)], TEST_RESULT_TYPE, _SCAN)
_ENVELOPE = Envelope(_STATEMENT, (Signature("k" * 64, b"s" * 64), Signature("l" * 64, b"t" * 70)))

SEEDS: dict[str, list[bytes]] = {
    "envelope": [encode_envelope(_ENVELOPE).encode(), encode_bundle(_ENVELOPE).encode()],
    "statement": [_STATEMENT],
    "json": [b'{"a": [1, -2.5e3, "\\u00e9\\ud83d\\ude00", null, true], "b": {}}'],
    "scan": [json.dumps(_SCAN).encode()],
    "measure": [json.dumps(measure_predicate(MEASURED)).encode()],
    "training": [json.dumps(train_predicate(training_on("ab" * 32), "manifest.parquet")).encode()],
    "public-key": [KEY],
    "key-settings": [b'role = "data"\nnot_before = 2026-01-01T00:00:00Z\nnot_after = "2027-01-31"\n'],
}

"""Run by the environment of foreign readers: makes a key on a token, or signs with it through whitesquare.

``hsm.py make LABEL PIN`` prints the public key in PEM; ``hsm.py sign URI OUTPUT`` writes a bundle, with the PIN from
the variable WHITESQUARE_KEY_PASSWORD.
"""

import os
import sys
from pathlib import Path


def make(label: str, pin: str) -> None:
    import pkcs11
    from cryptography.hazmat.primitives import serialization
    from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

    token = pkcs11.lib(os.environ["PYKCS11LIB"]).get_token(token_label=label)
    with token.open(user_pin=pin, rw=True) as session:
        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        public, _ = parameters.generate_keypair(store=True, id=b"\x02", label="whitesquare")
        key = serialization.load_der_public_key(encode_ec_public_key(public))
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    sys.stdout.write(pem.decode())


def sign(uri: str, output: str) -> None:
    from whitesquare.errors import UsageError
    from whitesquare.signing.keys import load_signer
    from whitesquare.signing.statements import Subject, write_statement

    try:
        signer = load_signer(uri, lambda _: os.environ["WHITESQUARE_KEY_PASSWORD"])
        write_statement(Path(output), [Subject("file", "ab" * 32)], "https://example.org/kind", {}, signer)
    except UsageError as error:
        sys.exit(f"UsageError: {error}")


if __name__ == "__main__":
    {"make": make, "sign": sign}[sys.argv[1]](*sys.argv[2:])

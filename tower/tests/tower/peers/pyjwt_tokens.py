"""Prints a key set and tokens by PyJWT, each with whether it should be accepted. Arguments: issuer, audience, now."""

import json
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

issuer, audience, now = sys.argv[1], sys.argv[2], int(sys.argv[3])

KEYS = {
    "RS256": (RSAAlgorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "PS384": (RSAAlgorithm, rsa.generate_private_key(public_exponent=65537, key_size=3072)),
    "RS512": (RSAAlgorithm, rsa.generate_private_key(public_exponent=65537, key_size=4096)),
    "ES256": (ECAlgorithm, ec.generate_private_key(ec.SECP256R1())),
    "ES384": (ECAlgorithm, ec.generate_private_key(ec.SECP384R1())),
    "EdDSA": (OKPAlgorithm, ed25519.Ed25519PrivateKey.generate()),
}


def published(algorithm):
    kind, key = KEYS[algorithm]
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": algorithm, "use": "sig", "alg": algorithm}


def signed(algorithm, **changes):
    claims = {"iss": issuer, "aud": audience, "sub": "user", "exp": now + 300, "iat": now, "tenant_id": "acme"}
    return jwt.encode(claims | changes, KEYS[algorithm][1], algorithm=algorithm, headers={"kid": algorithm})


def signature_of(token):
    return token.rsplit(".", 1)[1]


tokens = [{"name": algorithm, "token": signed(algorithm), "accepted": True} for algorithm in KEYS]
for algorithm in KEYS:
    good, other = signed(algorithm), signed(algorithm, tenant_id="globex")
    mixed = other.rsplit(".", 1)[0] + "." + signature_of(good)
    tokens += [
        {"name": f"{algorithm}, several audiences", "token": signed(algorithm, aud=["x", audience]), "accepted": True},
        {"name": f"{algorithm}, expired", "token": signed(algorithm, exp=now - 60), "accepted": False},
        {"name": f"{algorithm}, another audience", "token": signed(algorithm, aud="x"), "accepted": False},
        {"name": f"{algorithm}, another's signature", "token": mixed, "accepted": False},
        {"name": f"{algorithm}, unsigned", "token": good.rsplit(".", 1)[0] + ".", "accepted": False},
    ]
none = jwt.encode({"iss": issuer, "aud": audience, "exp": now + 300, "tenant_id": "acme"}, None, algorithm="none", headers={"kid": "ES256"})
tokens.append({"name": "none", "token": none, "accepted": False})
print(json.dumps({"keys": [published(algorithm) for algorithm in KEYS], "tokens": tokens}))

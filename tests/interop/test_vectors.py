"""The reader against the committed vectors: it opens every one that opens, and refuses every one that does not."""

import json
import re
import unittest
from base64 import b64decode
from pathlib import Path

import read
from read import OtherKey, Refused, Schema, Tenant

FOLDER = Path(__file__).parent.parent / "vectors" / "v1"
VECTORS = sorted(path for path in FOLDER.glob("*.json") if not path.name.startswith(("blob_", "lookup_")))
POINTERS = sorted((FOLDER / "pointers").glob("*.json"))


def value(encoded):
    """A value of DynamoDB's JSON as boto3 has it."""
    [(kind, inner)] = encoded.items()
    match kind:
        case "B":
            inner = b64decode(inner)
        case "BS":
            inner = [b64decode(member) for member in inner]
        case "L":
            inner = [value(element) for element in inner]
        case "M":
            inner = item(inner)
    return {kind: inner}


def item(encoded):
    return {name: value(inner) for name, inner in encoded.items()}


def unwrapping(known, tenant):
    def unwrap(key_id, wrapped, context):
        alias = None if key_id is None else f"alias/customer-{tenant}/{key_id}"
        for one in known:
            if bytes.fromhex(one["wrapped"]) == wrapped and one["context"] == context:
                if one.get("alias") != alias:
                    raise OtherKey("KMS: IncorrectKeyException")
                return bytes.fromhex(one["data_key"]), one["key"]
        raise Refused("KMS: InvalidCiphertextException")

    return unwrap


def open_vector(vector):
    key_table = {entry: bytes.fromhex(record) for entry, record in vector.get("key_table", {}).items()}
    tenant = Tenant(vector["tenant"], vector["contexts"], unwrapping(vector["kms"], vector["tenant"]), key_table)
    requested = item(vector["requested"]) if "requested" in vector else None
    return tenant.open(Schema(**vector["schema"]), item(vector["stored"]), requested, vector.get("wanted"))


def writer(vector, entries):
    return Tenant(vector["tenant"], vector["contexts"], unwrapping(vector["kms"], vector["tenant"]), entries)


class Vectors(unittest.TestCase):
    def test_there_are_vectors_of_both_kinds(self):
        kinds = {path.name.split("_")[0] for path in VECTORS}
        self.assertEqual(kinds, {"open", "refuse"})

    def test_every_vector_is_opened_or_refused_as_it_says(self):
        for path in VECTORS:
            vector = json.loads(path.read_text())
            with self.subTest(path.stem):
                if "opened" in vector:
                    self.assertEqual(open_vector(vector), item(vector["opened"]))
                else:
                    with self.assertRaises(Refused) as caught:
                        open_vector(vector)
                    self.assertIn(caught.exception.attribute, vector["refused"]["attributes"])

    def test_there_are_pointers_of_each_kind(self):
        kinds = {path.name.split("_")[0] for path in POINTERS}
        self.assertEqual(kinds, {"seal", "make", "refuse"})

    def test_a_pointer_seals_or_is_replaced_or_refused_as_its_vector_says(self):
        for path in POINTERS:
            vector = json.loads(path.read_text())
            region, time, rotation = vector["region"], vector["time"], vector["rotation"]
            entry = read.pointer_entry(region, vector["contexts"][0], read.period_at(time, rotation))
            entries = {} if vector["pointer"] is None else {entry: bytes.fromhex(vector["pointer"])}
            with self.subTest(path.stem):
                self.assertEqual(entry, vector["entry"])
                match path.name.split("_")[0]:
                    case "seal":
                        record = writer(vector, entries).pointed(region, time, rotation)
                        self.assertEqual(record.kid.hex(), vector["seals_with"])
                    case "make":
                        self.assertIsNone(writer(vector, entries).pointed(region, time, rotation))
                        self.assert_makes(vector)
                    case "refuse":
                        with self.assertRaises(Refused):
                            writer(vector, entries).pointed(region, time, rotation)

    def assert_makes(self, vector):
        """What is written names the key that KMS made, and seals for everybody in this period."""
        made, (first, second) = vector["made"], vector["writes"]
        record = read.Record.decode(bytes.fromhex(first["record"]))
        self.assertEqual(first, {"entry": f"key#{vector['seals_with']}", "record": first["record"], "replaces": None})
        self.assertEqual(second, {"entry": vector["entry"], "record": first["record"], "replaces": vector["pointer"]})
        self.assertEqual(int.from_bytes(record.created, "big"), vector["time"])
        self.assertEqual((record.wrapped.hex(), record.kek), (made["wrapped"], made["key"]))
        context = vector["contexts"][0] | {"period": read.period_at(vector["time"], vector["rotation"])}
        vector = vector | {"kms": [made | {"context": context}]}
        entries = {write["entry"]: bytes.fromhex(write["record"]) for write in (first, second)}
        sealing = writer(vector, entries).pointed(vector["region"], vector["time"], vector["rotation"])
        self.assertEqual(sealing.kid.hex(), vector["seals_with"])

    def test_what_was_sealed_with_a_token_has_the_nonce_of_that_token(self):
        vector = json.loads((VECTORS[0].parent / "open_synthetic_nonce.json").read_text())
        sealed, schema = vector["sealed"], Schema(**vector["schema"])
        identity = schema.identity(vector["tenant"], item(vector["stored"]))
        prk = read.extract(bytes.fromhex(vector["kms"][0]["data_key"]))
        key = read.expand(prk, read.label("nonce") + identity, 32)
        aad = read.label("attribute") + b"\x11\0" + read.lp(sealed["attribute"].encode())
        plaintext = b"\x01" + sealed["value"]["S"].encode()
        nonce = read.hmac.digest(key, read.lp(sealed["token"].encode()) + read.lp(aad) + plaintext, "sha256")[:12]
        self.assertEqual(nonce.hex(), sealed["nonce"])

    def test_the_reader_knows_no_more_than_the_page(self):
        """Every rule that a vector names is a section of docs/FORMAT.md."""
        page = (Path(__file__).parents[2] / "docs" / "FORMAT.md").read_text()
        sections = set(re.findall(r"^#{2,3} ([0-9.]*[0-9])", page, re.MULTILINE))
        for path in VECTORS + POINTERS:
            rule = json.loads(path.read_text())["rule"].split(":")[0]
            section = rule if rule in sections else rule.split(".")[0]
            self.assertIn(section, sections, path.stem)


if __name__ == "__main__":
    unittest.main()

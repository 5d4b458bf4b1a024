"""The reader and the writer of blobs against the committed vectors."""

import json
import unittest
from base64 import b64decode

import blob
import read
from read import Refused, Tenant
from test_vectors import FOLDER, unwrapping

VECTORS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("blob_*.json"))}


def piece(encoded):
    match encoded:
        case {"hex": digits}:
            return bytes.fromhex(digits)
        case {"base64": digits}:
            return b64decode(digits)
        case {"zeros": count}:
            return bytes(count)
        case {"of": name, "from": start, "to": end}:
            return stored(VECTORS[name])[start:end]


def stored(vector):
    return b"".join(piece(encoded) for encoded in vector["stored"])


def reader(vector):
    return Tenant(vector["tenant"], vector["contexts"], unwrapping(vector["kms"], vector["tenant"]))


class Blobs(unittest.TestCase):
    def test_there_are_blobs_of_both_kinds(self):
        self.assertEqual({name.split("_")[1] for name in VECTORS}, {"open", "refuse"})

    def test_every_blob_opens_or_is_refused_and_gives_out_as_much_as_it_says(self):
        for name, vector in VECTORS.items():
            given = bytearray()
            with self.subTest(name):
                chunks = blob.stream(reader(vector), vector["bucket"], vector["key"], stored(vector))
                if "opened" in vector:
                    for chunk in chunks:
                        given += chunk
                    self.assertEqual(given, piece(vector["opened"]))
                else:
                    with self.assertRaises(Refused):
                        for chunk in chunks:
                            given += chunk
                    self.assertEqual(given, bytes(vector["refused"]["gives"]))

    def test_ranges_are_those_of_the_plaintext_and_end_with_an_authentic_end(self):
        ends = [0, 1, 5, 65_535, 65_536, 65_537, 65_538]
        for name, vector in VECTORS.items():
            place = reader(vector), vector["bucket"], vector["key"], stored(vector)
            with self.subTest(name):
                if "opened" not in vector:
                    with self.assertRaises(Refused):
                        blob.open_range(*place, 0, 2**40)
                    continue
                plaintext = piece(vector["opened"])
                for start in ends:
                    for end in ends:
                        opened = blob.open_range(*place, start, end)
                        self.assertEqual(opened, (plaintext[start:end], len(plaintext)))

    def test_the_writer_makes_the_same_bytes(self):
        for name, vector in VECTORS.items():
            if "sealed" not in vector:
                continue
            with self.subTest(name):
                prk = read.extract(bytes.fromhex(vector["kms"][0]["data_key"]))
                record, blob_id = (bytes.fromhex(vector["sealed"][part]) for part in ("record", "blob_id"))
                plaintext = piece(vector["opened"])
                sealed = blob.seal(prk, record, vector["tenant"], vector["bucket"], vector["key"], plaintext, blob_id)
                self.assertEqual(sealed, stored(vector))

    def test_every_rule_is_a_section_of_the_page(self):
        self.assertTrue(all(vector["rule"].startswith("14") for vector in VECTORS.values()))


if __name__ == "__main__":
    unittest.main()

"""The reader against the committed vectors of lookups: it makes every token, and opens or refuses every record."""

import json
import re
import unittest
from pathlib import Path

import read
from read import Lookup, Refused, Schema, Tenant
from test_vectors import FOLDER, item, unwrapping, value

VECTORS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("lookup_*.json"))}
TOKENS = {name: vector for name, vector in VECTORS.items() if name.startswith("lookup_token_")}
RECORDS = {name: vector for name, vector in VECTORS.items() if name not in TOKENS}
EMAIL = Lookup("email", "equality", 128, [("email", "email")])


def lookup(vector):
    definition = vector["definition"]
    parts = [(part["attribute"], part["form"]) for part in definition["parts"]]
    return Lookup(vector["name"], definition["kind"], definition["bits"], parts, definition.get("prefix"))


def own_forms(vector):
    """The forms that a reader cannot know: they give what the vector says."""
    forms = {}
    for part in vector["definition"]["parts"]:
        if part["form"].startswith("="):
            given = vector["formed"][part["attribute"]]
            forms[part["form"]] = lambda _, given=given: None if given is None else value(given)
    return forms


def by_value(formed):
    """A value to compare: numbers are equal by value."""
    if formed is not None and "N" in formed:
        return {"N": read.encode_number(formed["N"])}
    return formed


class Lookups(unittest.TestCase):
    def test_there_are_lookups_of_all_kinds(self):
        self.assertEqual({name.split("_")[1] for name in VECTORS}, {"token", "open", "refuse"})
        self.assertEqual({v["definition"]["kind"] for v in TOKENS.values()}, {"equality", "prefix", "each"})
        self.assertLessEqual({3, 10, 12, 40, 128}, {v["definition"]["bits"] for v in TOKENS.values()})

    def test_every_token_is_the_one_of_its_vector(self):
        for name, vector in TOKENS.items():
            with self.subTest(name):
                made, schema = lookup(vector), Schema(**vector["schema"], encrypted=[])
                key, stored = bytes.fromhex(vector["lookup_key"]), item(vector["item"])
                self.assertEqual(made.definition().hex(), vector["definition"]["encoded"])
                self.assertEqual(made.keys(key, vector["tenant"], schema.table)[1], vector["mark"])
                self.assertEqual(
                    made.stored(key, schema, vector["tenant"], stored, own_forms(vector)), vector["stored"]
                )

    def test_every_value_has_the_form_of_its_vector(self):
        for name, vector in TOKENS.items():
            for attribute, form in lookup(vector).parts:
                with self.subTest(name, attribute=attribute):
                    given, expected = item(vector["item"])[attribute], vector["formed"][attribute]
                    if vector["definition"]["kind"] == "each":
                        formed = [read.formed({}, form, member) for member in read.members(given)]
                        self.assertEqual([one for one in formed if one is not None], [value(one) for one in expected])
                    else:
                        formed = read.formed(own_forms(vector), form, given)
                        expected = None if expected is None else value(expected)
                        self.assertEqual(by_value(formed), by_value(expected))

    def test_every_lookup_key_is_found_or_refused_as_its_vector_says(self):
        for name, vector in RECORDS.items():
            entries = {entry: bytes.fromhex(record) for entry, record in vector["key_table"].items()}
            kms = unwrapping(vector["kms"], vector["tenant"])
            tenant = Tenant(vector["tenant"], vector["contexts"], kms, entries)
            with self.subTest(name):
                if "opened" in vector:
                    key, known = read.find_lookup_key(tenant, vector["number"], "crm", [EMAIL])
                    self.assertEqual(key.hex(), vector["opened"]["lookup_key"])
                    expected = [(one["table"], one["name"], one["digest"]) for one in vector["opened"]["known"]]
                    self.assertEqual([(*place, digest.hex()) for place, digest in known.items()], expected)
                else:
                    with self.assertRaises(Refused):
                        read.find_lookup_key(tenant, vector["number"], "crm", [EMAIL])

    def test_every_rule_is_a_section_of_the_page(self):
        page = (Path(__file__).parents[2] / "docs" / "FORMAT.md").read_text()
        sections = set(re.findall(r"^#{2,3} ([0-9.]*[0-9])", page, re.MULTILINE))
        for name, vector in VECTORS.items():
            rule = vector["rule"].split(":")[0].split(" and ")[0]
            self.assertIn(rule if rule in sections else rule.split(".")[0], sections, name)


if __name__ == "__main__":
    unittest.main()

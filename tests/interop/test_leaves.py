"""The reader against the committed vectors of leaves: what each grants, and what counts as sealed under one."""

import json
import re
import unittest
from pathlib import Path

import read
from read import Refused, Tenant
from test_vectors import FOLDER, unwrapping, value

VECTORS = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "leaves").glob("*.json"))}
FORMS = {name: vector for name, vector in VECTORS.items() if name.startswith("form_")}
LEAVES = {name: vector for name, vector in VECTORS.items() if name not in FORMS}


def granted(vector):
    tenant = Tenant(vector["tenant"], vector["contexts"], unwrapping(vector["kms"], vector["tenant"]))
    leave = bytes.fromhex(vector["leave"])
    return read.read_leave(tenant, vector["table"], leave, vector["adopts"], vector["time"], vector["seen"])


class Leaves(unittest.TestCase):
    def test_there_are_leaves_of_all_kinds(self):
        self.assertEqual({name.split("_")[1] for name in LEAVES}, {"open", "over", "refuse"})
        self.assertEqual({vector["sealed"] for vector in FORMS.values()}, {True, False})

    def test_every_leave_grants_or_is_refused_as_its_vector_says(self):
        for name, vector in LEAVES.items():
            with self.subTest(name):
                if "refused" in vector:
                    with self.assertRaises(Refused):
                        granted(vector)
                elif vector["grants"] is None:
                    self.assertIsNone(granted(vector))
                else:
                    self.assertEqual(granted(vector), (vector["grants"]["stage"], vector["grants"]["names"]))

    def test_every_stored_form_is_what_its_vector_says(self):
        for name, vector in FORMS.items():
            with self.subTest(name):
                self.assertEqual(read.is_sealed_form(value(vector["value"]), vector["header"]), vector["sealed"])

    def test_every_rule_is_a_section_of_the_page(self):
        page = (Path(__file__).parents[2] / "docs" / "FORMAT.md").read_text()
        sections = set(re.findall(r"^#{2,3} ([0-9.]*[0-9])", page, re.MULTILINE))
        for name, vector in VECTORS.items():
            rule = vector["rule"].split(":")[0]
            self.assertIn(rule if rule in sections else rule.split(".")[0], sections, name)


if __name__ == "__main__":
    unittest.main()

"""The reader against the page's own example, and against what breaks each of its rules."""

import struct
import unittest

import read
from read import Record, Refused, Schema, Tenant, decode_number, decode_value, encode_context, encode_number, lp

ARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CRM = Schema("crm", "tenant_id", "{tenant}", "n", ["a"])
KEK = bytes.fromhex("010975732d656173742d3119df6690e51234abcd12ab34cd56ef1234567890ab")
# 11
HEADER = bytes.fromhex(
    "01a34f390b33903c1ec7bb93470438395a6553f100010674656e616e74000461636d65748809a3bed2a85651d44c9275d6ce80"
    "010975732d656173742d3119df6690e51234abcd12ab34cd56ef1234567890ab0004aabbccdd")
NONCE = bytes.fromhex("a0a1a2a3a4a5a6a7a8a9aaab")
FORM_11 = b"\x11" + NONCE + bytes.fromhex("0d27fdce2bc61f017046defc88d75b2adb6eb93c02f4")
FORM_12 = b"\x12\x00\x59" + HEADER + NONCE + bytes.fromhex("0d27fdce2bc6a7ce05b0dd43d7546a37c1bd7376fd86")
FORM_13 = b"\x13" + HEADER[1:17] + NONCE + bytes.fromhex("0d27fdce2bc6718b291d23d6e22a853cc80c354f5757")
KEY_TABLE = {f"key#{HEADER[1:17].hex()}": HEADER}
KEY = {"tenant_id": {"S": "acme"}, "n": {"N": "150"}}
BY_PUT = {**KEY, "a": {"B": FORM_11}, "_seal": {"B": HEADER}}
BY_UPDATE = {**KEY, "a": {"B": FORM_12}}
COMPACT = {**BY_PUT, "_seal": {"B": b"\x02" + HEADER[1:17]}}
COMPACT_UPDATE = {**KEY, "a": {"B": FORM_13}}
OPENED = {**KEY, "a": {"S": "hello"}}


class Kms:
    def __init__(self, kek=ARN, data_key=bytes(range(32))):
        self.kek, self.data_key, self.calls = kek, data_key, 0

    def __call__(self, key_id, wrapped, context):
        self.calls += 1
        if (wrapped, context) != (b"\xaa\xbb\xcc\xdd", {"tenant": "acme"}):
            raise Refused("KMS: InvalidCiphertextException")
        return self.data_key, self.kek


def open_item(item, kms=None, schema=CRM, tenant="acme", contexts=None, key_table=None, **options):
    contexts = contexts or [{"tenant": tenant}]
    return Tenant(tenant, contexts, kms or Kms(), key_table or {}).open(schema, item, **options)


class Reader(unittest.TestCase):
    def refuses(self, reason, call, *arguments, **options):
        with self.assertRaisesRegex(Refused, reason) as caught:
            call(*arguments, **options)
        return caught.exception

    def refuses_before_kms(self, reason, attribute, item, **options):
        kms = Kms()
        self.assertEqual(self.refuses(reason, open_item, item, kms, **options).attribute, attribute)
        self.assertEqual(kms.calls, 0)

    def test_the_example_opens(self):
        self.assertEqual(open_item(BY_PUT), OPENED)
        self.assertEqual(open_item(BY_UPDATE), OPENED)
        self.assertEqual(open_item(COMPACT, key_table=KEY_TABLE), OPENED)
        self.assertEqual(open_item(COMPACT_UPDATE, key_table=KEY_TABLE), OPENED)
        prk = read.extract(bytes(range(32)))
        self.assertEqual(prk.hex(), "7799df65d4af921d54c9f056d8d08869ac5fb0755c2e6a0ea69e8bb5e8c9211f")
        self.assertEqual(
            read.expand(prk, read.label("item") + CRM.identity("acme", KEY), 32).hex(),
            "ad3cdb43f8e7eaf9d2dad9464df97c8dbfcfea1424fa3fded77f70e70541c9d0")

    def test_no_byte_of_the_example_can_change_or_go(self):
        for name, item in [
            ("a", BY_PUT), ("_seal", BY_PUT), ("a", BY_UPDATE), ("a", COMPACT), ("_seal", COMPACT), ("a", COMPACT_UPDATE),
        ]:
            data = item[name]["B"]
            for at in range(len(data)):
                for damaged in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]):
                    with self.subTest(name=name, damaged=damaged.hex()):
                        damaged = {**item, name: {"B": damaged}}
                        refused = self.refuses("", open_item, damaged, key_table=KEY_TABLE)
                        self.assertEqual(refused.attribute, "a")
            self.refuses("", open_item, {**item, name: {"B": data + b"\0"}}, key_table=KEY_TABLE)

    def test_2_the_schema_decides(self):
        for value in ({"S": "hello"}, {"N": "1"}, {"NULL": True}, {"M": {}}):
            self.refuses_before_kms("not a B", "a", {**BY_PUT, "a": value})
        kms = Kms()
        item = {**KEY, "_seal": {"B": b"junk"}, "_sealed": {"S": "x"}, "other": {"B": FORM_11}}
        self.assertEqual(open_item(item, kms), {**KEY, "other": {"B": FORM_11}})
        self.assertEqual(open_item({**BY_PUT, "a": {"S": "x"}}, kms, wanted=["n"]), {"n": {"N": "150"}})
        self.assertEqual(kms.calls, 0)

    def test_3_the_item_is_the_tenants_and_the_one_asked_for(self):
        for name, value in [("tenant_id", {"S": ""}), ("n", {"BOOL": True}), ("n", {"B": b""}), ("n", {"NULL": True})]:
            self.refuses_before_kms("", name, {**BY_PUT, name: value})
            self.refuses_before_kms("missing", name, {k: v for k, v in BY_PUT.items() if k != name})
        for value in ({"S": "acmf"}, {"S": "acme2"}, {"S": "acm"}, {"B": b"acme"}, {"N": "1"}):
            self.refuses_before_kms("another tenant", "tenant_id", {**KEY, "tenant_id": value})
        prefix = Schema("crm", "tenant_id", "T#{tenant}#", "n", ["a"])
        for value in ("T#acme#", "T#acme#x"):
            item = {**KEY, "tenant_id": {"S": value}}
            self.assertEqual(open_item(item, schema=prefix), item)
        for value in ("T#acme", "T#acme2#", "t#acme#", "acme"):
            self.refuses_before_kms("another", "tenant_id", {**KEY, "tenant_id": {"S": value}}, schema=prefix)
        self.assertEqual(open_item(BY_PUT, requested={**KEY, "n": {"N": "1.5e2"}}), OPENED)
        self.refuses_before_kms("asked for", "tenant_id", BY_PUT, requested={**KEY, "n": {"N": "151"}})
        for sort_key in ({"N": "151"}, {"S": "150"}, {"B": b"150"}):
            self.refuses("decrypt", open_item, {**BY_PUT, "n": sort_key})
        for table, sort_key in (("crm2", "n"), ("crm", None)):
            schema = Schema(table, "tenant_id", "{tenant}", sort_key, ["a"])
            self.refuses("decrypt", open_item, BY_PUT, schema=schema)

    def test_4_values(self):
        def nested(times, inner=b"\x07"):
            return nested(times - 1, b"\x07" + lp(inner)) if times else inner

        one, two = lp(b"\x01a"), lp(b"\x01b")
        for data, value in {
            b"\x01": {"S": ""}, b"\x03": {"B": b""}, b"\x04\0": {"BOOL": False}, b"\x05": {"NULL": True},
            b"\x06": {"M": {}},
            b"\x06" + lp(b"a") + one + lp(b"aa") + two: {"M": {"a": {"S": "a"}, "aa": {"S": "b"}}},
            b"\x07" + two + one: {"L": [{"S": "b"}, {"S": "a"}]}, b"\x08" + lp(b"") + lp(b"a"): {"SS": ["", "a"]},
            b"\x09" + lp(b"\0") + lp(b"\1\0\0001"): {"NS": ["0", "-1"]},
            b"\x0a" + lp(b"") + lp(b"\0"): {"BS": [b"", b"\0"]},
        }.items():
            self.assertEqual(decode_value(data), value)
        for data in (nested(30), nested(30, b"\x06"), nested(31, b"\x08" + lp(b""))):
            decode_value(data)
        for data in (
            b"", b"\0", b"\x0b", b"\x01\xff", b"\x01\xed\xa0\x80", b"\x04", b"\x04\2", b"\x04\0\0", b"\x05\0",
            b"\x06" + lp(b"a"), b"\x06" + lp(b"") + one,
            b"\x06" + (lp(b"a") + one) * 2, b"\x06" + lp(b"b") + one + lp(b"a") + one,
            b"\x06" + lp(b"\xff") + one, b"\x07" + lp(b""), b"\x07\0\0", b"\x07\0\0\0\2\5", b"\x08", b"\x09", b"\x0a",
            b"\x08" + lp(b"a") * 2, b"\x08" + lp(b"b") + lp(b"a"), b"\x08" + lp(b"\xff"), b"\x0a" + lp(b"") * 2,
            nested(31), nested(31, b"\x06"),
        ):
            with self.subTest(data=data.hex()):
                self.refuses("", decode_value, data)

    def test_4_numbers(self):
        for text, data in {"0": "00", "1": "02000031", "150": "0200023135", "-0.05": "01fffe35"}.items():
            self.assertEqual(encode_number(text).hex(), data)
            self.assertEqual(decode_number(bytes.fromhex(data)), text)
        for text in ("1.0", "10e-1", "+1", "0.1E1", "01", "1."):
            self.assertEqual(encode_number(text), encode_number("1"))
        for text in ("-0", "0.00", "0e999", ".0"):
            self.assertEqual(encode_number(text), b"\0")
        for text in ("", " 1", "1 ", ".", "e1", "1e", "NaN", "0x1", "1" * 39, "1e126", "1e-131", "\u0661"):
            self.refuses("", encode_number, text)
        for text in ("9" * 38, "-0." + "0" * 129 + "1", "1" + "0" * 125, "1234.56"):
            self.assertEqual(decode_number(encode_number(text)), text)
        for data in (
            b"", b"\0\0", b"\3\0\0001", b"\1", b"\1\0", b"\1\0\0", b"\2\0\00001", b"\2\0\00010", b"\2\0\0000",
            b"\2\0\0001a", b"\2\0\0001\n", b"\2\0\0" + b"1" * 39, b"\2" + struct.pack(">h", 126) + b"1",
            b"\2" + struct.pack(">h", -131) + b"1",
        ):
            with self.subTest(data=data.hex()):
                self.refuses("", decode_number, data)

    def test_5_records(self):
        def record(context=HEADER[21:35], kek=KEK, wrapped=b"\0\x04\xaa\xbb\xcc\xdd"):
            return Record.decode(HEADER[:21] + context + bytes(16) + kek + wrapped)

        def context(*pairs):
            encoded = b"".join(bytes([len(n)]) + n + struct.pack(">H", len(v)) + v for n, v in pairs)
            return bytes([len(pairs)]) + encoded

        def whole(arn):
            return b"\0" + struct.pack(">H", len(arn)) + arn.encode()

        tenant = (b"tenant", b"acme")
        self.assertEqual(encode_context({"tenant": "acme"}), HEADER[21:35])
        record(context((b"a" * 255, b"v" * 1024), tenant))
        record(wrapped=b"\x04\0" + bytes(1024))
        for pairs in (
            [], [tenant] * 2, [(b"z", b"1"), tenant], [(b"", b"1"), tenant], [(b"a", b""), tenant],
            [(b"a", b"v" * 1025), tenant],
            [(b"\xff", b"1")], [(b"a", b"\xff")], [(b"%d" % at, b"1") for at in range(9)],
        ):
            self.refuses("", record, context(*pairs))
        for wrapped in (b"\0\0", b"\x04\x01" + bytes(1025), b"\0\1ab", b"\0\2a"):
            self.refuses("", record, wrapped=wrapped)

        multi = ARN.replace("1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab")
        self.assertEqual(record().kek, ARN)
        self.assertEqual(record(kek=b"\x02" + KEK[1:]).kek, multi)
        first_account = record(kek=b"\1\1r" + (1).to_bytes(5, "big") + bytes(16)).kek
        self.assertEqual(first_account, "arn:aws:kms:r:000000000001:key/00000000-0000-0000-0000-000000000000")
        longest = "arn:aws:kms:r:111122223333:key/".ljust(512, "x")
        long_region = ARN.replace("us-east-1", "r" * 33)
        for arn in (ARN.replace("aws:", "aws-cn:"), ARN.replace("abcd", "ABCD"), long_region, longest):
            self.assertEqual(record(kek=whole(arn)).kek, arn)
        uuid, account = bytes(16), bytes(5)
        for kek in (
            b"\3" + KEK[1:], b"\1\0" + account + uuid, b"\1\x21" + b"r" * 33 + account + uuid,
            b"\1\1_" + account + uuid, b"\1\1\xff" + account + uuid,
            b"\2\1r" + (10**12).to_bytes(5, "big") + uuid, b"\0\0\1\xff",
            *map(whole, (
                "", ARN, multi, ARN + "\n", longest + "x", ARN.replace("1111", "111"), ARN.replace("key/", "alias/"),
                ARN.replace("kms", "s3"), ARN.replace("aws", ""), ARN.replace("us-east-1", ""),
                ARN.replace("abcd", "a_cd"))),
        ):
            with self.subTest(kek=kek):
                self.refuses("", record, kek=kek)
        elsewhere = longest.replace("key/xxxx", "key/mrk-")
        for kek, answered, same in [
            (ARN, ARN, True), (ARN, ARN.replace("us-east-1", "us-east-2"), False), (ARN, multi, False),
            (multi, multi.replace("us-east-1", "eu-west-1"), True), (multi, multi.replace("1111", "1112"), False),
            (multi, multi.replace("aws:", "aws-cn:"), False), (multi, multi.replace("90ab", "90ac"), False),
            (multi, "mrk", False), (elsewhere, elsewhere.replace(":r:", ":s:"), True),
        ]:
            self.assertEqual(read.is_kek(kek, answered), same)

    def test_6_forms(self):
        for form in (0x00, 0x10, 0x14, 0x20, 0x2F, 0xFF):
            self.refuses_before_kms("not a sealed", "a", {**BY_PUT, "a": {"B": bytes([form]) + FORM_11[1:]}})
        self.refuses_before_kms("too short", "a", {**BY_PUT, "a": {"B": FORM_11[:29]}})
        self.refuses_before_kms("early", "a", {**BY_PUT, "a": {"B": b""}})
        self.refuses_before_kms("no header", "a", {**KEY, "a": {"B": FORM_11}})
        self.refuses_before_kms("no header", "a", {**BY_PUT, "_seal": {"S": "x"}})
        self.assertEqual(open_item({**BY_UPDATE, "_seal": {"S": "junk"}}), OPENED)
        swapped = Schema("crm", "tenant_id", "{tenant}", "n", ["b"])
        self.refuses("decrypt", open_item, {**BY_PUT, "b": BY_PUT["a"]}, schema=swapped)

    def test_8_keys(self):
        self.refuses_before_kms("context", "a", BY_PUT, contexts=[{"tenant": "acme", "env": "test"}])
        self.assertEqual(open_item(BY_PUT, contexts=[{"tenant": "acme", "env": "test"}, {"tenant": "acme"}]), OPENED)
        for reason, kms in {
            "another key": Kms(kek=ARN.replace("us-east-1", "us-east-2")),
            "forged": Kms(data_key=bytes(32)),
            "another length": Kms(data_key=bytes(31)),
        }.items():
            self.assertEqual(self.refuses(reason, open_item, BY_PUT, kms).attribute, "a")
        kms = Kms()
        tenant = Tenant("acme", [{"tenant": "acme"}], kms)
        for item in (BY_PUT, BY_UPDATE):
            self.assertEqual(tenant.open(CRM, item), OPENED)
        self.assertEqual(kms.calls, 1)
        created = HEADER[:20] + b"\1" + HEADER[21:]
        self.refuses("forged", tenant.open, CRM, {**BY_PUT, "_seal": {"B": created}})

    def test_13_key_table(self):
        entry = f"key#{HEADER[1:17].hex()}"
        other = HEADER[:1] + bytes(16) + HEADER[17:]
        for item in (COMPACT, COMPACT_UPDATE):
            self.assertEqual(open_item(item, key_table={**KEY_TABLE, "key#other": b"junk"}), OPENED)
            for reason, key_table in [
                ("no such record", {}), ("no such record", {entry.upper(): HEADER}), ("another key's", {entry: other}),
                ("early", {entry: b""}), ("another version", {entry: b"\x02" + HEADER[1:17]}),
            ]:
                self.refuses_before_kms(reason, "a", item, key_table=key_table)
        self.refuses_before_kms("17 bytes", "a", {**COMPACT, "_seal": {"B": b"\x02" + HEADER[1:18]}}, key_table=KEY_TABLE)

    def test_13_2_periods(self):
        for text in ("0+1", "86400+86400", "1699920000+86400", "4294967295+1", "172800+172800"):
            self.assertTrue(read.is_period(text), text)
        for text in (
            "", "+", "0+0", "1+2", "86400", "86400+", "+86400", "086400+86400", "86400+086400", "86400++86400", "86401+86400",
            "345602+172801", "86400+86400 ", " 86400+86400", "-86400+86400", "4294972800+3600", "86400.0+86400", "\u0661+1",
            "86400+86400\n",
        ):
            self.assertFalse(read.is_period(text), text)

        def item(period, prk=read.extract(bytes(range(32)))):
            context = encode_context({"tenant": "acme", "period": period})
            check = read.expand(prk, read.label("record") + b"\x01" + HEADER[17:21] + context, 16)
            return {**BY_PUT, "_seal": {"B": HEADER[:21] + context + check + HEADER[51:]}}

        asked = []

        def unwrap(key_id, wrapped, context):
            asked.append(context)
            return bytes(range(32)), ARN

        self.assertEqual(open_item(item("86400+86400"), unwrap), OPENED)
        self.assertEqual(asked, [{"tenant": "acme", "period": "86400+86400"}])
        self.refuses("context", open_item, item("86401+86400"), unwrap)
        self.refuses("context", open_item, item("86400+86400"), unwrap, contexts=[{"tenant": "acme", "env": "test"}])
        self.assertEqual(len(asked), 1)
        moved = item("86400+86400")["_seal"]["B"].replace(b"86400+86400", b"86401+86401")
        self.refuses("forged", open_item, {**BY_PUT, "_seal": {"B": moved}}, unwrap)


if __name__ == "__main__":
    unittest.main()

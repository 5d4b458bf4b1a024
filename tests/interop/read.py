"""A reader of what tenantseal stores, written from docs/FORMAT.md alone. The numbers are those of its sections.

Items and values are boto3's: {"name": {"S": "text"}}, binaries as bytes.
"""

import hashlib
import hmac
import re
import struct
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand


class Refused(Exception):
    """What is stored does not open; `attribute` is where."""

    def __init__(self, reason, attribute=None):
        super().__init__(reason)
        self.attribute = attribute


class OtherKey(Refused):
    """KMS says that another key has wrapped the data key, or that there is no such alias."""


@contextmanager
def naming(attribute):
    """Says of a refusal inside which attribute it concerns."""
    try:
        yield
    except Refused as refused:
        refused.attribute = refused.attribute or attribute
        raise


def require(condition, reason):
    if not condition:
        raise Refused(reason)


# ---- 1. Notation ----


def lp(data):
    return struct.pack(">I", len(data)) + data


def label(text):
    return b"tenantseal v1 " + text.encode("ascii") + b"\0"


def utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("invalid UTF-8") from None


class Cursor:
    """Bytes that are read from the front."""

    def __init__(self, data):
        self.rest = data

    def take(self, count):
        require(count <= len(self.rest), "bytes end too early")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def uint(self, size):
        return int.from_bytes(self.take(size), "big")

    def fields(self):
        """All the rest, as one `lp` after the other."""
        fields = []
        while self.rest:
            fields.append(self.take(self.uint(4)))
        return fields


def ascending(names):
    return all(name < after for name, after in zip(names, names[1:]))


# ---- 3. Identity of an item ----

TENANT = re.compile(r"[A-Za-z0-9_-]{1,48}")


@dataclass(frozen=True)
class Schema:
    table: str  # the logical name
    partition_key: str
    template: str
    sort_key: str | None
    encrypted: list[str]  # in every record type that declares it
    discriminator: str | None = None
    varying: dict[str, list[str]] = field(default_factory=dict)  # of each type's value, what it encrypts and others do not
    without_value: bool = False  # a type without a value shares the table

    def __post_init__(self):
        before, tenant, after = self.template.partition("{tenant}")
        assert tenant and "{tenant}" not in after and not TENANT.match(after[:1]), "not a template"
        assert not any(name.startswith("_seal") for name in self.encrypted), "a reserved name"

    # 2.1

    def encrypts(self, item):
        """What the item's record type encrypts of the varying attributes; none when it is of no type."""
        value = item.get(self.discriminator, {}).get("S")
        if value is None:
            return None
        if self.discriminator == self.sort_key:
            without = [] if self.without_value else None
            return next((names for begin, names in self.varying.items() if value.startswith(begin)), without)
        return self.varying.get(value)

    def is_encrypted(self, name, item):
        if name in self.encrypted:
            return True
        if not any(name in names for names in self.varying.values()):
            return False
        encrypted = self.encrypts(item)
        require(encrypted is not None, "the discriminator names no record type")
        if name in encrypted:
            return True
        require("B" not in item[name], "a B where another record type has sealed values")
        return False

    def belongs(self, value, tenant):
        """Whether a partition key is one of the tenant's."""
        rendered = self.template.replace("{tenant}", tenant)
        own = value.get("S")
        if own is None or self.template.endswith("{tenant}"):
            return own == rendered
        return own.startswith(rendered)

    def identity(self, tenant, item):
        names = [self.partition_key] + ([self.sort_key] if self.sort_key else [])
        identity = lp(tenant.encode()) + lp(self.table.encode()) + bytes([len(names)])
        for name in names:
            with naming(name):
                require(name in item, "the key attribute is missing")
                identity += lp(name.encode()) + key_value(item[name])
        return identity


def key_value(value):
    [(kind, value)] = value.items()
    if kind == "S":
        code, encoded = b"\x01", value.encode()
    elif kind == "N":
        code, encoded = b"\x02", encode_number(value)
    elif kind == "B":
        code, encoded = b"\x03", bytes(value)
    else:
        raise Refused("the key attribute has another type")
    require(encoded, "the key attribute is empty")
    return code + lp(encoded)


# ---- 4.1 Values ----


def decode_value(data, around=0):
    """Decodes a value that has `around` lists and maps around it."""
    cursor = Cursor(data)
    kind, body = cursor.uint(1), cursor.rest
    match kind:
        case 0x01:
            return {"S": utf8(body)}
        case 0x02:
            return {"N": decode_number(body)}
        case 0x03:
            return {"B": body}
        case 0x04:
            require(body in (b"\0", b"\1"), "the body of a BOOL is one byte 00 or 01")
            return {"BOOL": body == b"\1"}
        case 0x05:
            require(not body, "the body of a NULL is empty")
            return {"NULL": True}
        case 0x06:
            require(around < 31, "nested too deeply")
            fields = cursor.fields()
            names, values = fields[::2], fields[1::2]
            require(len(names) == len(values), "a name without a value")
            require(all(names) and ascending(names), "map names are empty or not strictly ascending")
            return {"M": {utf8(name): decode_value(value, around + 1) for name, value in zip(names, values)}}
        case 0x07:
            require(around < 31, "nested too deeply")
            return {"L": [decode_value(value, around + 1) for value in cursor.fields()]}
        case 0x08 | 0x09 | 0x0A:
            members = cursor.fields()
            require(members, "an empty set")
            require(ascending(members), "set members are not strictly ascending")
            kind, decode = {0x08: ("SS", utf8), 0x09: ("NS", decode_number), 0x0A: ("BS", bytes)}[kind]
            return {kind: [decode(member) for member in members]}
        case 0x10:
            require(not around, "the dense encoding inside a list or a map")
            require(body[:1] in (b"\xc5", b"\xc6", b"\xc7", b"\xc8", b"\xc9"), "neither a list, a map nor a set")
            value = decode_dense(cursor, around)
            require(not cursor.rest, "bytes after the end")
            return value
    raise Refused("an unknown type")


# ---- 4.2 Numbers ----

NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")


def encode_number(text):
    match = NUMBER.fullmatch(text)
    require(match and (match[2] or match[3]), "not a number")
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4] or 0)
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return b"\0"
    exponent += len(digits) - 1 - len(fraction)
    digits = digits.rstrip("0")
    require(len(digits) <= 38 and -130 <= exponent <= 125, "does not fit a number")
    return (b"\x01" if sign == "-" else b"\x02") + struct.pack(">h", exponent) + digits.encode()


def decode_number(data):
    if data == b"\0":
        return "0"
    cursor = Cursor(data)
    sign, (exponent,), digits = cursor.uint(1), struct.unpack(">h", cursor.take(2)), cursor.rest
    require(sign in (1, 2), "another sign")
    require(re.fullmatch(rb"[1-9]([0-9]{0,36}[1-9])?", digits), "not the digits of a number")
    require(-130 <= exponent <= 125, "an exponent out of range")
    digits, minus = digits.decode(), "-" if sign == 1 else ""
    if exponent < 0:
        return f"{minus}0.{'0' * (-exponent - 1)}{digits}"
    whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return minus + whole + (f".{fraction}" if fraction else "")


# ---- 4.3 Dense encoding ----


def take_size(cursor):
    size = 0
    for at in range(4):
        digit = cursor.uint(1)
        require(at or digit != 0x80, "a size with a leading zero")
        size = size << 7 | digit & 0x7F
        if digit < 0x80:
            return size
    raise Refused("a size of more than four bytes")


def decode_dense(cursor, around):
    before, head = cursor.rest, cursor.uint(1)
    if head < 0x40 or head >= 0xD0:
        cursor.rest = before
        return {"N": take_dense_number(cursor)[1]}
    if head < 0x80:
        return {"S": utf8(cursor.take(head - 0x40))}
    if head < 0xC0:
        return {"B": cursor.take(head - 0x80)}
    match head:
        case 0xC0:
            return {"NULL": True}
        case 0xC1 | 0xC2:
            return {"BOOL": head == 0xC2}
        case 0xC3 | 0xC4:
            taken = cursor.take(take_size(cursor))
            require(len(taken) >= 64, "a size that fits the head")
            return {"S": utf8(taken)} if head == 0xC3 else {"B": taken}
        case 0xC5:
            require(around < 31, "nested too deeply")
            return {"L": [decode_dense(cursor, around + 1) for _ in range(take_count(cursor))]}
        case 0xC6:
            require(around < 31, "nested too deeply")
            entries, previous = {}, b""
            for _ in range(take_count(cursor)):
                name = cursor.take(take_size(cursor))
                require(name > previous, "map names are empty or not strictly ascending")
                entries[utf8(name)], previous = decode_dense(cursor, around + 1), name
            return {"M": entries}
        case 0xC7 | 0xC8 | 0xC9:
            kind, take = {
                0xC7: ("SS", lambda: (member := cursor.take(take_size(cursor)), utf8(member))),
                0xC8: ("NS", lambda: take_dense_number(cursor)),
                0xC9: ("BS", lambda: (member := cursor.take(take_size(cursor)), member)),
            }[head]
            members = [take() for _ in range(take_count(cursor))]
            require(members, "an empty set")
            require(ascending([stored for stored, _ in members]), "set members are not strictly ascending")
            return {kind: [member for _, member in members]}
    raise Refused("an unknown head")


def take_count(cursor):
    count = take_size(cursor)
    require(count <= len(cursor.rest), "more members than bytes")
    return count


def take_dense_number(cursor):
    """A number: its bytes, and its text."""
    before, head = cursor.rest, cursor.uint(1)
    if head < 0x40:
        number = str(head)
    elif 0xD0 <= head < 0xE0:
        number = ("-" if head >= 0xD8 else "") + str(cursor.uint(1 + head % 8))
    else:
        require(head >= 0xE0, "not a number")
        exponent, digits = cursor.uint(1) - 130, str(cursor.uint(1 + head % 16))
        number = f"{'-' if head >= 0xF0 else ''}{digits[0]}.{digits[1:]}e{exponent}"
    stored = before[: len(before) - len(cursor.rest)]
    encoded = encode_number(number)
    require(encode_dense_number(encoded) == stored, "not as an encoder writes the number")
    return stored, decode_number(encoded)


def encode_dense_number(encoded):
    """The dense encoding of a number in the encoding of 4.2."""
    if encoded == b"\0":
        return b"\0"
    negative, exponent, digits = encoded[0] == 1, struct.unpack(">h", encoded[1:3])[0], int(encoded[3:])
    zeros = exponent + 1 - len(encoded[3:])
    coefficient, integer = minimal(digits), digits * 10**zeros if zeros >= 0 else None
    if integer is not None and integer < 2**64:
        if not negative and integer < 64:
            return bytes([integer])
        if len(minimal(integer)) <= 1 + len(coefficient):
            return bytes([(0xD8 if negative else 0xD0) + len(minimal(integer)) - 1]) + minimal(integer)
    return bytes([(0xF0 if negative else 0xE0) + len(coefficient) - 1, exponent + 130]) + coefficient


def minimal(integer):
    return integer.to_bytes((integer.bit_length() + 7) // 8, "big")


# ---- 5. Key record ----


@dataclass(frozen=True)
class Record:
    stored: bytes
    kid: bytes
    created: bytes
    context: bytes
    check: bytes
    kek: str
    wrapped: bytes

    @classmethod
    def decode(cls, stored):
        cursor = Cursor(stored)
        require(cursor.uint(1) == 1, "another version")
        kid, created = cursor.take(16), cursor.take(4)
        context = take_context(cursor)
        check = cursor.take(16)
        kek = take_kek(cursor)
        wrapped = cursor.take(cursor.uint(2))
        require(1 <= len(wrapped) <= 1024, "a wrapped key of another length")
        require(not cursor.rest, "bytes after the end")
        return cls(stored, kid, created, context, check, kek, wrapped)


# ---- 5.1 Context ----


def encode_context(pairs):
    encoded = bytes([len(pairs)])
    for name, value in sorted((name.encode(), value.encode()) for name, value in pairs.items()):
        encoded += bytes([len(name)]) + name + struct.pack(">H", len(value)) + value
    return encoded


def take_context(cursor):
    """Takes a context off the cursor; gives its bytes, which are all that it is compared by."""
    before = cursor.rest
    count, names = cursor.uint(1), []
    require(1 <= count <= 8, "1 to 8 pairs")
    for _ in range(count):
        names.append(cursor.take(cursor.uint(1)))
        value = cursor.take(cursor.uint(2))
        require(names[-1] and 1 <= len(value) <= 1024, "a name or a value of another length")
        utf8(names[-1])
        utf8(value)
    require(ascending(names), "names are not strictly ascending")
    return before[: len(before) - len(cursor.rest)]


# ---- 5.2 KEK ----

ARN = re.compile(r"arn:([A-Za-z0-9-]+):kms:([A-Za-z0-9-]+):([0-9]{12}):key/([A-Za-z0-9-]+)")
STANDARD_KEY_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32}")


def split_arn(arn):
    """Partition, Region, account and key id."""
    match = ARN.fullmatch(arn) if len(arn) <= 512 else None
    require(match, "a malformed ARN")
    return match.groups()


def take_kek(cursor):
    form = cursor.uint(1)
    require(form in (0, 1, 2), "an unknown KEK")
    if form == 0:
        arn = utf8(cursor.take(cursor.uint(2)))
        partition, region, _, key_id = split_arn(arn)
        standard = partition == "aws" and len(region) <= 32 and STANDARD_KEY_ID.fullmatch(key_id)
        require(not standard, "an ARN of the standard shape behind 00")
        return arn
    region, account, key_id = utf8(cursor.take(cursor.uint(1))), cursor.uint(5), cursor.take(16).hex()
    require(len(region) <= 32 and account <= 999_999_999_999, "not of the standard shape")
    if form == 1:
        key_id = "-".join([key_id[:8], key_id[8:12], key_id[12:16], key_id[16:20], key_id[20:]])
    else:
        key_id = f"mrk-{key_id}"
    arn = f"arn:aws:kms:{region}:{account:012}:key/{key_id}"
    split_arn(arn)
    return arn


def is_kek(kek, answered):
    """Whether the key that KMS answered with is the record's (8, step 3)."""
    partition, _, account, key_id = split_arn(kek)
    if not key_id.startswith("mrk-"):
        return answered == kek
    other = ARN.fullmatch(answered)
    return other is not None and (partition, account, key_id) == (other[1], other[3], other[4])


# ---- 5.3 Reference ----


def is_reference(header):
    return header[:1] == b"\x02"


# ---- 6. Sealed attribute ----


@dataclass(frozen=True)
class Sealed:
    form: int
    record: Record
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def parse(cls, stored, header, key_table):
        """Parses a stored attribute of an item with this header, both as DynamoDB returns them."""
        require("B" in stored, "present and not a B")
        cursor = Cursor(bytes(stored["B"]))
        form = cursor.uint(1)
        require(form in (0x11, 0x12, 0x13), "not a sealed attribute")
        if form == 0x12:
            record = Record.decode(cursor.take(cursor.uint(2)))
        elif form == 0x13:
            kid = cursor.take(16)
        nonce, ciphertext = cursor.take(12), cursor.rest
        require(len(ciphertext) > 16, "too short")
        if form == 0x11:
            require(header is not None and "B" in header, "no header")
            record = named_by_header(bytes(header["B"]), key_table)
        elif form == 0x13:
            record = looked_up(kid, key_table)
        return cls(form, record, nonce, ciphertext)

    def decrypt(self, item_key, name):
        aad = label("attribute") + bytes([self.form]) + b"\0" + lp(name.encode())
        try:
            return AESGCM(item_key).decrypt(self.nonce, self.ciphertext, aad)
        except InvalidTag:
            raise Refused("does not decrypt") from None


# ---- 13. Key table ----

PERIOD = re.compile(r"(0|[1-9][0-9]*)\+([1-9][0-9]*)")


def named_by_header(header, key_table):
    if not is_reference(header):
        return Record.decode(header)
    require(len(header) == 17, "a reference has 17 bytes")
    return looked_up(header[1:], key_table)


def looked_up(kid, key_table):
    """The record of a kid in the tenant's entries of the key table: a dict of `entry` to `record`."""
    stored = key_table.get(f"key#{kid.hex()}")
    require(stored is not None, "the key table has no such record")
    record = Record.decode(stored)
    require(record.kid == kid, "the key table has another key's record there")
    return record


def is_period(text):
    match = PERIOD.fullmatch(text)
    if not match or len(match[1]) > 10 or len(match[2]) > 6:
        return False
    start, length = int(match[1]), int(match[2])
    return start < 2**32 and 1 <= length <= 172800 and start % length == 0


def period_of(context):
    """The pair `period` of a stored context, if there is one and it is a period."""
    cursor = Cursor(context)
    for _ in range(cursor.uint(1)):
        name, value = cursor.take(cursor.uint(1)), cursor.take(cursor.uint(2))
        if name == b"period" and is_period(utf8(value)):
            return {"period": utf8(value)}
    return {}


def period_at(time, length):
    return f"{time - time % length}+{length}"


def pointer_entry(region, context, period):
    """Of a context without a period."""
    digest = hashlib.sha256(encode_context(context)).digest()[:16]
    return f"current#{region}#{digest.hex()}#{period}"


# ---- 7. Keys and derivations ----


def extract(data_key):
    return hmac.digest(b"tenantseal v1", data_key, "sha256")


def expand(prk, info, length):
    return HKDFExpand(algorithm=hashes.SHA256(), length=length, info=info).derive(prk)


# ---- 8. Opening ----


@dataclass
class Tenant:
    """A tenant's items, opened by the page's steps."""

    id: str
    contexts: list[dict[str, str]]  # the current one and the former ones, each with the pair `tenant`
    unwrap: Callable  # KMS Decrypt: of the alias's key id (8, step 3), a wrapped key and a context, the data key and the ARN in the answer
    key_table: dict[str, bytes] = field(default_factory=dict)  # the tenant's entries, `entry` to `record`
    prks: dict[bytes, bytes] = field(default_factory=dict)  # of records that passed steps 3 and 4, by all their bytes

    def __post_init__(self):
        assert TENANT.fullmatch(self.id), "not a tenant id"
        assert all(context["tenant"] == self.id for context in self.contexts), "another tenant's context"

    def open(self, schema, item, requested=None, wanted=None):
        """Opens an item: the one with the `requested` key, the `wanted` attributes, or whatever it holds."""
        # 1
        identity = schema.identity(self.id, item)
        with naming(schema.partition_key):
            require(schema.belongs(item[schema.partition_key], self.id), "another tenant's item")
            require(requested is None or schema.identity(self.id, requested) == identity, "not the item asked for")
        names = [name for name in item if not name.startswith("_seal") and (wanted is None or name in wanted)]
        sealed, plain = {}, {}
        for name in names:
            with naming(name):
                if schema.is_encrypted(name, item):
                    sealed[name] = Sealed.parse(item[name], item.get("_seal"), self.key_table)
                else:
                    plain[name] = item[name]
        # 2
        contexts = {}
        for name, attribute in sealed.items():
            with naming(name):
                stored = attribute.record.context
                configured = [pairs | period_of(stored) for pairs in self.contexts]
                contexts |= {stored: pairs for pairs in configured if encode_context(pairs) == stored}
                require(stored in contexts, "a context that is not the tenant's")
        # 3 to 6
        opened, prks = {}, {}
        for name, attribute in sealed.items():
            with naming(name):
                prks[name] = self.prk(attribute.record, contexts[attribute.record.context])
        for name, attribute in sealed.items():
            with naming(name):
                item_key = expand(prks[name], label("item") + identity, 32)
                opened[name] = decode_value(attribute.decrypt(item_key, name))
        return opened | plain

    def prk(self, record, context):
        """Steps 3 and 4."""
        if record.stored not in self.prks:
            try:
                answer = self.unwrap(None, record.wrapped, context)
            except OtherKey:
                key_id = split_arn(record.kek)[3]
                require(len(key_id) <= 36, "a key id that no alias has room for")
                answer = self.unwrap(key_id, record.wrapped, context)
            self.prks[record.stored] = verified(record, *answer)
        return self.prks[record.stored]

    def pointed(self, region, time, rotation):
        """The record that the tenant's new items are sealed with (13.3); none when the writer makes a data key."""
        period = period_at(time, rotation)
        context = self.contexts[0] | {"period": period}
        stored = self.key_table.get(pointer_entry(region, self.contexts[0], period))
        if stored is None:
            return None
        record = Record.decode(stored)
        require(record.context == encode_context(context), "not the key of this writer and period")
        try:
            answer = self.unwrap(None, record.wrapped, context)
        except OtherKey:
            return None
        verified(record, *answer)
        return record


def verified(record, data_key, kek):
    """The PRK of what KMS answered (8, steps 3 and 4)."""
    require(is_kek(record.kek, kek), "KMS used another key than the record names")
    require(len(data_key) == 32, "a data key of another length")
    prk = extract(data_key)
    kid = expand(prk, label("key id"), 16)
    check = expand(prk, label("record") + b"\x01" + record.created + record.context, 16)
    require(hmac.compare_digest(kid + check, record.kid + record.check), "a forged record")
    return prk


# ---- 15. Lookups ----


@dataclass(frozen=True)
class Lookup:
    name: str
    kind: str  # equality, prefix or each
    bits: int
    parts: list[tuple[str, str]]  # each an attribute and a form
    prefix: int | None = None

    # 15.3

    def definition(self):
        kind = {"equality": b"\x01", "prefix": b"\x02", "each": b"\x03"}[self.kind]
        if self.kind == "prefix":
            kind += bytes([self.prefix])
        parts = b"".join(lp(attribute.encode()) + lp(form.encode()) for attribute, form in self.parts)
        return b"\x01" + kind + bytes([self.bits, 1, len(self.parts)]) + parts

    def keys(self, lookup_key, tenant, table):
        """The MAC key, and the mark's letters."""
        prk = hmac.digest(b"tenantseal v1 lookup", lookup_key, "sha256")
        scope = b"".join(map(lp, [tenant.encode(), table.encode(), self.name.encode(), self.definition()]))
        return expand(prk, label("lookup") + scope, 32), six(expand(prk, label("lookup mark") + scope, 2), 12)

    def stored(self, lookup_key, schema, tenant, item, forms):
        """What lies beside the parts in this item; none when a part is missing."""
        if not all(attribute in item for attribute, _ in self.parts):
            return None
        mac_key, mark = self.keys(lookup_key, tenant, schema.table)
        rendered = schema.template.replace("{tenant}", tenant)

        def token(message):
            return f"{rendered}.{mark}{six(hmac.digest(mac_key, message, 'sha256'), self.bits)}"

        filler = token(b"\x02" + schema.identity(tenant, item))
        if self.kind == "each":
            [(attribute, form)] = self.parts
            encoded = [self.encoded(forms, form, member) for member in members(item[attribute])]
            return {"SS": sorted({token(b"\0\0" + lp(one)) for one in encoded if one is not None}) or [filler]}
        encoded = [self.encoded(forms, form, item[attribute]) for attribute, form in self.parts]
        if None in encoded:
            return {"S": filler}
        return {"S": token(b"\0\0" + b"".join(map(lp, encoded)))}

    def encoded(self, forms, form, value):
        """A value in its form, cut and encoded; none when there is nothing to look up in it."""
        value = formed(forms, form, value)
        if value is None:
            return None
        if self.kind == "prefix":
            if len(value["S"]) < self.prefix:
                return None
            value = {"S": value["S"][: self.prefix]}
        return encode_scalar(value)


def members(value):
    [(kind, inner)] = value.items()
    require(kind in ("SS", "NS", "BS", "L"), "neither a set nor a list")
    return inner if kind == "L" else [{kind[0]: member} for member in inner]


def encode_scalar(value):
    [(kind, inner)] = value.items()
    match kind:
        case "S":
            return b"\x01" + inner.encode()
        case "N":
            return b"\x02" + encode_number(inner)
        case "B":
            return b"\x03" + inner
        case "BOOL":
            return b"\x04" + bytes([inner])
    raise Refused("not a scalar that is looked up")


SIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def six(data, bits):
    digits = "".join(f"{byte:08b}" for byte in data)[:bits]
    return "".join(SIX[int(digits[at : at + 6].ljust(6, "0"), 2)] for at in range(0, bits, 6))


# 15.2

WHITE_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def ascii_lower(text):
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def as_text(text):
    def normal(form, text):
        return unicodedata.normalize(form, text)

    text = normal("NFKC", normal("NFKC", normal("NFD", text).casefold()).casefold())
    words = "".join(" " if c in WHITE_SPACE else c for c in text).split(" ")
    return " ".join(word for word in words if word)


FORMS = {
    "email": lambda text: ascii_lower(text.strip("\t\n\x0b\x0c\r ")),
    "digits": lambda text: "".join(c for c in text if c in "0123456789"),
    "alphanumeric": lambda text: "".join(c for c in ascii_lower(text) if c in SIX[26:62]),
    "text": as_text,
}


def formed(forms, name, value):
    """A value in its form, or none when there is nothing to look up in it. `forms` are the application's own."""
    [(kind, inner)] = value.items()
    if kind == "NULL":
        return None
    if name.startswith("="):
        return forms[name](value)
    if name != "exact":
        require(kind == "S", "a form of strings")
        value = {"S": FORMS[name](inner)}
    require(kind in ("S", "N", "B", "BOOL"), "another type")
    return None if value in ({"S": ""}, {"B": b""}) else value


# 15.4


@dataclass(frozen=True)
class LookupRecord:
    record: Record
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def decode(cls, stored):
        cursor = Cursor(stored)
        require(cursor.uint(1) == 3, "another version")
        record = Record.decode(cursor.take(cursor.uint(2)))
        nonce, ciphertext = cursor.take(12), cursor.rest
        require(len(ciphertext) >= 32 + 16, "bytes end too early")
        return cls(record, nonce, ciphertext)

    def open(self, prk, tenant, number):
        """The lookup key, and of each known table and name the digest."""
        wrap_key = expand(prk, label("lookup key") + lp(tenant.encode()) + struct.pack(">H", number), 32)
        try:
            opened = AESGCM(wrap_key).decrypt(self.nonce, self.ciphertext, label("lookup key") + b"\x03")
        except InvalidTag:
            raise Refused("does not decrypt") from None
        cursor, known, before = Cursor(opened[32:]), {}, b""
        while cursor.rest:
            rest = cursor.rest
            table, name = utf8(cursor.take(cursor.uint(4))), utf8(cursor.take(cursor.uint(4)))
            place = rest[: len(rest) - len(cursor.rest)]
            require(place > before, "known lookups are not strictly ascending")
            known[table, name], before = cursor.take(16), place
        return opened[:32], known


def lookup_entry(context, number):
    """Of a context without `purpose`."""
    return f"lookup#{hashlib.sha256(encode_context(context)).digest()[:16].hex()}#{number}"


# 15.5


def find_lookup_key(tenant, number, table, lookups):
    """The lookup key of this number, and what its record knows, for a process that declares these lookups of a table."""
    contexts = [pairs for pairs in tenant.contexts if len(pairs) < 8]
    entries = {lookup_entry(pairs, number): pairs for pairs in contexts}
    found = [(pairs, tenant.key_table[entry]) for entry, pairs in entries.items() if entry in tenant.key_table]
    require(len(found) == 1, "no lookup key, or several")
    [(pairs, stored)] = found
    context = pairs | {"purpose": "lookup"}
    record = LookupRecord.decode(stored)
    require(record.record.context == encode_context(context), "not a context of this entry")
    lookup_key, known = record.open(tenant.prk(record.record, context), tenant.id, number)
    for lookup in lookups:
        digest = hashlib.sha256(lookup.definition()).digest()[:16]
        require(known.get((table, lookup.name), digest) == digest, "a lookup that is known otherwise")
    return lookup_key, known


# ---- 16. Leaves ----


def is_sealed_form(stored, has_header):
    """Whether a stored attribute counts as sealed under a leave (16.1)."""
    if "B" not in stored:
        return False
    data = bytes(stored["B"])
    if has_header and data[:1] == b"\x21" and len(data) >= 30:
        return True
    # The header's record does not matter here: a reader that knows none takes any.
    try:
        cursor = Cursor(data)
        form = cursor.uint(1)
        require(form in (0x11, 0x12, 0x13), "not a sealed attribute")
        if form == 0x12:
            Record.decode(cursor.take(cursor.uint(2)))
        elif form == 0x13:
            cursor.take(16)
        cursor.take(12)
        require(len(cursor.rest) > 16, "too short")
    except Refused:
        return False
    return has_header or form != 0x11


def read_leave(tenant, table, leave, adopts, time, seen):
    """What the tenant's leave grants (16.3): the stage and the names that may be plaintext; none when it does not count."""
    cursor = Cursor(leave)
    version, stage, flags = cursor.uint(1), cursor.uint(1), cursor.uint(1)
    require(version == 1 and stage in (0, 1, 2) and flags == 0, "not a leave")
    serial, issued, expires = cursor.uint(4), cursor.uint(4), cursor.uint(4)
    names = [cursor.take(cursor.uint(4)) for _ in range(cursor.uint(2))]
    require(ascending(names), "names out of order")
    names = [utf8(name) for name in names]
    require(issued <= expires <= issued + 7_776_000, "a period that no leave has")
    record = Record.decode(cursor.take(cursor.uint(4)))
    body, tag = leave[:len(leave) - len(cursor.rest)], cursor.take(16)
    require(not cursor.rest, "bytes after the end")
    configured = [pairs | period_of(record.context) for pairs in tenant.contexts]
    contexts = [pairs for pairs in configured if encode_context(pairs) == record.context]
    require(contexts, "a context that is not the tenant's")
    key = expand(tenant.prk(record, contexts[0]), label("leave") + lp(tenant.id.encode()) + lp(table.encode()), 32)
    made = hmac.new(key, body, hashlib.sha256).digest()[:16]
    require(hmac.compare_digest(made, tag), "not authentic")
    require(serial >= seen, "rolled back")
    if stage == 0 or time >= expires or issued > time + 300:
        return None
    return stage, [name for name in names if name in adopts]

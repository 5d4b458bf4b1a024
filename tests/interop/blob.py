"""A reader and a writer of blobs, written from docs/FORMAT.md alone. The numbers are those of its sections."""

import hmac
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from read import Record, Refused, encode_context, expand, label, lp, period_of, require

# 14
CHUNK = 65_536
SEALED = CHUNK + 16
MAGIC = b"tsblob\0"
VERSION = b"\x01"


def derive(prk, blob_id, tenant, bucket, key):
    identity = lp(tenant.encode()) + lp(bucket.encode()) + lp(key.encode())
    okm = expand(prk, label("blob") + MAGIC + VERSION + blob_id + identity, 64)
    return okm[:32], okm[32:]


def nonce(index, last):
    return bytes(7) + struct.pack(">I", index) + bytes([last])


class Header:
    """What is stored before the chunks; not authentic before it is opened."""

    def __init__(self, stored):
        # 14.1, 1 and 2
        require(stored[:7] == MAGIC and len(stored) >= 8, "no blob")
        require(stored[7:8] == VERSION, "another version")
        require(len(stored) >= 10, "it ends in the header")
        length = int.from_bytes(stored[8:10], "big")
        require(1 <= length <= 16_384, "no record has such a length")
        self.size = 10 + length + 64
        require(len(stored) >= self.size, "it ends in the header")
        self.record = stored[10:10 + length]
        self.blob_id = stored[10 + length:42 + length]
        self.commitment = stored[42 + length:self.size]


def extent(size, header):
    """How many chunks and bytes of plaintext a blob of this size has."""
    body = size - header.size
    require(body >= 16, "it ends too early")
    chunks = -(-body // SEALED)
    last = body - (chunks - 1) * SEALED
    require(last > 16 or (chunks == 1 and last == 16), "it ends in a tag")
    require(chunks <= 2**32, "too many chunks")
    return chunks, body - 16 * chunks


def blob_key(tenant, bucket, key, header):
    """14.1, 3 and 4: the blob's key, of the reader's tenant."""
    record = Record.decode(header.record)
    configured = [pairs | period_of(record.context) for pairs in tenant.contexts]
    [context] = [pairs for pairs in configured if encode_context(pairs) == record.context] or [None]
    require(context is not None, "a context that is not the tenant's")
    opened, commitment = derive(tenant.prk(record, context), header.blob_id, tenant.id, bucket, key)
    require(hmac.compare_digest(commitment, header.commitment), "a blob of another bucket, key or tenant")
    return AESGCM(opened)


def open_chunk(aead, index, last, chunk):
    try:
        return aead.decrypt(nonce(index, last), chunk, None)
    except InvalidTag:
        raise Refused("not authentic") from None


def stream(tenant, bucket, key, stored):
    """14.1: gives out one chunk after the other, and an error where it is not the whole blob."""
    header = Header(stored)
    require(len(stored) >= header.size + 16, "it ends too early")
    aead = blob_key(tenant, bucket, key, header)
    rest, index = stored[header.size:], 0
    while len(rest) > SEALED:
        yield open_chunk(aead, index, False, rest[:SEALED])
        rest, index = rest[SEALED:], index + 1
    require(len(rest) > 16 or index == 0, "it ends in a tag")
    yield open_chunk(aead, index, True, rest)


def open_range(tenant, bucket, key, stored, start, end):
    """The bytes from `start` to `end`, of their chunks alone; and the length, which the last chunk proves."""
    header = Header(stored)
    chunks, length = extent(len(stored), header)
    aead = blob_key(tenant, bucket, key, header)

    def chunk(index):
        at = header.size + index * SEALED
        return open_chunk(aead, index, index == chunks - 1, stored[at:at + SEALED])

    chunk(chunks - 1)
    end = min(end, length)
    if start >= end:
        return b"", length
    first, last = start // CHUNK, (end - 1) // CHUNK
    opened = b"".join(chunk(index) for index in range(first, last + 1))
    return opened[start - first * CHUNK:end - first * CHUNK], length


def seal(prk, record, tenant, bucket, key, plaintext, blob_id=None):
    blob_id = blob_id or os.urandom(32)
    opened, commitment = derive(prk, blob_id, tenant, bucket, key)
    aead = AESGCM(opened)
    chunks = [plaintext[at:at + CHUNK] for at in range(0, len(plaintext), CHUNK)] or [b""]
    sealed = [aead.encrypt(nonce(index, index == len(chunks) - 1), chunk, None) for index, chunk in enumerate(chunks)]
    return b"".join([MAGIC, VERSION, struct.pack(">H", len(record)), record, blob_id, commitment, *sealed])

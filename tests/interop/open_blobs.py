"""Opens objects in S3 as one tenant, and writes one more, with boto3.

Takes a job in JSON on standard input, and endpoints and the service's own credentials from the environment. Prints for
each key the plaintext in Base64, or an error.
"""

import json
import sys
from base64 import b64decode, b64encode

import boto3

import blob
from open import session, unwrapping
from read import Record, Refused, Tenant

job = json.load(sys.stdin)
s3 = boto3.client("s3")
tenant = Tenant(job["tenant"], job["contexts"], unwrapping(session(job), job["alias"]))


def stored(key):
    return s3.get_object(Bucket=job["physical"], Key=key)["Body"].read()


answers = {}
for key in job["keys"]:
    try:
        answers[key] = {"plaintext": b64encode(b"".join(blob.stream(tenant, job["bucket"], key, stored(key)))).decode()}
    except Refused as refused:
        answers[key] = {"error": str(refused)}

# Under the data key of an object that is there.
header = blob.Header(stored(job["keys"][0]))
[context] = job["contexts"]
prk = tenant.prk(Record.decode(header.record), context)
for key, plaintext in job["write"].items():
    sealed = blob.seal(prk, header.record, job["tenant"], job["bucket"], key, b64decode(plaintext))
    s3.put_object(Bucket=job["physical"], Key=key, Body=sealed)
print(json.dumps(answers))

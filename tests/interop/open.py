"""Opens what a partition of a table stores, as one tenant, with boto3.

Takes a job in JSON on standard input, and endpoints and the service's own credentials from the environment. Prints for
each stored item `{"key", "item"}` or `{"key", "error", "attribute"}`. Binaries in JSON are Base64.
"""

import json
import sys
from base64 import b64encode

import boto3
from botocore.exceptions import ClientError

from read import OtherKey, Refused, Schema, Tenant


def session(job):
    """KMS as the tenant: the role in the key account, with session policy and session tag."""
    answer = boto3.client("sts").assume_role(
        RoleArn=job["role"], RoleSessionName=job["session_name"], Policy=job["policy"],
        Tags=[{"Key": "TenantId", "Value": job["session_tenant"]}])["Credentials"]
    return boto3.client(
        "kms", aws_access_key_id=answer["AccessKeyId"], aws_secret_access_key=answer["SecretAccessKey"],
        aws_session_token=answer["SessionToken"])


def unwrapping(kms, alias):
    def unwrap(key_id, wrapped, context):
        name = alias if key_id is None else f"{alias}/{key_id}"
        try:
            answer = kms.decrypt(KeyId=name, CiphertextBlob=wrapped, EncryptionContext=context)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            other = code in ("IncorrectKeyException", "NotFoundException")
            raise (OtherKey if other else Refused)(f"KMS: {code}") from error
        return answer["Plaintext"], answer["KeyId"]

    return unwrap


def stored_items(job):
    pages = boto3.client("dynamodb").get_paginator("query").paginate(
        TableName=job["table"], ConsistentRead=True, KeyConditionExpression="#key = :key",
        ExpressionAttributeNames={"#key": job["schema"]["partition_key"]},
        ExpressionAttributeValues={":key": {"S": job["partition"]}})
    return [item for page in pages for item in page["Items"]]


def key_table(job):
    """The tenant's entries of the key table, if there is one."""
    if job["key_table"] is None:
        return {}
    pages = boto3.client("dynamodb").get_paginator("query").paginate(
        TableName=job["key_table"], ConsistentRead=True, KeyConditionExpression="tenant = :tenant",
        ExpressionAttributeValues={":tenant": {"S": job["tenant"]}})
    return {item["entry"]["S"]: item.get("record", {}).get("B", b"") for page in pages for item in page["Items"]}


def to_json(value):
    [(kind, value)] = value.items()
    match kind:
        case "B":
            value = b64encode(value).decode()
        case "BS":
            value = [b64encode(member).decode() for member in value]
        case "L":
            value = [to_json(element) for element in value]
        case "M":
            value = item_to_json(value)
    return {kind: value}


def item_to_json(item):
    return {name: to_json(value) for name, value in item.items()}


def main():
    job = json.load(sys.stdin)
    schema = Schema(**job["schema"])
    tenant = Tenant(job["tenant"], job["contexts"], unwrapping(session(job), job["alias"]), key_table(job))
    answers = []
    for item in stored_items(job):
        key = {name: value for name, value in item.items() if name in (schema.partition_key, schema.sort_key)}
        answer = {"key": item_to_json(key)}
        try:
            answer["item"] = item_to_json(tenant.open(schema, item, requested=key))
        except Refused as refused:
            answer |= {"error": str(refused), "attribute": refused.attribute}
        answers.append(answer)
    print(json.dumps(answers))


if __name__ == "__main__":
    main()

"""The stack as boto3 sees it: keys, aliases, data keys, and a tenant's session that is refused on another tenant's alias.

Takes the endpoints and the administrator's credentials from the environment, as the example `serve` prints them.
"""

import json

import boto3
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::111111111111:role/TenantKeys"

kms = boto3.client("kms")
sts = boto3.client("sts")


def refused(code, call, **arguments):
    """Makes a call that must be answered with this error code."""
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"{code} expected")


def tenant_session(tenant):
    """KMS as one tenant: session tag and session policy."""
    policy = {"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "kms:*", "Resource": "*",
        "Condition": {"StringEquals": {"kms:RequestAlias": f"alias/customer-{tenant}"}}}}
    session = sts.assume_role(
        RoleArn=ROLE, RoleSessionName=f"tenant-{tenant}", Policy=json.dumps(policy),
        Tags=[{"Key": "TenantId", "Value": tenant}])["Credentials"]
    return boto3.client(
        "kms", aws_access_key_id=session["AccessKeyId"], aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"])


assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::111111111111:user/admin"

aliases = [f"alias/customer-{tenant}" for tenant in "abc"]
for alias in aliases:
    key = kms.create_key(Tags=[{"TagKey": "made-by", "TagValue": "boto3"}])["KeyMetadata"]
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
pages = kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 2})
assert [entry["AliasName"] for page in pages for entry in page["Aliases"]] == aliases
refused("AlreadyExistsException", kms.create_alias, AliasName=aliases[0], TargetKeyId=key["KeyId"])

context = {"tenant": "a"}
tenant_a = tenant_session("a")
data_key = tenant_a.generate_data_key(KeyId=aliases[0], KeySpec="AES_256", EncryptionContext=context)
blob = data_key["CiphertextBlob"]
assert len(blob) == 184
opened = tenant_a.decrypt(KeyId=aliases[0], CiphertextBlob=blob, EncryptionContext=context)
assert opened["Plaintext"] == data_key["Plaintext"]

refused("AccessDeniedException", tenant_a.decrypt, CiphertextBlob=blob, EncryptionContext=context)
refused("AccessDeniedException", tenant_a.generate_data_key, KeyId=aliases[1], KeySpec="AES_256")
refused("DryRunOperationException", tenant_a.generate_data_key, KeyId=aliases[0], KeySpec="AES_256", DryRun=True)
refused("InvalidCiphertextException", tenant_a.decrypt, KeyId=aliases[0], CiphertextBlob=blob)
refused("NotFoundException", kms.describe_key, KeyId="alias/absent")
refused("MalformedPolicyDocument", sts.assume_role, RoleArn=ROLE, RoleSessionName="test", Policy="{}")

kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "PendingDeletion"

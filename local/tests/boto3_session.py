"""The stack as boto3 sees it: every operation on keys, aliases, policies, tags, grants and data keys, with its pages and its refusals.

Takes the endpoints and the administrator's credentials from the environment, as the example `serve` prints them.
"""

import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::111111111111:role/TenantKeys"

# What is wrong in a request is for the stack to say.
UNCHECKED = Config(parameter_validation=False)
kms = boto3.client("kms", config=UNCHECKED)
sts = boto3.client("sts", config=UNCHECKED)


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

# -- Lists come page by page, with markers that are nobody's business.
made = [kms.create_key(Description=f"key {n}")["KeyMetadata"]["KeyId"] for n in range(7)]
pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3}))
assert len(pages) >= 3 and all(page["Truncated"] for page in pages[:-1]) and not pages[-1]["Truncated"]
listed = [key["KeyId"] for page in pages for key in page["Keys"]]
assert len(listed) == len(set(listed)) and set(made) <= set(listed)
refused("InvalidMarkerException", kms.list_keys, Marker="%%%")
refused("ValidationException", kms.list_keys, Limit=1001)
a_key = made[0]
for n in range(5):
    kms.create_alias(AliasName=f"alias/customer-paged/{n}", TargetKeyId=a_key)
pages = kms.get_paginator("list_aliases").paginate(KeyId=a_key, PaginationConfig={"PageSize": 2})
assert [alias["AliasName"] for page in pages for alias in page["Aliases"]] == [f"alias/customer-paged/{n}" for n in range(5)]

# -- The life of a key.
described = kms.describe_key(KeyId=a_key)["KeyMetadata"]
assert (described["KeyState"], described["Enabled"], described["KeyManager"]) == ("Enabled", True, "CUSTOMER")
kms.update_key_description(KeyId=a_key, Description="another")
assert kms.describe_key(KeyId=a_key)["KeyMetadata"]["Description"] == "another"
kms.disable_key(KeyId=a_key)
refused("DisabledException", kms.generate_data_key, KeyId=a_key, KeySpec="AES_256")
refused("DisabledException", kms.enable_key_rotation, KeyId=a_key)
kms.enable_key(KeyId=a_key)
refused("NotFoundException", kms.disable_key, KeyId="1234abcd-12ab-34cd-56ef-1234567890ab")
refused("ValidationException", kms.schedule_key_deletion, KeyId=a_key, PendingWindowInDays=31)
doomed = kms.schedule_key_deletion(KeyId=made[1], PendingWindowInDays=7)
assert doomed["KeyState"] == "PendingDeletion" and doomed["PendingWindowInDays"] == 7
for call in (kms.enable_key, kms.disable_key, kms.schedule_key_deletion):
    refused("KMSInvalidStateException", call, KeyId=made[1])
refused("KMSInvalidStateException", kms.create_alias, AliasName="alias/doomed", TargetKeyId=made[1])
kms.cancel_key_deletion(KeyId=made[1])
assert kms.describe_key(KeyId=made[1])["KeyMetadata"]["KeyState"] == "Disabled"
refused("KMSInvalidStateException", kms.cancel_key_deletion, KeyId=made[1])

# -- Aliases: re-pointed, deleted, limited.
first = kms.create_key()["KeyMetadata"]["KeyId"]
second = kms.create_key()["KeyMetadata"]["KeyId"]
kms.create_alias(AliasName="alias/moving", TargetKeyId=first)
blob = kms.generate_data_key(KeyId="alias/moving", KeySpec="AES_256")["CiphertextBlob"]
kms.update_alias(AliasName="alias/moving", TargetKeyId=second)
refused("IncorrectKeyException", kms.decrypt, KeyId="alias/moving", CiphertextBlob=blob)
assert kms.decrypt(KeyId=first, CiphertextBlob=blob)["KeyId"].endswith(first)
kms.delete_alias(AliasName="alias/moving")
refused("NotFoundException", kms.update_alias, AliasName="alias/moving", TargetKeyId=first)
refused("NotFoundException", kms.delete_alias, AliasName="alias/moving")
refused("InvalidAliasNameException", kms.create_alias, AliasName="alias/aws/x", TargetKeyId=first)
refused("ValidationException", kms.create_alias, AliasName="no-prefix", TargetKeyId=first)
for n in range(50):
    kms.create_alias(AliasName=f"alias/many-{n}", TargetKeyId=first)
refused("LimitExceededException", kms.create_alias, AliasName="alias/many-50", TargetKeyId=first)

# -- Rotation.
assert not kms.get_key_rotation_status(KeyId=second)["KeyRotationEnabled"]
kms.enable_key_rotation(KeyId=second, RotationPeriodInDays=90)
status = kms.get_key_rotation_status(KeyId=second)
assert status["RotationPeriodInDays"] == 90 and (status["NextRotationDate"] - described["CreationDate"]).days in (89, 90)
refused("ValidationException", kms.enable_key_rotation, KeyId=second, RotationPeriodInDays=89)
before = kms.generate_data_key(KeyId=second, KeySpec="AES_256")["CiphertextBlob"]
for _ in range(25):
    kms.rotate_key_on_demand(KeyId=second)
refused("LimitExceededException", kms.rotate_key_on_demand, KeyId=second)
pages = kms.get_paginator("list_key_rotations").paginate(KeyId=second, PaginationConfig={"PageSize": 10})
rotations = [rotation for page in pages for rotation in page["Rotations"]]
assert len(rotations) == 25 and {rotation["RotationType"] for rotation in rotations} == {"ON_DEMAND"}
everything = kms.list_key_rotations(KeyId=second, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
assert len(everything) == 26 and everything[-1]["KeyMaterialState"] == "CURRENT"
kms.decrypt(KeyId=second, CiphertextBlob=before)
kms.disable_key_rotation(KeyId=second)

# -- Policies and the lockout check.
policy = json.loads(kms.get_key_policy(KeyId=second, PolicyName="default")["Policy"])
assert kms.list_key_policies(KeyId=second)["PolicyNames"] == ["default"]
kms.put_key_policy(KeyId=second, PolicyName="default", Policy=json.dumps(policy))
locked = {"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:*", "Resource": "*"}}
refused("MalformedPolicyDocumentException", kms.put_key_policy, KeyId=second, Policy=json.dumps(locked))
refused("MalformedPolicyDocumentException", kms.create_key, Policy=json.dumps(locked))
refused("MalformedPolicyDocumentException", kms.put_key_policy, KeyId=second, Policy="{}")
refused("LimitExceededException", kms.put_key_policy, KeyId=second, Policy=json.dumps(policy) + " " * 32768)
kms.create_key(Policy=json.dumps(locked), BypassPolicyLockoutSafetyCheck=True)

# -- Tags.
kms.tag_resource(KeyId=second, Tags=[{"TagKey": f"t{n}", "TagValue": str(n)} for n in range(50)])
pages = kms.get_paginator("list_resource_tags").paginate(KeyId=second, PaginationConfig={"PageSize": 20})
assert sum(len(page["Tags"]) for page in pages) == 50
refused("LimitExceededException", kms.tag_resource, KeyId=second, Tags=[{"TagKey": "one-more", "TagValue": ""}])
refused("TagException", kms.tag_resource, KeyId=second, Tags=[{"TagKey": "aws:x", "TagValue": ""}])
kms.untag_resource(KeyId=second, TagKeys=["t0"])
assert len(kms.list_resource_tags(KeyId=second)["Tags"]) == 49

# -- Multi-Region keys.
primary = kms.create_key(MultiRegion=True)["KeyMetadata"]
assert primary["KeyId"].startswith("mrk-")
replica = kms.replicate_key(KeyId=primary["KeyId"], ReplicaRegion="eu-central-1")["ReplicaKeyMetadata"]
assert replica["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
refused("AlreadyExistsException", kms.replicate_key, KeyId=primary["KeyId"], ReplicaRegion="eu-central-1")
refused("UnsupportedOperationException", kms.replicate_key, KeyId=second, ReplicaRegion="eu-central-1")
frankfurt = boto3.client("kms", region_name="eu-central-1")
blob = kms.generate_data_key(KeyId=primary["KeyId"], KeySpec="AES_256")["CiphertextBlob"]
assert frankfurt.decrypt(KeyId=replica["KeyId"], CiphertextBlob=blob)["KeyId"] == replica["Arn"]
refused("UnsupportedOperationException", frankfurt.rotate_key_on_demand, KeyId=replica["KeyId"])
scheduled = kms.schedule_key_deletion(KeyId=primary["KeyId"], PendingWindowInDays=7)
assert scheduled["KeyState"] == "PendingReplicaDeletion" and "DeletionDate" not in scheduled
waiting = kms.describe_key(KeyId=primary["KeyId"])["KeyMetadata"]
assert waiting["PendingDeletionWindowInDays"] == 7 and "DeletionDate" not in waiting
kms.cancel_key_deletion(KeyId=primary["KeyId"])
assert kms.describe_key(KeyId=primary["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"

# -- Grants let their grantee in beside its policies, and nobody after they are revoked.
granted = kms.create_key()["KeyMetadata"]["KeyId"]
context = {"tenant": "a"}
refused("AccessDeniedException", tenant_a.generate_data_key, KeyId=granted, KeySpec="AES_256", EncryptionContext=context)
grant = kms.create_grant(KeyId=granted, GranteePrincipal=ROLE, Operations=["GenerateDataKey"], Name="one",
                         Constraints={"EncryptionContextSubset": context})
again = kms.create_grant(KeyId=granted, GranteePrincipal=ROLE, Operations=["GenerateDataKey"], Name="one",
                         Constraints={"EncryptionContextSubset": context})
assert grant["GrantId"] == again["GrantId"]
tenant_a.generate_data_key(KeyId=granted, KeySpec="AES_256", EncryptionContext={**context, "env": "test"})
refused("AccessDeniedException", tenant_a.generate_data_key, KeyId=granted, KeySpec="AES_256")
for n in range(4):
    kms.create_grant(KeyId=granted, GranteePrincipal=ROLE, Operations=["Decrypt"], Name=f"more-{n}")
pages = kms.get_paginator("list_grants").paginate(KeyId=granted, PaginationConfig={"PageSize": 2})
assert sum(len(page["Grants"]) for page in pages) == 5
kms.revoke_grant(KeyId=granted, GrantId=grant["GrantId"])
refused("AccessDeniedException", tenant_a.generate_data_key, KeyId=granted, KeySpec="AES_256", EncryptionContext=context)
refused("NotFoundException", kms.revoke_grant, KeyId=granted, GrantId=grant["GrantId"])
refused("ValidationException", kms.create_grant, KeyId=granted, GranteePrincipal=ROLE, Operations=["Sign"])

# -- The other data operations.
wrapped = kms.generate_data_key_without_plaintext(KeyId=granted, KeySpec="AES_256", EncryptionContext=context)
assert "Plaintext" not in wrapped
moved = kms.re_encrypt(CiphertextBlob=wrapped["CiphertextBlob"], SourceEncryptionContext=context,
                       DestinationKeyId=second, DestinationEncryptionContext={"tenant": "b"})
assert moved["KeyId"].endswith(second) and moved["SourceKeyId"].endswith(granted)
refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=moved["CiphertextBlob"], EncryptionContext=context)
sealed = kms.encrypt(KeyId=granted, Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"] == b"x"
assert len(kms.generate_random(NumberOfBytes=16)["Plaintext"]) == 16
refused("InvalidArnException", kms.describe_key, KeyId="arn:aws:kms:us-east-1:111111111111:thing/x")

# -- STS: who is who, and what a role refuses.
session = sts.assume_role(RoleArn=ROLE, RoleSessionName="tenant-b", Tags=[{"Key": "TenantId", "Value": "b"}])
assert session["AssumedRoleUser"]["Arn"] == "arn:aws:sts::111111111111:assumed-role/TenantKeys/tenant-b"
refused("AccessDenied", sts.assume_role, RoleArn=ROLE + "Absent", RoleSessionName="tenant-b")
refused("ValidationError", sts.assume_role, RoleArn=ROLE, RoleSessionName="a b")
refused("ValidationError", sts.assume_role, RoleArn=ROLE, RoleSessionName="tenant-b", DurationSeconds=3601)
refused("PackedPolicyTooLarge", sts.assume_role, RoleArn=ROLE, RoleSessionName="tenant-b",
        Tags=[{"Key": f"tag-{n}", "Value": "x" * 256} for n in range(50)])
unknown = boto3.client("kms", aws_access_key_id="AKIAUNKNOWN", aws_secret_access_key="x", aws_session_token="")
refused("UnrecognizedClientException", unknown.list_keys)

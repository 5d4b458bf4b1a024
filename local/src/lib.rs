//! KMS, STS and DynamoDB on loopback, evaluating the real IAM and key policies.

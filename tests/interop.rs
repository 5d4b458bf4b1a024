//! An independent reader, in Python and written from docs/FORMAT.md alone, opens what the library stored, and refuses
//! what it refuses. Both go to KMS, STS and DynamoDB over sockets; neither knows the other's code.
//!
//! Runs when `TENANTSEAL_PYTHON` names a Python 3.10 or newer with `boto3` and `cryptography`, as in `.ci/peers`.

mod forms;
mod opens;
mod python;
mod refuses;
mod scene;

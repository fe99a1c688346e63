"""The bucket that holds the package, and putting it there."""

from __future__ import annotations

import json

from botocore.exceptions import ClientError

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.deploy import DeployError
from marketplace_metering.deploy.package import Package

PREFIX = "marketplace-metering"
BUCKET_NAME_LENGTH_MAX = 63  # S3 guide, "General purpose bucket naming rules"
UNCONSTRAINED = "us-east-1"  # the one region that CreateBucket must not be told


def default_name(stack: str, account: str, region: str) -> str:
    """The bucket of a stack: its name is the account's own, so no other can hold it."""
    tail = f"-artifacts-{account}-{region}"
    return stack.lower()[: BUCKET_NAME_LENGTH_MAX - len(tail)].rstrip("-") + tail


def ensure(s3: AwsClient, name: str, account: str, region: str, partition: str = "aws") -> bool:
    """Make the bucket if there is none; answers whether it was made."""
    try:
        # The expected owner: a bucket of that name in another account must not get the package.
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
        return False
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status != 404:
            raise DeployError(
                f"bucket {name} cannot be used (HTTP {status}): it belongs to another account or "
                "you have no access to it; name another one with --bucket"
            ) from error
    where = {} if region == UNCONSTRAINED else {"LocationConstraint": region}
    extra = {"CreateBucketConfiguration": where} if where else {}
    s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerEnforced", **extra)
    s3.get_waiter("bucket_exists").wait(Bucket=name)
    s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    s3.put_bucket_policy(Bucket=name, Policy=_tls_only(name, partition))
    return True


def key_of(package: Package) -> str:
    """Where a package is kept: named by its content.

    CloudFormation sees new code by a new key only (Lambda function reference, `Code`).
    """
    return f"{PREFIX}/{package.sha256}.zip"


def upload(s3: AwsClient, name: str, account: str, package: Package) -> None:
    """Put the package there, unless it is."""
    key = key_of(package)
    try:
        s3.head_object(Bucket=name, Key=key, ExpectedBucketOwner=account)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        body = package.path.read_bytes()
        s3.put_object(Bucket=name, Key=key, Body=body, ExpectedBucketOwner=account)


def _tls_only(name: str, partition: str) -> str:
    arn = f"arn:{partition}:s3:::{name}"
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

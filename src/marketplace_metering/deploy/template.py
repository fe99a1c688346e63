"""The CloudFormation template, as it is kept and with the place of the package in it."""

from __future__ import annotations

import json
from importlib import resources

from marketplace_metering.adapters.dynamodb.items.tables import table_names

TEMPLATE_FILE = "template.yaml"
PACKAGE_FILE = "lambda.zip"
CODE = f"Code: {PACKAGE_FILE}\n"
FUNCTIONS_COUNT = 2
# CloudFormation reference, CreateChangeSet: a larger template has to come from a bucket.
BODY_BYTES_MAX = 51_200


def read() -> str:
    """The template; `Code` names a package that lies beside it."""
    return (resources.files(__package__) / TEMPLATE_FILE).read_text(encoding="utf-8")


def for_stack(stack: str, bucket: str, key: str) -> str:
    """The template of one stack, with the package in a bucket.

    The tables get their names in full: CloudFormation takes over an existing table only if its
    template does not compute the name (CloudFormation guide, "Import resources automatically").
    """
    text = read()
    assert text.count(CODE) == FUNCTIONS_COUNT, "both functions run the same package"
    text = text.replace(CODE, f"Code: {json.dumps({'S3Bucket': bucket, 'S3Key': key})}\n")
    for name, table in zip(table_names("${AWS::StackName}"), table_names(stack), strict=True):
        computed = f'TableName: !Sub "{name}"\n'
        assert text.count(computed) == 1, f"{name} is one table"
        text = text.replace(computed, f"TableName: {table}\n")
    return text

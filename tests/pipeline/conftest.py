"""Stacks of the real template on an emulator, each with functions that really run."""

from __future__ import annotations

from itertools import count

import boto3
import pytest

from tests.deploy.conftest import Deploy, aws, deploy, package, running_emulator, session
from tests.deploy.emulator import Emulator
from tests.pipeline.pipeline import Pipeline

# The fixtures of the deployment are those of the pipeline, too.
__all__ = ["aws", "deploy", "package", "running_emulator", "session"]

_numbers = count()


@pytest.fixture
def pipeline(aws: Emulator, deploy: Deploy, session: boto3.session.Session) -> Pipeline:
    """A stack in which nothing has happened."""
    stack = f"pipeline-{next(_numbers)}"
    return Pipeline(session, aws, stack, deploy(stack))

"""Property tests find the same examples in every run; a search for new ones is asked for.

`METERING_TEST_SEARCH=5000 pytest tests/core` tries that many fresh examples of each property.
"""

from __future__ import annotations

import os

from hypothesis import settings

SEARCH = int(os.environ.get("METERING_TEST_SEARCH", "0"))

settings.register_profile("quick", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None, max_examples=max(SEARCH, 1), print_blob=True)
settings.load_profile("search" if SEARCH else "quick")

# No test reaches AWS; boto3 only wants to have something to sign with.
os.environ.update(
    AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1"
)

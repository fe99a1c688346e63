"""Which account reports usage: AWS bills it for the account that published the product."""

from __future__ import annotations

import logging
import time
from urllib.parse import urlsplit

from marketplace_metering.adapters.aws.clients import ONE_REQUEST, AwsClient, connect

logger = logging.getLogger("marketplace_metering.adapters.seller_account")

SIMULATOR = "simulator"  # where no AWS answers, nothing is billed to any account
OF_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu")
ASK_AGAIN_S = 600
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 2, 3


class SellerAccount:
    """The account of a client's credentials, asked of STS once; None while nobody can tell.

    GetCallerIdentity needs no permission, but a network may forbid STS.
    """

    def __init__(self, client: AwsClient) -> None:
        self._client = client
        self._known: str | None = None
        self._ask_at = float("-inf")

    def __call__(self) -> str | None:
        """The account as far as it is known."""
        if self._known is None and time.monotonic() >= self._ask_at:
            self._known = self._ask()
            self._ask_at = time.monotonic() + ASK_AGAIN_S
        return self._known

    def _ask(self) -> str | None:
        try:
            sts = connect(
                "sts",
                region=self._client.meta.region_name,
                retries=ONE_REQUEST,
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
            )
            if not is_aws(self._client) and is_aws(sts):
                return SIMULATOR
            return str(sts.get_caller_identity()["Account"])
        except Exception as error:  # noqa: BLE001 - no money depends on it alone: it is said
            logger.warning("the seller account is unknown, STS does not say it: %s", error)
            return None


def is_aws(client: AwsClient) -> bool:
    """Whether AWS itself answers the client, and no stand-in."""
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return host.endswith(OF_AWS)

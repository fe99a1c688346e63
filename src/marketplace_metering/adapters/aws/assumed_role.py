"""Reporting usage with a role of the seller account, when metering runs in another one.

AWS accepts usage only from the account that published the product (BatchMeterUsage reference).
"""

from __future__ import annotations

import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)

from marketplace_metering.adapters.aws.clients import AwsClient, open_session, usual_region
from marketplace_metering.adapters.aws.metering_api import REGION_DEFAULT, connect

SESSION_NAME = "marketplace-metering"
TIMEOUT_S = 5


class AssumedRole(CredentialProvider):
    """Credentials of a role; they are renewed before their hour is over."""

    METHOD = "marketplace-metering-role"

    def __init__(self, role_arn: str, external_id: str) -> None:
        super().__init__()
        self._own = botocore.session.get_session()
        if region := usual_region()[0]:
            self._own.set_config_variable("region", region)
        timeouts = Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S)
        self._own.set_default_client_config(timeouts)
        self._role_arn = role_arn
        self._extra = {"RoleSessionName": SESSION_NAME}
        if external_id:
            self._extra["ExternalId"] = external_id

    def load(self) -> DeferredRefreshableCredentials:
        """No request goes to STS before the first request is signed."""
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=self._own.create_client,
            source_credentials=self._own.get_credentials(),
            role_arn=self._role_arn,
            extra_args=self._extra,
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)


def connect_as(role_arn: str, external_id: str, region: str | None) -> AwsClient:
    """A client for the metering API that acts as the role; see `metering_api.connect`."""
    assumed = botocore.session.get_session()
    provider = AssumedRole(role_arn, external_id)
    assumed.register_component("credential_provider", CredentialResolver([provider]))
    session = open_session(botocore_session=assumed)
    return connect(region or REGION_DEFAULT, session)

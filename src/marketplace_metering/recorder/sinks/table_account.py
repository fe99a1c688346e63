"""Whose table it is: the account of the credentials that a client puts with."""

from __future__ import annotations

import time
from typing import Any

from marketplace_metering.recorder.log import log, without_secrets

ASK_AGAIN_S = 600.0


class WrongAccountError(Exception):
    """The credentials are of another account than the one that was named."""


class TableAccount:
    """The account of a client's credentials; None while nobody can tell.

    Some credentials say it themselves, for the others AWS STS is asked, once. GetCallerIdentity
    needs no permission, but a network may forbid STS: then the application may name the account.
    """

    def __init__(self, client: object, named: str | None) -> None:
        signer = getattr(client, "_request_signer", None)  # botocore shows it nowhere else
        self._credentials: Any = getattr(signer, "_credentials", None)
        self._client: Any = client
        self._named = named
        self._asked: str | None = None
        self._ask_at_s = float("-inf")
        self._is_told = False

    def __call__(self) -> str | None:
        """The account as far as it is known; raises WrongAccountError."""
        own = None if self._named is None else self._of_credentials()
        if own is not None and own != self._named:
            raise WrongAccountError(
                f"the recorder is set up for account {self._named}, and its credentials are of "
                f"{own}: nothing is put"
            )
        if self._named is not None:
            return self._named
        if self._asked is None and time.monotonic() >= self._ask_at_s:
            self._asked = self._ask()
            self._ask_at_s = time.monotonic() + ASK_AGAIN_S
        return self._asked

    def _of_credentials(self) -> str | None:
        account = getattr(self._credentials, "account_id", None)
        return str(account) if account else None

    def _ask(self) -> str | None:
        if self._credentials is None:
            return None
        from marketplace_metering.adapters.aws.seller_account import SIMULATOR, is_aws

        try:
            if is_aws(self._client) and (account := self._of_credentials()):
                return account
            sts = self._open_sts()
            if not is_aws(self._client) and is_aws(sts):
                return SIMULATOR  # a stand-in for DynamoDB has the tables of no account
            return str(sts.get_caller_identity()["Account"])
        except Exception as error:  # noqa: BLE001 - the region is known, and usage must not wait
            if self._is_told:
                return None
            self._is_told = True
            log().warning(
                "the account of the table is not known: neither the credentials nor AWS STS say "
                "it (%s). Name it, so that what waits is never put into another account's table: "
                "dynamodb://STACK?account=NUMBER",
                without_secrets(f"{type(error).__name__}: {error}"),
            )
            return None

    def _open_sts(self) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        from marketplace_metering.adapters.aws import seller_account
        from marketplace_metering.adapters.aws.clients import ONE_REQUEST, connect, open_session

        frozen = self._credentials.get_frozen_credentials()
        session = open_session(
            region=self._client.meta.region_name,
            aws_access_key_id=frozen.access_key,
            aws_secret_access_key=frozen.secret_key,
            aws_session_token=frozen.token,
        )
        return connect(
            "sts",
            session=session,
            retries=ONE_REQUEST,
            connect_timeout=seller_account.CONNECT_TIMEOUT_S,
            read_timeout=seller_account.READ_TIMEOUT_S,
        )

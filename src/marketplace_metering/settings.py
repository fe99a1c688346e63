"""Settings from a TOML file and the environment; the environment wins.

    store = "sqlite:///metering.db"
    region = "us-east-1"          # where the product is metered
    account = "111122223333"      # the seller's; asked of AWS if it is not given
    requests_per_second = 5
    grace_seconds = 300
    late = "carry"
    record_retention_days = 400   # on DynamoDB: delete usage records so long after they are billed

    [products.abc123xyz456]
    late = "reject"

Every setting also has an environment variable: METERING_ and its name in capitals. The region, the
seller account, the late policies, the grace, the retention and the window length are the ledger's
own (`core.charter`): they are written there once, and a setting that says otherwise is refused.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from marketplace_metering.core.policy import InvalidSettingError, LateUsage, Policy
from marketplace_metering.core.regions import check_region

STORE_DEFAULT = "sqlite:///metering.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """How this deployment meters."""

    store: str
    region: str | None  # None: the usual AWS settings, or the ledger's
    policy: Policy
    record_retention: timedelta | None = None  # None: it is not said
    account: str | None = None  # the seller's; None: AWS is asked
    role_arn: str | None = None  # of the seller account, to report usage with
    role_external_id: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)  # fields of `Policy` that are set


def days(name: str, value: object) -> timedelta:
    """0 keeps them. A day is the least: who deletes what was just billed cannot explain it."""
    number = _number(name, value)
    if number and not 1 <= number <= RETENTION_DAYS_MAX:
        raise InvalidSettingError(name, value, f"0, or 1 to {RETENTION_DAYS_MAX}")
    return timedelta(days=number)


def late(name: str, value: object) -> LateUsage:
    try:
        return LateUsage(str(value))
    except ValueError:
        choices = ", ".join(LateUsage)
        raise InvalidSettingError(name, value, f"one of {choices}") from None


def _number(name: str, value: object) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
        if not abs(number) <= NUMBER_MAX:
            raise ValueError
    except (ValueError, OverflowError):
        raise InvalidSettingError(name, value, "a number") from None
    return number


def _seconds(name: str, value: object) -> timedelta:
    return timedelta(seconds=_number(name, value))


def _hours(name: str, value: object) -> timedelta:
    return timedelta(hours=_number(name, value))


# The name of each setting, the field of Policy that it sets, and how it is read.
POLICY_SETTINGS: Mapping[str, tuple[str, Callable[[str, object], Any]]] = {
    "grace_seconds": ("grace", _seconds),
    "window_length_hours": ("window_length", _hours),
    "safety_margin_seconds": ("safety_margin", _seconds),
    "clock_margin_seconds": ("clock_margin", _seconds),
    "parked_retry_seconds": ("parked_retry", _seconds),
    "retry_first_seconds": ("retry_first", _seconds),
    "patience_seconds": ("patience", _seconds),
    "requests_per_second": ("requests_per_second", _number),
    "late": ("late", late),
}
OTHER_SETTINGS = (
    "store",
    "region",
    "account",
    "role_arn",
    "role_external_id",
    "record_retention_days",
    "products",
)
ACCOUNT = re.compile(r"[0-9]{12}")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/.+")
RETENTION_DAYS_MAX = 36_500
NUMBER_MAX = 1e8  # beyond every range, and a span of time in days still


def load(environment: Mapping[str, str], path: str | None, store: str | None) -> Settings:
    """Settings of this deployment; raises InvalidSettingError with what to correct."""
    path = path or environment.get("METERING_CONFIG")
    values = _read(path) if path else {}
    for name in (*POLICY_SETTINGS, *OTHER_SETTINGS[:-1]):
        from_environment = environment.get(f"METERING_{name.upper()}")
        if from_environment:
            values[name] = from_environment
    unknown = set(values) - set(POLICY_SETTINGS) - set(OTHER_SETTINGS)
    if unknown:
        known = ", ".join((*OTHER_SETTINGS, *POLICY_SETTINGS))
        raise InvalidSettingError(min(unknown), values[min(unknown)], f"one of these: {known}")
    fields = {
        field: read(name, values[name])
        for name, (field, read) in POLICY_SETTINGS.items()
        if name in values
    }
    late_by_product = _late_by_product(values.get("products", {}))
    if "region" in values:
        check_region("region", str(values["region"]))
    return Settings(
        store or str(values.get("store", STORE_DEFAULT)),
        str(values["region"]) if "region" in values else None,
        Policy(late_by_product=late_by_product, **fields),
        days("record_retention_days", values["record_retention_days"])
        if "record_retention_days" in values
        else None,
        _matching("account", values.get("account"), ACCOUNT, "12 digits, in quotes"),
        _matching("role_arn", values.get("role_arn"), ROLE, "the ARN of an IAM role"),
        str(values.get("role_external_id", "")),
        {**fields, "late_by_product": late_by_product},
    )


def account_of(role_arn: str) -> str:
    """The account that a role belongs to."""
    found = ROLE.fullmatch(role_arn)
    assert found, "it was checked when it was read"
    return found[1]


def _matching(name: str, value: object, form: re.Pattern[str], rule: str) -> str | None:
    if value is not None and not (isinstance(value, str) and form.fullmatch(value)):
        raise InvalidSettingError(name, value, rule)
    return value


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InvalidSettingError("config", path, f"a readable file ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettingError("config", path, f"a TOML file ({error})") from error


def _late_by_product(products: object) -> dict[str, LateUsage]:
    if not isinstance(products, dict):
        raise InvalidSettingError("products", products, "tables such as [products.CODE]")
    chosen: dict[str, LateUsage] = {}
    for product, table in products.items():
        if not isinstance(table, dict) or set(table) - {"late"}:
            raise InvalidSettingError(f"products.{product}", table, 'a table with late = "..."')
        if "late" in table:
            chosen[product] = late(f"products.{product}.late", table["late"])
    return chosen

"""Where AWS's own sources disagree or are silent: each switch picks one reading of the API.

The marks are rows of docs/aws-rules.md, which has both readings and their sources.

The defaults follow the service model where it speaks. Software that meters correctly gives the
same bill under every combination; run it under several.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, Self, get_args, get_type_hints


@dataclass(frozen=True, slots=True)
class Readings:
    """One choice per open question; the comments name the readings, the default comes first."""

    # [Q1] Is "same time" of a duplicate the hour (guide) or the exact timestamp (model)?
    same_time: Literal["hour", "timestamp"] = "hour"
    # [Q2] An identical retry: success (model) or DuplicateRecord (skill).
    identical_retry: Literal["success", "duplicate"] = "success"
    # [Q3] The month-end grace only cuts the 24 h, or accepts the whole old month until 06:00.
    month_end_grace: Literal["cuts", "extends"] = "cuts"
    # [Q4] A stamp before the start, within the start's hour (AWS's example floors to the hour).
    stamp_before_start: Literal["refused", "same-hour-accepted"] = "refused"
    # [Q5] CustomerNotSubscribed heals when the buyer subscribes, or sticks to the window.
    not_subscribed: Literal["recoverable", "final"] = "recoverable"
    # [Q6] Which event opens and which closes the hour for final records.
    final_hour: Literal["closed-by-deprovision", "opened-by-deprovision", "after-agreement-end"] = (
        "closed-by-deprovision"
    )
    # [Q7] ProductCode together with CustomerAWSAccountId and no licence.
    product_code_with_account: Literal["allowed", "refused"] = "allowed"
    # [Q11] "At most 5 tags": on each allocation, or distinct keys over the whole record.
    five_tags_per: Literal["allocation", "record"] = "allocation"
    # [Q12] The model's prose allows an empty tag value, its length rule does not.
    empty_tag_value: Literal["refused", "allowed"] = "refused"
    # [Q26] The tag pattern's ` -=`: the regex range that it is, or the prose's three characters.
    tag_characters: Literal["pattern", "listed"] = "pattern"
    # [Q13] "Less than 1 MB": 10^6 or 2^20 bytes.
    megabyte: Literal["decimal", "binary"] = "decimal"
    # [Q14] De-duplication within one region, or over all of them (older texts are silent).
    deduplication: Literal["per-region", "global"] = "per-region"
    # [Q15] Licences of several products in one call.
    several_products: Literal["refused", "allowed"] = "refused"
    # [Q17] A retry with the same quantity and other allocations: the same record, or another one.
    retried_allocations: Literal["ignored", "compared"] = "ignored"
    # [Q18] How far ahead a stamp may lie: up to now, only closed hours, or anything.
    newest_stamp: Literal["now", "closed-hours", "any"] = "now"
    # [Q19] QuantityAsDecimal on products that do not say; a declared product can say otherwise.
    decimals: Literal["accepted", "refused"] = "accepted"
    # [Q21] The model promises no order of Results.
    results_order: Literal["as-sent", "reversed"] = "as-sent"
    # [Q21] The echo repeats the quantity as sent, or always as a normalised decimal.
    echoed_quantity: Literal["as-sent", "decimal"] = "as-sent"
    # [Q25] Age limit; an AWS China page still says 1 hour, before July 2026 it was 6.
    window_hours: int = 24

    def __post_init__(self) -> None:
        """Refuse a value that is no reading, with the ones that are."""
        for name, hint in get_type_hints(Readings).items():
            value = getattr(self, name)
            if hint is int:
                if type(value) is not int or not 1 <= value <= 24 * 31:
                    raise ValueError(f"{_camel(name)} must be a whole number of hours, 1 to 744")
            elif value not in get_args(hint):
                known = ", ".join(get_args(hint))
                raise ValueError(f"{_camel(name)} {value!r} is no reading; use one of: {known}")

    @property
    def allows_account_only(self) -> bool:
        """Whether ProductCode with CustomerAWSAccountId and no licence identifies a buyer."""
        return self.product_code_with_account == "allowed"

    def changed(self, switches: Mapping[str, object]) -> Self:
        """These readings with some switches turned; the names are those of `as_json`."""
        names = {_camel(field.name): field.name for field in fields(self)}
        unknown = sorted(set(switches) - set(names))
        if unknown:
            raise ValueError(f"unknown reading {unknown[0]!r}; known are: {', '.join(names)}")
        values: dict[str, object] = {names[key]: value for key, value in switches.items()}
        return replace(self, **values)  # type: ignore[arg-type]  # __post_init__ checks each value

    def as_json(self) -> dict[str, object]:
        """The switches as the admin API shows them."""
        return {_camel(name): value for name, value in asdict(self).items()}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)

"""Plain words for AWS's refusals: what it means and what a person can do about it."""

from collections.abc import Mapping

REMEDIES: Mapping[str, tuple[str, str]] = {
    "CustomerNotSubscribed": (
        "the buyer has no active agreement for the product, or the account is suspended",
        "check the agreement in the Management Portal and the account id in the usage",
    ),
    "InvalidUsageDimensionException": (
        "the listing has no such dimension",
        "add the dimension to the listing, or correct it in the usage record and retry it "
        "(upper and lower case count)",
    ),
    "InvalidLicenseException": (
        "the licence is not this buyer's, or was not active at the time of the usage",
        "compare licenseArn with what ResolveCustomer returned for the buyer",
    ),
    "InvalidCustomerIdentifierException": (
        "AWS does not know this buyer",
        "compare customerAWSAccountId with what ResolveCustomer returned",
    ),
    "InvalidTagException": (
        "AWS refuses one of the tags",
        "correct or drop the tags of the usage record, then retry it",
    ),
    "TooManyTagsException": (
        "the usage has more tags than AWS accepts",
        "use at most five tag keys per usage record, then retry it",
    ),
    "InvalidUsageAllocationsException": (
        "AWS refuses the split of the usage over its tags",
        "retry the usage record without tags and report the case to the maintainers",
    ),
    "TimestampOutOfBoundsException": (
        "AWS says that the time of the usage is too old, too new, or before the purchase",
        "compare this machine's clock, and the start of the buyer's agreement, with the window",
    ),
    "ValidationException": (
        "AWS refuses a field of the record",
        "correct the field that AWS names, then retry the usage record",
    ),
}


def explain(code: str, words: str | None) -> str:
    """AWS's words, our explanation and the remedy, in one sentence each."""
    said = f"AWS answered {code}" + (f" ({words})" if words else "")
    known = REMEDIES.get(code)
    if known is None:
        return f"{said}. Correct what it names, then retry the usage record."
    meaning, remedy = known
    return f"{said}: {meaning}. What to do: {remedy}."

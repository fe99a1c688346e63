"""The rules of BatchMeterUsage: which request is refused, which record is billed, once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from marketplace_metering.simulator.answers import Body, refuse
from marketplace_metering.simulator.audit import Accepted, Audit, BilledTwice, Content, Window
from marketplace_metering.simulator.buyers import Listings, Period, Product, Subscription
from marketplace_metering.simulator.fields import ParsedRequest, Record
from marketplace_metering.simulator.quantities import as_text
from marketplace_metering.simulator.readings import Readings
from marketplace_metering.simulator.times import HOUR, iso, out_of_bounds

ACCOUNT_DIGITS: Final = 12  # every real account; the API's own pattern allows 1 to 255


class Status(StrEnum):
    """The outcomes of one record of a processed request."""

    SUCCESS = "Success"
    DUPLICATE = "DuplicateRecord"
    NOT_SUBSCRIBED = "CustomerNotSubscribed"
    UNPROCESSED = "Unprocessed"  # our word: AWS lists such a record under UnprocessedRecords

    @property
    def certainly_not_billed(self) -> bool:
        """Whether this answer tells the sender that nothing was billed for the window by it."""
        return self in (Status.NOT_SUBSCRIBED, Status.UNPROCESSED)


@dataclass(frozen=True, slots=True)
class Placed:
    """A record with its window and what the listings know about it."""

    record: Record
    window: Window
    content: Content
    product: Product | None
    subscriptions: Sequence[Subscription]

    @property
    def periods(self) -> Iterable[Period]:
        """Every period in which the buyer may use the product or the licence."""
        return (period for each in self.subscriptions for period in each.periods)


class Metering:
    """All accepted usage and the rules that let more in."""

    def __init__(self, listings: Listings, audit: Audit) -> None:
        self._listings = listings
        self._audit = audit
        self._accepted: dict[tuple[str, Window, int], Accepted] = {}
        self._of_hour: dict[tuple[str, str, int], list[Accepted]] = {}
        self._refused_for_good: set[Window] = set()

    @property
    def accepted(self) -> Iterable[Accepted]:
        """The billed records in order of acceptance."""
        return self._accepted.values()

    def place(self, batch: ParsedRequest) -> list[Placed]:
        """Look every record up; decides nothing."""
        return [self._place(record, batch.product_code) for record in batch.records]

    def check(self, placed: Sequence[Placed], now: int, readings: Readings, strict: bool) -> None:
        """Refuse the whole request if one record cannot be accepted at all."""
        self._check_one_product(placed, readings)
        for each in placed:
            if each.record.license_arn is None:
                self._check_product(each, strict)
            else:
                self._check_license(each, readings, strict)
            self._check_dimension(each, readings)
            self._check_stamp(each, now, readings)

    def settle(self, placed: Placed, now: int, region: str, readings: Readings) -> Body:
        """The result of one record; accepts it if its window is free."""
        if not self._is_subscribed(placed, now, readings):
            self._refused_for_good.add(placed.window)
            return result(placed.record, Status.NOT_SUBSCRIBED, readings)
        scope = region if readings.deduplication == "per-region" else ""
        stamp = placed.record.stamp if readings.same_time == "timestamp" else 0
        key = (scope, placed.window, stamp)
        before = self._accepted.get(key)
        if before is None:
            # [M12] The first write wins: nothing changes or removes it.
            number = len(self._accepted) + 1
            name = f"{number:08x}-0000-4000-8000-{placed.window.hour:012x}"
            before = Accepted(name, region, placed.window, placed.content, now)
            self._accepted[key] = before
            self._look_for_double_billing(before)
        elif not _is_retry(before.content, placed.content, readings):
            self._audit.duplicates.append((now, placed.window, placed.content))
            return result(placed.record, Status.DUPLICATE, readings)
        return result(placed.record, Status.SUCCESS, readings, before.metering_record_id)

    def _place(self, record: Record, product_code: str | None) -> Placed:
        buyer = record.account or record.identifier or ""
        subscriptions: Sequence[Subscription] = ()
        product: Product | None = None
        if record.license_arn is not None:
            licensed = self._listings.licenses.get(record.license_arn)
            if licensed is not None:
                subscriptions = (licensed,)
                product = self._listings.products.get(licensed.product_code)
        elif product_code is not None:
            product = self._listings.products.get(product_code)
            if record.identifier is not None:
                known = self._listings.account_of(product_code, record.identifier)
                buyer = known or record.identifier
            subscriptions = self._listings.of_account(product_code, buyer)
        hour = record.stamp // HOUR
        window = Window(product_code, record.license_arn, buyer, record.dimension, hour)
        content = Content(record.quantity, record.stamp, record.allocations)
        return Placed(record, window, content, product, subscriptions)

    def _check_one_product(self, placed: Sequence[Placed], readings: Readings) -> None:
        # [M2] one request is for one product
        if readings.several_products == "allowed":
            return
        codes = {each.product.code for each in placed if each.product is not None}
        if len(codes) > 1:
            refuse("InvalidLicenseException", "The licenses of one request are of several products")

    def _check_product(self, placed: Placed, strict: bool) -> None:
        code, identifier = placed.window.product_code, placed.record.identifier
        if placed.product is None:
            if strict or not code:
                refuse("InvalidProductCodeException", f"The product code '{code}' is not yours")
        elif identifier is not None and not placed.subscriptions:
            message = f"The customer identifier '{identifier}' does not exist"
            refuse("InvalidCustomerIdentifierException", message)

    def _check_license(self, placed: Placed, readings: Readings, strict: bool) -> None:
        # [M8] valid, this buyer's, and the usage within its active period
        arn, record = placed.record.license_arn, placed.record
        if not placed.subscriptions:
            if strict:
                refuse("InvalidLicenseException", f"The license {arn} does not exist")
            return
        if placed.subscriptions[0].account != record.account:
            refuse("InvalidLicenseException", f"The license {arn} is not one of {record.account}")
        if not any(period.covers(record.stamp, readings) for period in placed.periods):
            refuse("InvalidLicenseException", f"The usage is outside the period of license {arn}")

    def _check_dimension(self, placed: Placed, readings: Readings) -> None:
        product, record = placed.product, placed.record
        if product is not None and record.dimension not in product.dimensions:
            message = f"The dimension '{record.dimension}' is not one of {product.code}"
            refuse("InvalidUsageDimensionException", message)
        decimals = readings.decimals == "accepted"
        if product is not None and product.decimals is not None:
            decimals = product.decimals
        if record.is_decimal and not decimals:
            message = "The product does not accept quantityAsDecimal; use quantity"
            refuse("ValidationException", message)

    def _check_stamp(self, placed: Placed, now: int, readings: Readings) -> None:
        # [R5] one stamp out of bounds: nothing of the request is processed
        record = placed.record
        reason = out_of_bounds(record.stamp, now, readings)
        known = record.license_arn is None and bool(placed.subscriptions)
        begun = any(period.begins_by(record.stamp, readings) for period in placed.periods)
        if reason is None and known and not begun:
            # [R3] not before the buyer's use began
            reason = "is before the start of the subscription"
        if reason is not None:
            at = f"usageRecords.{record.position}.member.timestamp"
            message = f"The timestamp at {at} {reason} (it is {iso(now)} now)"
            refuse("TimestampOutOfBoundsException", message)

    def _is_subscribed(self, placed: Placed, now: int, readings: Readings) -> bool:
        record = placed.record
        # [M7] an account id that is none is a buyer who is not subscribed
        if record.account is not None and len(record.account) != ACCOUNT_DIGITS:
            return False
        if readings.not_subscribed == "final" and placed.window in self._refused_for_good:
            return False
        if not placed.subscriptions:
            return placed.product is None  # undeclared and not strict: every buyer is welcome
        # [M15] AWS judges eligibility when the record arrives, usage by its stamp.
        open_now = any(period.is_open(now, readings) for period in placed.periods)
        covered = any(period.covers(record.stamp, readings) for period in placed.periods)
        return open_now and covered

    def _look_for_double_billing(self, new: Accepted) -> None:
        window = new.window
        others = self._of_hour.setdefault((window.buyer, window.dimension, window.hour), [])
        for other in others:
            kind = self._double_billing(other, new)
            if kind is not None:
                self._audit.billed_twice.append(BilledTwice(kind, (other, new)))
        others.append(new)

    def _double_billing(self, other: Accepted, new: Accepted) -> str | None:
        if other.window == new.window:
            return "two-stamps-in-one-hour" if other.region == new.region else "two-regions"
        if (other.window.license_arn is None) == (new.window.license_arn is None):
            return None  # another product, or another licence of the same buyer: separate usage
        # [M9] both identities for one customer in one hour bill twice
        windows = (other.window, new.window)
        codes = {self._listings.product_of(w.product_code, w.license_arn) for w in windows} - {None}
        return "two-identities" if len(codes) == 1 else None


def result(
    record: Record, status: Status, readings: Readings, record_id: str | None = None
) -> Body:
    """One element of `Results`: the record as AWS repeats it, its status and its id."""
    echo: Mapping[str, object] = record.echo
    if readings.echoed_quantity == "decimal":
        kept = {name: value for name, value in echo.items() if name != "Quantity"}
        echo = {**kept, "QuantityAsDecimal": as_text(record.quantity)}
    answer: Body = {"UsageRecord": echo, "Status": status.value}
    if record_id is not None:
        answer["MeteringRecordId"] = record_id
    return answer


def _is_retry(before: Content, again: Content, readings: Readings) -> bool:
    """Whether a record for a taken window is the same once more. Compared by value."""
    if readings.identical_retry == "duplicate" or before.quantity != again.quantity:
        return False
    return readings.retried_allocations == "ignored" or before.allocations == again.allocations

"""The simulated API: one call in, one answer out.

No socket and no clock: bytes and an instant in, the same answer in every run. Order of
precedence: throttling, disabled region, size, JSON, fields, identities, tags, allocations;
then product, licence, dimension and time stamp record by record; then the per-record results.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

from marketplace_metering.simulator.answers import Answer, Body, Loss, Refusal, refuse
from marketplace_metering.simulator.audit import Accepted, Audit, Request
from marketplace_metering.simulator.bill import Bill, make_bill
from marketplace_metering.simulator.buyers import Listings, Period, Product, Registration
from marketplace_metering.simulator.fields import ParsedRequest, Record, decode, encode, read_batch
from marketplace_metering.simulator.json_types import Problems, text
from marketplace_metering.simulator.metering import Metering, Placed, Status, result
from marketplace_metering.simulator.readings import Readings
from marketplace_metering.simulator.times import SECOND, micros
from marketplace_metering.simulator.wire import BATCH_METER_USAGE_REGIONS, DEFAULT_REGION

REQUESTS_PER_SECOND: Final = 10  # metering service quotas: per account and region


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong inside AWS or on the way, besides the rules: the door for faults.

    `refusal` and `nothing_processed` end the request at the door; `leave` picks records of a
    valid request that get UNPROCESSED or NOT_SUBSCRIBED; `loss` swallows the answer; `unheard`
    says that the client does not learn the outcomes, so none of them is a refusal it knows of.
    """

    refusal: Refusal | None = None
    nothing_processed: bool = False
    leave: Callable[[Sequence[Record]], Mapping[int, Status]] | None = None
    loss: Loss | None = None
    unheard: bool = False


NO_TROUBLE: Final = Trouble()


class Marketplace(Protocol):
    """What a plug (boto3 hook, HTTP server, simulation) needs: the rules, or faults over them."""

    def answer(
        self,
        operation: str,
        body: bytes | Mapping[str, object],
        now: datetime,
        region: str = DEFAULT_REGION,
    ) -> Answer:
        """AWS's answer to one call at an instant, in a region."""


class MarketplaceSimulator:
    """The AWS Marketplace Metering API. Open by default: what was never declared is accepted.

    `strict` refuses undeclared products and licences; `requests_per_second` None means no quota.
    Threads may share it: calls hold `lock`, and so should who changes `listings` or `readings`.
    """

    def __init__(
        self,
        readings: Readings | None = None,
        *,
        strict: bool = False,
        requests_per_second: int | None = REQUESTS_PER_SECOND,
    ) -> None:
        self.lock = threading.RLock()
        self.strict = strict
        self._first = (readings or Readings(), requests_per_second)
        self.reset()

    def reset(self) -> None:
        """Forget everything but how the simulator was made."""
        with self.lock:
            self.readings, self.requests_per_second = self._first
            self.listings = Listings()
            self.audit = Audit()
            self.disabled_regions: set[str] = set()
            self._metering = Metering(self.listings, self.audit)
            self._admitted: dict[str, deque[int]] = {}

    def declare(
        self,
        product_code: str,
        dimensions: Mapping[str, Decimal | None],
        *,
        decimals: bool | None = None,
    ) -> None:
        """List a product with its dimensions and prices; from now on it is strict."""
        with self.lock:
            self.listings.add_product(Product(product_code, dict(dimensions), decimals))

    def subscribe(
        self,
        product_code: str,
        account: str,
        *,
        starts_at: datetime,
        ends_at: datetime | None = None,
        deprovisioned_at: datetime | None = None,
        license_arn: str | None = None,
        customer_identifier: str | None = None,
        issued_at: datetime | None = None,
    ) -> Registration:
        """Let a buyer use a declared product; the registration token lives from `issued_at`."""
        with self.lock:
            period = Period(micros(starts_at), _micros(ends_at), _micros(deprovisioned_at))
            issued = micros(issued_at or starts_at)
            return self.listings.subscribe(
                product_code, account, license_arn, customer_identifier, period, issued
            )

    def unsubscribe(
        self,
        product_code: str,
        account: str,
        *,
        ends_at: datetime,
        deprovisioned_at: datetime | None = None,
        license_arn: str | None = None,
    ) -> None:
        """End a buyer's subscription; the hour for final records follows."""
        with self.lock:
            ends, deprovisioned = micros(ends_at), _micros(deprovisioned_at)
            self.listings.unsubscribe(product_code, account, license_arn, ends, deprovisioned)

    def bill(self, year: int, month: int) -> Bill:
        """The invoice of a month of usage."""
        with self.lock:
            return make_bill(self._metering.accepted, self.listings, year, month)

    @property
    def accepted(self) -> list[Accepted]:
        """All usage that AWS bills, in order of acceptance."""
        with self.lock:
            return list(self._metering.accepted)

    def answer(
        self,
        operation: str,
        body: bytes | Mapping[str, object],
        now: datetime,
        region: str = DEFAULT_REGION,
        trouble: Trouble = NO_TROUBLE,
    ) -> Answer:
        """Answer one call as AWS would at the instant `now`."""
        with self.lock:
            return self._answer(operation, encode(body), micros(now), region, trouble)

    def _answer(
        self, operation: str, body: bytes, now: int, region: str, trouble: Trouble
    ) -> Answer:
        batch, broken = self._read(operation, body)
        placed = self._metering.place(batch) if batch is not None else []
        try:
            if trouble.refusal is not None:
                raise trouble.refusal
            if trouble.nothing_processed:
                answer, outcome = Answer(0, {}), "NothingProcessed"
                self._log_unanswered(placed, outcome)
            else:
                self._check_door(operation, now, region)
                if broken is not None:
                    raise broken
                if operation == "ResolveCustomer":
                    answer = Answer(200, self._resolve(body, now))
                else:
                    answer = Answer(200, self._meter(placed, now, region, trouble))
                outcome = "Answered"
        except Refusal as refusal:
            answer, outcome = refusal.answer(), refusal.code
            # After a 500 the sender cannot know whether anything was processed.
            refused = answer.status < 500 and trouble.loss is None
            for each in placed:
                self.audit.add_sent(each.window, each.content, refused=refused, outcome=outcome)
        self.audit.add_request(
            Request(now, operation, region, len(body), len(placed), outcome, trouble.loss)
        )
        return Answer(answer.status, answer.body, trouble.loss)

    def _read(self, operation: str, body: bytes) -> tuple[ParsedRequest | None, Refusal | None]:
        try:
            match operation:
                case "BatchMeterUsage":
                    return read_batch(body, self.readings), None
                case "ResolveCustomer":
                    return None, None
                case _:
                    known = "The simulator answers BatchMeterUsage and ResolveCustomer"
                    return None, Refusal("UnknownOperationException", known)
        except Refusal as refusal:
            return None, refusal

    def _check_door(self, operation: str, now: int, region: str) -> None:
        if operation == "BatchMeterUsage":
            self._check_quota(now, region)
        if region not in BATCH_METER_USAGE_REGIONS or region in self.disabled_regions:
            refuse("DisabledApiException", f"The API is disabled in the Region {region}")

    def _check_quota(self, now: int, region: str) -> None:
        if self.requests_per_second is None:
            return
        admitted = self._admitted.setdefault(region, deque())
        # A request after now dates from before the clock was set back: it must not block.
        while admitted and not 0 <= now - admitted[0] < SECOND:
            admitted.popleft()
        if len(admitted) >= self.requests_per_second:
            refuse("ThrottlingException", "Rate exceeded")
        admitted.append(now)

    def _meter(self, placed: Sequence[Placed], now: int, region: str, trouble: Trouble) -> Body:
        self._metering.check(placed, now, self.readings, self.strict)
        records = [each.record for each in placed]
        left = trouble.leave(records) if trouble.leave is not None else {}
        results: list[Body] = []
        unprocessed: list[object] = []
        for each in placed:
            status = left.get(each.record.position)
            if status is Status.UNPROCESSED:
                unprocessed.append(each.record.echo)
            elif status is not None:
                results.append(result(each.record, status, self.readings))
            else:
                results.append(self._metering.settle(each, now, region, self.readings))
                status = Status(str(results[-1]["Status"]))
            refused = status.certainly_not_billed and not trouble.unheard
            self.audit.add_sent(each.window, each.content, refused=refused, outcome=status.value)
        if self.readings.results_order == "reversed":
            results.reverse()
        return {"Results": results, "UnprocessedRecords": unprocessed}

    def _log_unanswered(self, placed: Sequence[Placed], outcome: str) -> None:
        for each in placed:
            self.audit.add_sent(each.window, each.content, refused=False, outcome=outcome)

    def _resolve(self, body: bytes, now: int) -> Body:
        """ResolveCustomer: a token lives 4 hours and may be resolved repeatedly until then."""
        problems = Problems()
        token = text(decode(body, self.readings).get("RegistrationToken"), "registrationToken")
        if token is None:
            problems.missing("registrationToken")
        elif not token:
            problems.length(token, "registrationToken", 1, 1 << 20)
        problems.check()
        registration = self.listings.registrations.get(token or "")
        if registration is None:
            refuse("InvalidTokenException", "Registration token is invalid.")
        if registration.expired(now):
            refuse("ExpiredTokenException", "The submitted registration token has expired.")
        bought = registration.subscription
        answer: Body = {
            "ProductCode": bought.product_code,
            "CustomerAWSAccountId": bought.account,
            "Metadata": {"AgreementId": bought.agreement_id},
        }
        if bought.license_arn is not None:
            answer["LicenseArn"] = bought.license_arn
        if bought.customer_identifier is not None:  # empty for new integrations [M16]
            answer["CustomerIdentifier"] = bought.customer_identifier
        return answer


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else micros(instant)

"""The admin API under /_simulator/: set the scene, move time, look at what was accepted."""

from collections.abc import Callable, Mapping
from typing import Final

from marketplace_metering.simulator.admin.faults import plan_faults, show_faults
from marketplace_metering.simulator.admin.fields import AdminError, Fields, read_object
from marketplace_metering.simulator.admin.views import (
    show_audit,
    show_bill,
    show_products,
    show_requests,
    show_usage,
)
from marketplace_metering.simulator.answers import Body
from marketplace_metering.simulator.clock import SimulatorClock
from marketplace_metering.simulator.faults import FaultySimulator
from marketplace_metering.simulator.times import iso, micros
from marketplace_metering.simulator.wire import BATCH_METER_USAGE_REGIONS

PREFIX: Final = "/_simulator/"
Query = Mapping[str, str]


class Admin:
    """Carries out admin requests on one simulator, its faults and its clock."""

    def __init__(self, faulty: FaultySimulator, clock: SimulatorClock) -> None:
        self._faulty = faulty
        self._simulator = faulty.simulator
        self._clock = clock
        self._gets: dict[str, Callable[[Query], Body]] = {
            "health": self._health,
            "products": lambda _: show_products(self._simulator),
            "clock": self._show_clock,
            "faults": lambda _: show_faults(self._faulty),
            "readings": lambda _: self._simulator.readings.as_json(),
            "quota": lambda _: {"requestsPerSecond": self._simulator.requests_per_second},
            "regions": self._show_regions,
            "usage": lambda query: show_usage(self._simulator, query),
            "bill": lambda query: show_bill(self._simulator, query, self._clock.now()),
            "requests": lambda query: show_requests(self._simulator, query),
            "audit": lambda _: show_audit(self._simulator),
        }
        self._posts: dict[str, Callable[[Mapping[str, object]], Body]] = {
            "products": self._add_product,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "clock": self._set_clock,
            "faults": self._set_faults,
            "readings": self._set_readings,
            "quota": self._set_quota,
            "regions": self._set_regions,
            "reset": self._reset,
        }

    def answer(self, method: str, path: str, query: Query, body: bytes) -> tuple[int, Body]:
        """The HTTP status and JSON of one admin request."""
        name = path.removeprefix(PREFIX)
        try:
            with self._simulator.lock:
                match method:
                    case "GET" if name in self._gets:
                        return 200, self._gets[name](query)
                    case "POST" if name in self._posts:
                        return 200, self._posts[name](read_object(body))
                    case "DELETE" if name == "faults":
                        self._faulty.plan()
                        return 200, show_faults(self._faulty)
            raise AdminError(404, f"there is no {method} {path}; {self._known()}")
        except AdminError as error:
            return error.status, {"error": error.message}

    def _known(self) -> str:
        gets = ", ".join(sorted(self._gets))
        posts = ", ".join(sorted(self._posts))
        return f"under {PREFIX} there are GET {gets}; POST {posts}; DELETE faults"

    def _health(self, _: Query) -> Body:
        now = iso(micros(self._clock.now()))
        return {"status": "ok", "now": now, "strict": self._simulator.strict}

    def _add_product(self, members: Mapping[str, object]) -> Body:
        fields = Fields(members, ("productCode", "dimensions", "decimals"))
        decimals = fields.flag("decimals", default=True) if "decimals" in fields else None
        code, dimensions = fields.text("productCode"), fields.prices("dimensions")
        self._simulator.declare(code, dimensions, decimals=decimals)
        return show_products(self._simulator)

    def _subscribe(self, members: Mapping[str, object]) -> Body:
        known = ("productCode", "customerAWSAccountId", "customerIdentifier", "licenseArn")
        fields = Fields(members, (*known, "startsAt", "endsAt", "deprovisionedAt"))
        now = self._clock.now()
        starts_at = fields.instant("startsAt") or now
        try:
            registration = self._simulator.subscribe(
                fields.text("productCode"),
                fields.account("customerAWSAccountId"),
                starts_at=starts_at,
                ends_at=fields.instant("endsAt"),
                deprovisioned_at=fields.instant("deprovisionedAt"),
                issued_at=now,
                license_arn=fields.optional_text("licenseArn"),
                customer_identifier=fields.optional_text("customerIdentifier"),
            )
        except ValueError as error:
            raise AdminError(409, str(error)) from None
        return {
            "registrationToken": registration.token,
            "agreementId": registration.subscription.agreement_id,
            "startsAt": iso(micros(starts_at)),
        }

    def _unsubscribe(self, members: Mapping[str, object]) -> Body:
        known = ("productCode", "customerAWSAccountId", "licenseArn", "endsAt", "deprovisionedAt")
        fields = Fields(members, known)
        ends_at = fields.instant("endsAt") or self._clock.now()
        try:
            self._simulator.unsubscribe(
                fields.text("productCode"),
                fields.account("customerAWSAccountId"),
                license_arn=fields.optional_text("licenseArn"),
                ends_at=ends_at,
                deprovisioned_at=fields.instant("deprovisionedAt"),
            )
        except (LookupError, ValueError) as error:
            status = 404 if isinstance(error, LookupError) else 409
            raise AdminError(status, error.args[0]) from None
        return {"endsAt": iso(micros(ends_at))}

    def _show_clock(self, _: Query) -> Body:
        return {"now": iso(micros(self._clock.now())), "frozen": self._clock.frozen}

    def _set_clock(self, members: Mapping[str, object]) -> Body:
        fields = Fields(members, ("now", "frozen", "advanceSeconds", "real"))
        asked = [name for name in ("now", "advanceSeconds", "real") if name in fields]
        match asked:
            case ["now"]:
                instant = fields.instant("now")
                assert instant is not None
                self._clock.set(instant, frozen=fields.flag("frozen", default=False))
            case ["advanceSeconds"]:
                self._advance(fields.number("advanceSeconds", -(10**9), 10**9, 0))
            case ["real"] if fields.flag("real", default=False):
                self._clock.real()
            case _:
                raise AdminError(
                    400,
                    'send one of {"now": "2026-11-30T23:00:00Z"}, {"advanceSeconds": 3600}'
                    ' and {"real": true}',
                )
        return self._show_clock({})

    def _advance(self, seconds: float) -> None:
        now = self._clock.now().timestamp() + seconds
        if not 0 <= now < 250_000_000_000:
            raise AdminError(400, f"advanceSeconds {seconds} leads out of the years 1970 to 9892")
        self._clock.advance(seconds)

    def _set_faults(self, members: Mapping[str, object]) -> Body:
        plan_faults(self._faulty, Fields(members, ("scheduled", "random", "seed")))
        return show_faults(self._faulty)

    def _set_readings(self, members: Mapping[str, object]) -> Body:
        try:
            self._simulator.readings = self._simulator.readings.changed(members)
        except (ValueError, TypeError) as error:
            raise AdminError(400, str(error)) from None
        return self._simulator.readings.as_json()

    def _set_quota(self, members: Mapping[str, object]) -> Body:
        fields = Fields(members, ("requestsPerSecond",))
        if "requestsPerSecond" not in members:
            raise AdminError(400, 'send {"requestsPerSecond": 10}, or null for no quota')
        quota = fields.count("requestsPerSecond", 1, 1) if "requestsPerSecond" in fields else None
        self._simulator.requests_per_second = quota
        return {"requestsPerSecond": quota}

    def _show_regions(self, _: Query) -> Body:
        disabled = self._simulator.disabled_regions
        enabled = sorted(BATCH_METER_USAGE_REGIONS - disabled)
        return {"enabled": enabled, "disabled": sorted(disabled)}

    def _set_regions(self, members: Mapping[str, object]) -> Body:
        self._simulator.disabled_regions = set(Fields(members, ("disabled",)).texts("disabled"))
        return self._show_regions({})

    def _reset(self, members: Mapping[str, object]) -> Body:
        Fields(members, ())
        self._simulator.reset()
        self._faulty.plan()
        self._faulty.injected = 0
        return self._health({})

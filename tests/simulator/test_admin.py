"""The admin API: every endpoint, and what it says when asked wrongly."""

import json
from typing import Any

import pytest

from tests.simulator.world import (
    BUYER,
    LICENSE,
    OTHER_BUYER,
    PRODUCT,
    Body,
    SimulatorWorld,
    allocation,
    call,
    decimal,
    legacy,
    record,
)


class Admin:
    """The admin API as a test uses it: the JSON of a success, or status and complaint."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.raw(method, path, body)
        assert status == 200, answer
        return answer

    def complaint(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        status, answer = self.raw(method, path, body)
        assert list(answer) == ["error"]
        return status, answer["error"]

    def raw(self, method: str, path: str, body: Any = None) -> tuple[int, Body]:
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        return call(self._url, method, f"/_simulator/{path}", content)


@pytest.fixture
def admin(url: str) -> Admin:
    return Admin(url)


def declare(admin: Admin) -> None:
    admin("POST", "products", {"productCode": PRODUCT, "dimensions": {"api-calls": "0.02"}})


def subscribe(admin: Admin, **changes: Any) -> Any:
    terms = {
        "productCode": PRODUCT,
        "customerAWSAccountId": BUYER,
        "licenseArn": LICENSE,
        "startsAt": "2026-11-01T00:00:00Z",
        **changes,
    }
    return admin("POST", "subscribe", terms)


def test_health_tells_the_time(far: SimulatorWorld, admin: Admin) -> None:
    assert admin("GET", "health") == {
        "status": "ok",
        "now": "2026-11-20T15:30:00Z",
        "strict": False,
    }


def test_products_are_declared_with_prices_or_names(far: SimulatorWorld, admin: Admin) -> None:
    declare(admin)
    listed = {"productCode": "plain", "dimensions": ["seats"], "decimals": False}
    assert admin("POST", "products", listed) == admin("GET", "products")
    assert admin("GET", "products")["products"] == [
        {"productCode": PRODUCT, "dimensions": {"api-calls": "0.02"}, "decimals": None},
        {"productCode": "plain", "dimensions": {"seats": None}, "decimals": False},
    ]


def test_a_declared_product_is_strict(far: SimulatorWorld, admin: Admin) -> None:
    declare(admin)
    assert far.statuses(legacy(), product=PRODUCT) == ["CustomerNotSubscribed"]
    subscribe(admin)
    assert far.statuses(legacy(), product=PRODUCT) == ["Success"]


def test_subscribe_returns_a_registration_token(far: SimulatorWorld, admin: Admin) -> None:
    declare(admin)
    answer = subscribe(admin, customerIdentifier="old-buyer")
    assert answer["startsAt"] == "2026-11-01T00:00:00Z"
    resolved = far.client.resolve_customer(RegistrationToken=answer["registrationToken"])
    assert resolved["LicenseArn"] == LICENSE
    assert resolved["CustomerIdentifier"] == "old-buyer"
    assert resolved["Metadata"] == {"AgreementId": answer["agreementId"]}


def test_subscribe_starts_now_unless_told(far: SimulatorWorld, admin: Admin) -> None:
    declare(admin)
    assert subscribe(admin, startsAt=None)["startsAt"] == "2026-11-20T15:30:00Z"


def test_unsubscribe_opens_the_final_hour(far: SimulatorWorld, admin: Admin) -> None:
    declare(admin)
    subscribe(admin)
    buyer = {"productCode": PRODUCT, "customerAWSAccountId": BUYER, "licenseArn": LICENSE}
    assert admin("POST", "unsubscribe", buyer) == {"endsAt": "2026-11-20T15:30:00Z"}
    admin("POST", "clock", {"advanceSeconds": 3599})
    assert far.statuses(record()) == ["Success"]
    admin("POST", "clock", {"advanceSeconds": 1})
    assert far.statuses(record()) == ["CustomerNotSubscribed"]


def test_the_clock_is_set_moved_and_let_go(far: SimulatorWorld, admin: Admin) -> None:
    frozen = admin("POST", "clock", {"now": "2026-11-30T23:00:00+01:00", "frozen": True})
    assert frozen == {"now": "2026-11-30T22:00:00Z", "frozen": True}
    moved = admin("POST", "clock", {"advanceSeconds": 0.5})
    assert moved == admin("GET", "clock") == {"now": "2026-11-30T22:00:00.500000Z", "frozen": True}
    assert admin("POST", "clock", {"real": True})["frozen"] is False
    running = admin("POST", "clock", {"now": "2030-01-01T00:00:00Z"})
    assert running["now"].startswith("2030-01-01T00:0")
    assert not running["frozen"]


def test_faults_are_scheduled_listed_and_deleted(far: SimulatorWorld, admin: Admin) -> None:
    faults = [
        {"kind": "throttle", "skip": 1, "times": 2},
        {"kind": "server-error", "afterAcceptance": True, "skip": 9, "times": 1},
        {"kind": "lost", "afterAcceptance": False, "loss": "read-timeout", "skip": 9, "times": 1},
        {"kind": "slow", "seconds": 0.5, "skip": 9, "times": 1},
        {"kind": "unprocessed", "positions": [1, 3], "skip": 9, "times": 1},
        {"kind": "missing", "positions": None, "skip": 9, "times": 1},
        {"kind": "shuffled", "skip": 9, "times": 1},
        {"kind": "not-subscribed", "customerAWSAccountId": BUYER, "skip": 9, "times": 1},
    ]
    chance = {"kind": "slow", "seconds": 1, "probability": 0.0}
    planned = {"scheduled": faults, "random": [chance], "seed": 7, "injectedCount": 0}
    assert admin("POST", "faults", {"scheduled": faults, "random": [chance], "seed": 7}) == planned
    assert far.statuses(record()) == ["Success"]
    assert far.refusal_code(record()) == "ThrottlingException"
    after = admin("GET", "faults")
    assert after["injectedCount"] == 1
    assert after["scheduled"][0] == {"kind": "throttle", "skip": 0, "times": 1}
    assert admin("DELETE", "faults")["scheduled"] == []
    assert far.statuses(record()) == ["Success"]


def test_readings_are_turned_one_by_one(far: SimulatorWorld, admin: Admin) -> None:
    assert admin("POST", "readings", {"identicalRetry": "duplicate"})["windowHours"] == 24
    assert admin("POST", "readings", {"windowHours": 6}) == admin("GET", "readings")
    assert admin("GET", "readings")["identicalRetry"] == "duplicate"
    assert far.statuses(record(), record()) == ["Success", "DuplicateRecord"]


def test_the_quota_is_set_and_lifted(far: SimulatorWorld, admin: Admin) -> None:
    assert admin("GET", "quota") == {"requestsPerSecond": 10}
    assert admin("POST", "quota", {"requestsPerSecond": 1}) == {"requestsPerSecond": 1}
    far.send()
    assert far.refusal_code() == "ThrottlingException"
    assert admin("POST", "quota", {"requestsPerSecond": None}) == {"requestsPerSecond": None}
    far.send()


def test_regions_are_switched_off_and_on(far: SimulatorWorld, admin: Admin) -> None:
    assert admin("POST", "regions", {"disabled": ["us-east-1"]})["disabled"] == ["us-east-1"]
    assert far.refusal_code(record()) == "DisabledApiException"
    admin("POST", "regions", {"disabled": []})
    assert "us-east-1" in admin("GET", "regions")["enabled"]
    assert far.statuses(record()) == ["Success"]


def test_usage_lists_what_is_billed(far: SimulatorWorld, admin: Admin) -> None:
    declare(admin)
    subscribe(admin)
    far.send(decimal("17.50"))
    (usage,) = admin("GET", "usage")["usage"]
    assert usage == {
        "meteringRecordId": usage["meteringRecordId"],
        "acceptedAt": "2026-11-20T15:30:00Z",
        "region": "us-east-1",
        "productCode": PRODUCT,
        "licenseArn": LICENSE,
        "customerAWSAccountId": BUYER,
        "dimension": "api-calls",
        "hour": "2026-11-20T14:00:00Z",
        "timestamp": "2026-11-20T14:00:00Z",
        "quantity": "17.5",
        "allocations": [],
    }


def test_usage_is_filtered(far: SimulatorWorld, admin: Admin) -> None:
    declare(admin)
    subscribe(admin)
    far.send(record(UsageAllocations=[allocation(17, team="red")]))
    other = {"CustomerAWSAccountId": OTHER_BUYER, "Dimension": "seats"}
    far.send(legacy(**other), product="other")

    def found(query: str) -> list[str]:
        usage = admin("GET", f"usage?{query}")["usage"]
        return [each["dimension"] for each in usage]

    assert found("") == ["api-calls", "seats"]
    assert found(f"productCode={PRODUCT}") == ["api-calls"]
    assert found("productCode=other") == ["seats"]
    assert found(f"customerAWSAccountId={OTHER_BUYER}") == ["seats"]
    assert found(f"customerAWSAccountId={OTHER_BUYER}&dimension=api-calls") == []
    split = admin("GET", "usage?dimension=api-calls")["usage"][0]["allocations"]
    assert split == [{"quantity": "17", "tags": {"team": "red"}}]


def test_the_bill_of_a_month(far: SimulatorWorld, admin: Admin) -> None:
    declare(admin)
    subscribe(admin)
    far.send(record())
    assert admin("GET", "bill") == admin("GET", "bill?month=2026-11")
    assert admin("GET", "bill?month=2026-11") == {
        "month": "2026-11",
        "amount": "0.34",
        "lines": [
            {
                "productCode": PRODUCT,
                "licenseArn": LICENSE,
                "customerAWSAccountId": BUYER,
                "dimension": "api-calls",
                "quantity": "17",
                "recordCount": 1,
                "unitPrice": "0.02",
                "amount": "0.34",
            }
        ],
    }
    assert admin("GET", "bill?month=2026-12")["lines"] == []


def test_requests_are_counted_and_the_latest_shown(far: SimulatorWorld, admin: Admin) -> None:
    far.send(record())
    far.refusal_code(record(Quantity=2**31))
    answer = admin("GET", "requests")
    assert answer["requestCounts"] == {"Answered": 1, "ValidationException": 1}
    assert answer["recordCounts"] == {"Success": 1}
    size = answer["recent"][0]["size"]
    assert answer["recent"][0] == {
        "at": "2026-11-20T15:30:00Z",
        "operation": "BatchMeterUsage",
        "region": "us-east-1",
        "size": size,
        "recordCount": 1,
        "outcome": "Answered",
        "loss": None,
    }
    assert [each["outcome"] for each in admin("GET", "requests?limit=1")["recent"]] == [
        "ValidationException"
    ]
    assert admin("GET", "requests?limit=0")["recent"] == []


def test_the_audit_shows_changed_contents_double_billing_and_duplicates(
    far: SimulatorWorld, admin: Admin
) -> None:
    far.send(record())
    far.send(record(Quantity=18))
    far.send(legacy(), product=PRODUCT)
    audit = admin("GET", "audit")
    (changed,) = audit["windowsSentWithTwoContents"]
    assert changed["unsafe"] is True
    assert [(each["quantity"], each["times"]) for each in changed["contents"]] == [
        ("17", 1),
        ("18", 1),
    ]
    (twice,) = audit["billedTwice"]
    assert twice["kind"] == "two-identities"
    assert [each["licenseArn"] for each in twice["records"]] == [LICENSE, None]
    (duplicate,) = audit["duplicates"]
    assert (duplicate["quantity"], duplicate["at"]) == ("18", "2026-11-20T15:30:00Z")


def test_reset_keeps_the_clock_and_forgets_the_rest(far: SimulatorWorld, admin: Admin) -> None:
    declare(admin)
    far.send(record())
    admin("POST", "faults", {"random": [{"kind": "throttle", "probability": 1}]})
    admin("POST", "readings", {"windowHours": 1})
    admin("POST", "quota", {"requestsPerSecond": 1})
    assert admin("POST", "reset") == admin("GET", "health")
    assert admin("GET", "usage") == {"usage": []}
    assert admin("GET", "products") == {"products": []}
    assert admin("GET", "faults")["random"] == []
    assert admin("GET", "readings")["windowHours"] == 24
    assert admin("GET", "quota") == {"requestsPerSecond": 10}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "complaint"),
    [
        ("GET", "nope", None, 404, "there is no GET /_simulator/nope; under /_simulator/ there"),
        ("POST", "health", {}, 404, "there is no POST /_simulator/health; under"),
        ("POST", "products", b"{", 400, "the body is not JSON: "),
        ("POST", "products", [], 400, "the body must be a JSON object"),
        ("POST", "products", {"code": "x"}, 400, "unknown member 'code'; known are: decimals, d"),
        ("POST", "products", {}, 400, "productCode is missing; send it as a string"),
        ("POST", "products", {"productCode": "x", "dimensions": []}, 400, "dimensions must be a"),
        (
            "POST",
            "products",
            {"productCode": "x", "dimensions": {"seats": 0.1}},
            400,
            "the price of 'seats' must be a decimal string like \"0.002\", or null",
        ),
        (
            "POST",
            "products",
            {"productCode": "x", "dimensions": {"seats": "NaN"}},
            400,
            "the price of 'seats' must be a decimal string",
        ),
        (
            "POST",
            "products",
            {"productCode": "x", "dimensions": {"seats": "one"}},
            400,
            "the price of 'seats' must be a decimal string",
        ),
        (
            "POST",
            "products",
            {"productCode": "x", "dimensions": ["seats"], "decimals": 1},
            400,
            "decimals must be true or false, not 1",
        ),
        (
            "POST",
            "subscribe",
            {"productCode": "x", "customerAWSAccountId": "1111"},
            400,
            "customerAWSAccountId '1111' is no AWS account; send 12 digits as a string",
        ),
        (
            "POST",
            "subscribe",
            {"productCode": "x", "customerAWSAccountId": BUYER},
            409,
            "product 'x' is not declared; declare it first",
        ),
        (
            "POST",
            "subscribe",
            {"productCode": "x", "customerAWSAccountId": BUYER, "startsAt": "yesterday"},
            400,
            "startsAt 'yesterday' is no instant; send ISO 8601 in UTC like 2026-11-30T23:00:00Z",
        ),
        (
            "POST",
            "unsubscribe",
            {"productCode": "x", "customerAWSAccountId": BUYER},
            404,
            f"{BUYER} has no such subscription to 'x'",
        ),
        ("POST", "clock", {}, 400, 'send one of {"now": "2026-11-30T23:00:00Z"}'),
        ("POST", "clock", {"real": False}, 400, "send one of"),
        ("POST", "clock", {"real": True, "advanceSeconds": 1}, 400, "send one of"),
        ("POST", "clock", {"now": "2026-11-30T23:00:00"}, 400, "now '2026-11-30T23:00:00' has no"),
        ("POST", "clock", {"now": "0001-01-01T00:00:00Z"}, 400, "now '0001-01-01T00:00:00Z' is"),
        ("POST", "clock", {"now": "0001-01-01T00:00:00+14:00"}, 400, "now '0001-01-01T00:00:00+"),
        ("POST", "clock", {"advanceSeconds": "1"}, 400, "advanceSeconds must be a number, not '1'"),
        ("POST", "clock", {"advanceSeconds": 1e10}, 400, "advanceSeconds 10000000000.0 is out of"),
        ("POST", "faults", {"scheduled": {}}, 400, "scheduled must be a list of objects"),
        (
            "POST",
            "faults",
            {"scheduled": [{"kind": "flood"}]},
            400,
            "unknown fault 'flood'; known are: throttle, server-error, lost, slow,",
        ),
        (
            "POST",
            "faults",
            {"scheduled": [{"kind": "lost", "loss": "stolen"}]},
            400,
            "unknown loss 'stolen'; use connection-closed or read-timeout",
        ),
        (
            "POST",
            "faults",
            {"scheduled": [{"kind": "throttle", "times": 0}]},
            400,
            "times must be a whole number from 1 on, not 0",
        ),
        (
            "POST",
            "faults",
            {"scheduled": [{"kind": "unprocessed", "positions": [0]}]},
            400,
            "positions must be a list of whole numbers, counted from 1",
        ),
        (
            "POST",
            "faults",
            {"random": [{"kind": "throttle", "probability": 2}]},
            400,
            "probability 2 is out of range; send 0 to 1",
        ),
        ("POST", "readings", {"sameTime": "day"}, 400, "sameTime 'day' is no reading; use one of"),
        ("POST", "quota", {}, 400, 'send {"requestsPerSecond": 10}, or null for no quota'),
        ("POST", "quota", {"requestsPerSecond": 0}, 400, "requestsPerSecond must be a whole"),
        ("POST", "regions", {"disabled": "all"}, 400, "disabled must be a list of strings"),
        ("GET", "usage?colour=blue", None, 400, "unknown filter 'colour'; known are: productCode,"),
        ("GET", "bill?month=2026-13", None, 400, "month '2026-13' is no month; send it like 2026-"),
        ("GET", "bill?month=9999-01", None, 400, "month '9999-01' is out of range; send a year"),
        ("GET", "requests?limit=all", None, 400, "limit 'all' is no number; send 0 to 999999"),
        ("POST", "reset", {"usage": True}, 400, "unknown member 'usage'; known are: none"),
    ],
)
def test_a_wrong_admin_request_says_what_to_do(
    far: SimulatorWorld,
    admin: Admin,
    method: str,
    path: str,
    body: Any,
    status: int,
    complaint: str,
) -> None:
    got = admin.complaint(method, path, body)
    assert got[0] == status
    assert got[1].startswith(complaint)


def test_the_clock_does_not_leave_the_calendar(far: SimulatorWorld, admin: Admin) -> None:
    admin("POST", "clock", {"now": "1970-01-01T00:00:00Z"})
    status, complaint = admin.complaint("POST", "clock", {"advanceSeconds": -3600})
    assert (status, complaint) == (
        400,
        "advanceSeconds -3600 leads out of the years 1970 to 9892",
    )

"""How things are named in the ledger table.

    book#<product>#<account>#<dimension>   head                                its version
                                           hour#<hour>#<identity>#<serial>     an entry
                                           hour#<hour>#rejected#<serial>       late usage rejected
                                           part#<digest>#<number>              a larger part of one
    buyer#<account>                        books                               of the buyer
    alarm                                  <number>
    refused                                <digest>                            refused input
    fact                                   <name>                              of the ledger itself
    input#name#<digest>                    <source>                            an input, and
    input#head#<digest>                    <content>                           what it held
    license#<digest>                       owner                               its product code

Neither product codes nor account ids can hold a `#`, so a book's name can be taken apart again
for every dimension. A licence ARN may be longer than a sort key: its digest stands for it.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import BookKey, Meter, Window
from marketplace_metering.core.ledger import EntryKey

HEAD = "head"
BUYER = "buyer"
BOOKS = "books"
ALARM = "alarm"
REFUSED = "refused"
FACT = "fact"
BY_PRODUCT = "p"
REJECTED = "rejected"
DIGEST_LENGTH = 32
PK_BYTES_MAX, SK_BYTES_MAX = 2_048, 1_024  # [P8]


class Place(NamedTuple):
    """The key of an item in the ledger table."""

    pk: str
    sk: str

    @property
    def key(self) -> dict[str, dict[str, str]]:
        """As DynamoDB's operations want it."""
        return {"pk": {"S": self.pk}, "sk": {"S": self.sk}}

    def __str__(self) -> str:
        return f"{self.pk}|{self.sk}"


def place_of(item: dict[str, dict[str, str]]) -> Place:
    """The key of an item that was read."""
    return Place(item["pk"]["S"], item["sk"]["S"])


def parse_place(written: str) -> Place | None:
    """Read back what `str(place)` wrote; None for what it never writes.

    Anybody may have written it, and one key that DynamoDB refuses fails the whole request.
    """
    pk, bar, sk = written.rpartition("|")
    is_place = bool(bar) and pk.startswith("book#") and sk.startswith("hour#")
    is_key = len(pk.encode()) <= PK_BYTES_MAX and len(sk.encode()) <= SK_BYTES_MAX
    return Place(pk, sk) if is_place and is_key else None


def book_pk(key: BookKey) -> str:
    """The partition of a book."""
    assert "#" not in key.product + key.account, f"{key} cannot be told from another"
    return f"book#{key.product}#{key.account}#{key.dimension}"


def book_key_of(pk: str) -> BookKey:
    """The book of a partition."""
    _book, product, account, dimension = pk.split("#", 3)
    return BookKey(product, account, dimension)


def buyer_pk(account: str) -> str:
    """The partition of a buyer."""
    return f"{BUYER}#{account}"


def account_of(pk: str) -> str:
    """The buyer of a partition."""
    return pk.removeprefix(f"{BUYER}#")


def digest(content: bytes) -> str:
    """What tells this content from every other."""
    return hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]


def identity(license_arn: str | None) -> str:
    """How a sort key tells by what the usage is metered."""
    return BY_PRODUCT if license_arn is None else "l" + digest(license_arn.encode())


def hour_sk(hour: int, identity: str, serial: int) -> str:
    """The sort key of an entry or of rejected usage."""
    return f"hour#{hour:07d}#{identity}#{serial:04d}"


def entry_place(key: EntryKey) -> Place:
    """Where an entry is kept."""
    meter = key.window.meter
    sk = hour_sk(key.window.hour.number, identity(meter.license_arn), key.serial)
    return Place(book_pk(meter.book_key), sk)


def entry_key(place: Place, license_arn: str | None) -> EntryKey:
    """The entry that is kept there."""
    book = book_key_of(place.pk)
    _hour, hour, _identity, serial = place.sk.split("#")
    meter = Meter(book.product, book.account, book.dimension, license_arn)
    return EntryKey(Window(meter, UsageHour(int(hour))), int(serial))

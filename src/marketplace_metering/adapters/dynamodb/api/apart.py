"""A failure costs its own: what cannot be read or written is found by halving, and set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from botocore.exceptions import ClientError

from marketplace_metering.adapters.dynamodb.api.requests import InvalidRequestError, is_invalid

# What is not as this version writes it: another version's, a foreign hand's, our own bug's; or
# too large for DynamoDB. What is only out of reach is none of it: the run ends, the next goes on.
BROKEN = (
    AssertionError,
    AttributeError,
    ArithmeticError,
    InvalidRequestError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)

Thing = TypeVar("Thing")
Result = TypeVar("Result")


def is_broken(error: Exception) -> bool:
    """Whether another try of the same would fail the same way."""
    return isinstance(error, BROKEN) or (isinstance(error, ClientError) and is_invalid(error))


def apart(
    things: Sequence[Thing],
    work: Callable[[Sequence[Thing]], Result],
    set_aside: Callable[[Thing, Exception], Result],
) -> Iterator[Result]:
    """`work` on the things together; if one of them is broken, on all others without it.

    `work` may be done again with half of what it was given, so it must bear that. Each culprit
    goes to `set_aside` with its error.
    """
    try:
        result = work(things)
    except Exception as error:
        if not is_broken(error):
            raise
        if len(things) == 1:
            result = set_aside(things[0], error)
        else:
            half = len(things) // 2
            for some in (things[:half], things[half:]):
                yield from apart(some, work, set_aside)
            return
    yield result

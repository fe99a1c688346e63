"""What the simulated API answers: a status and a JSON body, or an answer that never arrives."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn

Body = dict[str, object]

# HTTP statuses of the modelled and the common errors; everything not listed is a 400.
# https://docs.aws.amazon.com/marketplace/latest/APIReference/API_marketplace-metering_BatchMeterUsage.html
_STATUS_OTHER_THAN_400: Final = {"InternalServiceErrorException": 500}


class Loss(StrEnum):
    """How a client experiences an answer that does not reach it."""

    CONNECTION_CLOSED = "connection-closed"
    READ_TIMEOUT = "read-timeout"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the API. With `loss` set the client must never see status and body."""

    status: int
    body: Body
    loss: Loss | None = None
    delay_seconds: float = 0.0


class Refusal(Exception):  # noqa: N818 - an answer of the API that ends a request, not a fault of ours
    """A whole-request error: nothing in the request was processed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def answer(self) -> Answer:
        """The error as it goes over the wire in AWS JSON 1.1."""
        status = _STATUS_OTHER_THAN_400.get(self.code, 400)
        return Answer(status, {"__type": self.code, "message": self.message})


def refuse(code: str, message: str) -> NoReturn:
    """End the request with a whole-request error."""
    raise Refusal(code, message)

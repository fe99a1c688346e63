"""Files: what a spreadsheet made of them, and what may be a copy of another."""

from __future__ import annotations

from tests.worlds.stage import BUYER, PRODUCT, Stage

HEADER = "customerAWSAccountId,productCode,create_timestamp,dimension,quantity,note"


def _ms(minute: int) -> int:
    return 1_795_165_200_000 + minute * 60_000  # 09:00


def _row(minute: int, quantity: object, note: str = "", ms: object = None) -> str:
    at = _ms(minute) if ms is None else ms
    return f"{BUYER},{PRODUCT},{at},requests,{quantity},{note}"


def _line(quantity: object) -> str:
    return (
        f'{{"customerAWSAccountId": "{BUYER}", "productCode": "{PRODUCT}", "create_timestamp": '
        f'{_ms(10)}, "dimension": "requests", "quantity": {quantity}, "metering_pending": "true"}}'
    )


def _billed(stage: Stage, quantity: str) -> None:
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": quantity}
    stage.end()


def a_time_that_was_rounded(stage: Stage) -> None:
    """
    09:50  a spreadsheet wrote 1.79515E+12 for the time of 7, which is in another hour
    10:06  the 5 of the other row are billed; the 7 are refused and kept
    """
    stage.now_is("09:50")
    wrong = _row(20, 7, ms="1.79515E+12")
    stage.file("usage.csv", "\n".join([HEADER, _row(10, 5), wrong]), (5,), bad=(wrong,))
    _billed(stage, "5")


def a_quantity_that_was_rounded(stage: Stage) -> None:
    """
    09:50  C++ printed 1.23457e+06 for 1234567: nobody knows the last digits
    10:06  the 5 of the other row are billed; what was rounded is refused and kept
    """
    stage.now_is("09:50")
    wrong = _line("1.23457e+06")
    stage.file("usage.jsonl", "\n".join([_line(5), wrong]), (5,), bad=(wrong,))
    _billed(stage, "5")


def a_quote_that_is_not_closed(stage: Stage) -> None:
    """
    09:50  a note begins with a quote that never ends: it costs its own line only
    10:06  the 5 and the 3 are billed
    """
    stage.now_is("09:50")
    wrong = _row(20, 7, '"19 inch')
    text = "\n".join([HEADER, _row(10, 5), wrong, _row(30, 3)])
    stage.file("usage.csv", text, (5, 3), bad=(wrong,))
    _billed(stage, "8")


def a_copy_of_a_file(stage: Stage) -> None:
    """
    09:50  the same content comes under another name: nobody can know whether it is a copy
    10:06  it was recorded once; a person is asked for the rest
    """
    stage.now_is("09:50")
    text = "\n".join([HEADER, _row(10, 5)])
    stage.file("usage.csv", text, (5,))
    stage.file("copied.csv", text, ())
    _billed(stage, "5")

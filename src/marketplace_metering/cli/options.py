"""What the commands share: exit codes, options, and errors that the user can fix."""

from __future__ import annotations

from collections.abc import Iterable

import click

OK = 0
FAILED = 1  # something is wrong with this program or the books do not balance
USAGE = 2  # wrong options, settings, or a store that cannot be opened
ATTENTION = 3  # done, but some usage was refused or is listed: a person has to look
UNFINISHED = 4  # AWS was not reached or refused the account: run again, nothing is lost


class Failure(click.ClickException):
    """An error that the user can fix; the message says how."""

    exit_code = USAGE


class NotDone(Failure):
    """AWS, or this machine, did not do what was asked for."""

    exit_code = FAILED


class NeedsPerson(Failure):
    """Nothing was done, because a person has to say something first; the message says what."""

    exit_code = ATTENTION


json_option = click.option("--json", "as_json", is_flag=True, help="Report as one JSON object.")


def template_parameters(texts: Iterable[str]) -> dict[str, str]:
    """What `--parameter NAME=VALUE` says, for each time that it is given."""
    parameters = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Failure(f"--parameter {text} refused: write it as NAME=VALUE")
        parameters[name] = value
    return parameters

"""A group of commands whose overview loads none of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """Commands by name, each with the first sentence of its help and the module that holds it.

    The overview shows stand-ins with those sentences; a module is loaded when its command is used.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - click's own
        helps: Mapping[str, str],
        modules: Mapping[str, str],
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **kwargs)
        self._modules = modules
        for name, text in helps.items():
            self.add_command(click.Command(name, help=text))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name: the real one instead of its stand-in."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, stand_in if name is None else self.load(name), rest

    def load(self, name: str) -> click.Command:
        """The command of a name; its module is in this package."""
        module = import_module(f"{__package__}.{self._modules.get(name, name)}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

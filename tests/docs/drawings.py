"""What docs/architecture.md shows of the code, made from the code: `make docs` writes it there.

The floors come from import-linter's contracts, the states of an entry from the table of
transitions, and where each port's methods are from the adapters themselves.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from marketplace_metering import ports
from marketplace_metering.adapters.aws.doorbell import SqsDoorbell
from marketplace_metering.adapters.aws.metering_api import MarketplaceApi
from marketplace_metering.adapters.aws.self_invocation import LambdaSuccessor
from marketplace_metering.adapters.aws.topic import SnsNotifier
from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore, table_names
from marketplace_metering.adapters.dynamodb.backlog import DynamoGauges
from marketplace_metering.adapters.dynamodb.mark import TableMark
from marketplace_metering.adapters.machine import LogNotifier, SystemClock
from marketplace_metering.adapters.sqlite.mark import FileMark
from marketplace_metering.aws_lambda.telemetry import MetricNotifier
from marketplace_metering.core.ledger import TRANSITIONS, State
from marketplace_metering.ports import OpenStore
from marketplace_metering.proof.fake_dynamodb import Faults
from marketplace_metering.wiring import open_store
from tests.support.clock import utc
from tests.support.stand_in import StandIn

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/architecture.md"
PACKAGE = ROOT / "src/marketplace_metering"
NAME = "marketplace_metering"
BLOCK = re.compile(r"(<!-- make docs: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

# What moves an entry; `core/ledger.py` decides.
IN_DOUBT = "deadline with a lost answer, or a foreign duplicate"
WHY: dict[tuple[State, State], str] = {
    (State.SEALED, State.PARKED): "AWS refused it",
    (State.SEALED, State.BILLED): "Success",
    (State.SEALED, State.PRESUMED): "duplicate of an own attempt",
    (State.SEALED, State.RELEASED): "deadline, every attempt refused",
    (State.SEALED, State.UNRESOLVED): f"{IN_DOUBT}, or a restored copy",
    (State.PARKED, State.BILLED): "Success, once it is repaired",
    (State.PARKED, State.PRESUMED): "duplicate of an own attempt",
    (State.PARKED, State.RELEASED): "deadline or a repair, every attempt refused",
    (State.PARKED, State.UNRESOLVED): f"{IN_DOUBT}, or a restored copy",
    (State.PARKED, State.WRITTEN_OFF): "a person gives it up",
    (State.PRESUMED, State.BILLED): "a late Success",
    (State.PRESUMED, State.UNRESOLVED): "that attempt was refused after all",
    (State.UNRESOLVED, State.BILLED): "a late Success, or a person's finding",
    (State.UNRESOLVED, State.RELEASED): "the last open attempt was refused, or a person's finding",
    (State.UNRESOLVED, State.WRITTEN_OFF): "a person gives it up",
    (State.WRITTEN_OFF, State.BILLED): "a late Success",
}
# The ports that are no part of a store, and what implements them.
BESIDE_THE_STORE: dict[str, tuple[type, ...]] = {
    "Marketplace": (MarketplaceApi,),
    "Notifier": (LogNotifier, SnsNotifier, MetricNotifier),
    "Clock": (SystemClock,),
    "Doorbell": (SqsDoorbell,),
    "Successor": (LambdaSuccessor,),
    "Gauges": (DynamoGauges,),
    "HighWaterMark": (FileMark, TableMark),
}


class Adapters(NamedTuple):
    """One store's implementation of each port of a store."""

    by_port: dict[str, object]
    folder: Path


def main() -> None:
    """Write every block of the page again."""
    PAGE.write_text(BLOCK.sub(_replaced, PAGE.read_text()))


def _replaced(block: re.Match[str]) -> str:
    return f"{block[1]}{BLOCKS[block[2]]()}\n{block[3]}"


def floors(contract: str, folder: Path) -> str:
    """The layers of a contract as a drawing, the highest first."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [layers] = [
        each["layers"]
        for each in config["tool"]["importlinter"]["contracts"]
        if each["id"] == contract
    ]
    lines = ["```mermaid", "flowchart TB"]
    for number, layer in enumerate(layers):
        lines += [f'  subgraph floor{number} [" "]', "    direction LR"]
        for part in layer.split(" | "):
            label = f"{part}/" if (folder / part).is_dir() else f"{part}.py"
            lines.append(f'    {part}["{label}"]')
        lines.append("  end")
    lines += [f"  floor{number} --> floor{number + 1}" for number in range(len(layers) - 1)]
    return "\n".join([*lines, "```"])


def states() -> str:
    """The table of transitions as a diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "  direction LR", "  [*] --> sealed: seal"]
    lines.append("  [*] --> unresolved: pending in a restored copy")
    for state, following in TRANSITIONS.items():
        lines += [
            f"  {_word(state)} --> {_word(after)}: {WHY[state, after]}"
            for after in State
            if after in following
        ]
        if not following:
            lines.append(f"  {_word(state)} --> [*]")
    return "\n".join([*lines, "```"])


def _word(state: State) -> str:
    return state.value.replace(" ", "_")


def contracts() -> str:
    """Which file keeps which contract."""
    return "\n".join([*_store_table(), "", *_other_table()])


def _store_table() -> list[str]:
    stores = (_sqlite(), _dynamodb())
    lines = ["| port | in `adapters/sqlite/` | in `adapters/dynamodb/` |", "|---|---|---|"]
    for port, methods in port_methods():
        if port in BESIDE_THE_STORE:
            continue
        for method in methods:
            files = []
            for store in stores:
                home = home_of(getattr(store.by_port[port], method))
                path = Path(inspect.getfile(home)).relative_to(store.folder)
                files.append(f"`{path}`")
            lines.append(f"| `{port}.{method}` | {' | '.join(files)} |")
    return lines


def _other_table() -> list[str]:
    lines = ["| port | methods | in |", "|---|---|---|"]
    for port, methods in port_methods():
        if port not in BESIDE_THE_STORE:
            continue
        homes = []
        for each in BESIDE_THE_STORE[port]:
            assert all(callable(getattr(each, method)) for method in methods), each
            path = Path(inspect.getfile(each)).relative_to(PACKAGE)
            homes.append(f"`{path}` `{each.__name__}`")
        names = ", ".join(f"`{method}`" for method in methods)
        lines.append(f"| `{port}` | {names} | {', '.join(homes)} |")
    return lines


def port_methods() -> Iterator[tuple[str, list[str]]]:
    """Every protocol of `ports` with the methods of its own, as they stand there."""
    for name, port in vars(ports).items():
        if getattr(port, "_is_protocol", False) and port.__module__ == ports.__name__:
            methods = [each for each, what in vars(port).items() if inspect.isfunction(what)]
            own = [each for each in methods if not each.startswith("_")]
            if own:
                yield name, own


def _sqlite() -> Adapters:
    opened = open_store("sqlite:///:memory:")
    intake = opened.store.intake("nothing", utc("12:00"))
    opened.close()
    return _adapters(intake, opened, "sqlite")


def _dynamodb() -> Adapters:
    client, names = StandIn("none", Faults()), table_names("none")
    store = DynamoStore(client, names)
    intake = store.intake("nothing", utc("12:00"))
    reports = DynamoReports(client, names)
    opened = OpenStore(store, reports, store.corrections(), recovery=store.recovery())
    return _adapters(intake, opened, "dynamodb")


def _adapters(intake: object, opened: OpenStore, folder: str) -> Adapters:
    store = opened.store
    by_port = {
        "Intake": intake,
        "UsageRecords": store,
        "Ledger": store,
        "Reports": opened.reports,
        "Corrections": opened.corrections,
        "Recovery": opened.recovery,
    }
    return Adapters(by_port, PACKAGE / "adapters" / folder)


def home_of(method: Callable[..., Any]) -> Callable[..., Any]:
    """What does the work: a method that only hands over to another one is looked through."""
    while True:
        call = _only_call(method)
        target = None if call is None else _named(call.func, method)
        if not callable(target) or not str(getattr(target, "__module__", "")).startswith(NAME):
            return method
        if inspect.isclass(target):
            return target
        method = target


def _only_call(method: Callable[..., Any]) -> ast.Call | None:
    [function] = ast.parse(textwrap.dedent(inspect.getsource(method))).body
    assert isinstance(function, ast.FunctionDef)
    statements = [
        each
        for each in function.body
        if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    ]
    match statements:
        case [ast.Return(value=ast.Call() as call)] | [ast.Expr(value=ast.Call() as call)]:
            return call
        case _:
            return None


def _named(node: ast.expr, method: Any) -> Any:
    """What a name in a method stands for; None where that cannot be told."""
    match node:
        case ast.Name(id="self"):
            return method.__self__
        case ast.Name(id=name):
            return inspect.unwrap(method).__globals__.get(name)
        case ast.Attribute(value=inner, attr=name):
            return getattr(_named(inner, method), name, None)
        case _:
            return None


BLOCKS: dict[str, Callable[[], str]] = {
    "floors": lambda: floors("floors", PACKAGE),
    "dynamodb": lambda: floors("dynamodb", PACKAGE / "adapters/dynamodb"),
    "states": states,
    "contracts": contracts,
}

if __name__ == "__main__":
    main()

"""The simulator shares no code with what it judges, and stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import marketplace_metering.simulator as simulator

FOLDER = Path(simulator.__file__).parent
OWN = "marketplace_metering.simulator"


def imported_by(path: Path) -> set[str]:
    """The modules a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                found |= {name.name for name in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module)
            case ast.ImportFrom():
                raise AssertionError(f"{path.name} has a relative import; name the whole module")
    return found


def test_the_simulator_imports_the_standard_library_and_itself_only() -> None:
    for path in sorted(FOLDER.glob("*.py")):
        allowed = {"botocore"} if path.name == "in_process.py" else set()
        for module in imported_by(path):
            root = module.partition(".")[0]
            own = module == OWN or module.startswith(f"{OWN}.")
            assert own or root in sys.stdlib_module_names | allowed, f"{path.name}: {module}"


def test_importing_the_simulator_stays_light() -> None:
    probe = f"import sys, {OWN}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    heavy = {"botocore", "boto3", "http.server", "socketserver", "ssl", "asyncio", "sqlite3"}
    assert not heavy & set(run.stdout.split())


def test_files_and_functions_stay_short() -> None:
    for path in sorted(FOLDER.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 50, f"{path.name}: {node.name}"

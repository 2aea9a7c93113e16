"""Imports point down: a package of the project knows only packages on lower lines."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "spikewright"
LAYERS = (
    "core report papers",
    "neurons coding data layers",
    "models",
    "convert train attack sparsity profile interpret nir rl runtime",
    "robust redteam bench",
    "experiments",
    "cli",
)
RANK = {name: place for place, line in enumerate(LAYERS) for name in line.split()}
EXCEPTIONS = {"papers": {"spikewright.core.errors"}}  # the one error sentence serves the lowest line too


def imported(path: Path, root: Path) -> Iterator[str]:
    """Every module or name a file imports, as absolute dotted names; inside functions too."""
    package = ["spikewright", *path.relative_to(root).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names = [item.value for item in node.args if isinstance(item, ast.Constant)]
            yield from (name for name in names if isinstance(name, str) and not name.startswith("."))


def faults(root: Path) -> list[str]:
    """Every import under root that does not point down, as sentences."""
    found = []
    for path in sorted(root.rglob("*.py")):
        here = path.relative_to(root).parts[0]
        for name in imported(path, root) if here in RANK else ():
            parts = name.split(".")
            if parts[0] != "spikewright" or any(f"{name}.".startswith(f"{ok}.") for ok in EXCEPTIONS.get(here, ())):
                continue
            to = parts[1] if len(parts) > 1 else ""
            if to != here and (to not in RANK or RANK[to] >= RANK[here]) and here != "cli":
                found.append(f"{path.relative_to(root).as_posix()} imports {name}")
    return found


def outsiders(root: Path, package: str, forbidden: set[str]) -> list[str]:
    """Files of a package that import one of the forbidden top-level modules."""
    return [
        f"{path.relative_to(root).as_posix()} imports {name}"
        for path in sorted((root / package).rglob("*.py"))
        for name in imported(path, root)
        if name.split(".")[0] in forbidden
    ]


def write(root: Path, files: dict[str, str]) -> Path:
    """Put files with the given text under root."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_imports_point_down() -> None:
    wrong = faults(ROOT)
    assert not wrong, "\n".join(wrong)


def test_every_package_has_its_line() -> None:
    folders = {path.parent.relative_to(ROOT).parts[0] for path in ROOT.rglob("*.py") if path.parent != ROOT}
    assert folders <= set(RANK), folders - set(RANK)


def test_report_knows_neither_torch_nor_the_rest() -> None:
    wrong = outsiders(ROOT, "report", {"torch", "spikewright"})
    inside = "imports spikewright.report."
    assert not [fault for fault in wrong if inside not in fault], "\n".join(wrong)


def test_core_knows_torch_and_what_compiles_loops_and_nothing_else() -> None:
    known = {"torch", "numpy", "numba", "triton", "spikewright", *sys.stdlib_module_names}  # numba, triton: HOMES_OF
    names = {name.split(".")[0] for path in (ROOT / "core").rglob("*.py") for name in imported(path, ROOT)}
    assert names <= known, names - known


def test_papers_knows_no_torch() -> None:
    assert not outsiders(ROOT, "papers", {"torch", "numpy"})


GOOD = {
    "core/errors.py": "import torch\n",
    "neurons/lif.py": "from spikewright.core.errors import sentence\nfrom .step import lif_step\n",
    "neurons/step.py": "from ..core import errors\n",
    "papers/search.py": "from spikewright.core.errors import DataError\nfrom .records import Paper\n",
    "convert/recipes/qcfs.py": "from ...models.resnet import resnet20\nfrom ..rules import Rule\n",
    "cli/main.py": "def run():\n    import spikewright\n    from spikewright.convert import convert\n",
}


def test_a_sound_tree_has_no_faults(tmp_path: Path) -> None:
    assert faults(write(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        (
            "core/bad.py",
            "def f():\n    from spikewright.convert import convert\n",
            "spikewright.convert.convert",
        ),
        ("neurons/bad.py", "from ..models import vgg11\n", "spikewright.models.vgg11"),
        ("convert/recipes/bad.py", "from ...train.fit import fit\n", "spikewright.train.fit.fit"),
        ("train/bad.py", "import spikewright.convert as c\n", "spikewright.convert"),
        ("neurons/bad.py", "from .. import data\n", "spikewright.data"),
        ("models/bad.py", "from spikewright import convert\n", "spikewright.convert"),
        ("models/bad.py", "import spikewright\n", "spikewright"),
        ("models/bad.py", "from spikewright import Spiking\n", "spikewright.Spiking"),
        ("data/bad.py", "class C:\n    import spikewright.cli\n", "spikewright.cli"),
        (
            "papers/bad.py",
            "from spikewright.core.config import override\n",
            "spikewright.core.config.override",
        ),
        ("core/bad.py", "import importlib\nimportlib.import_module('spikewright.nir')\n", "spikewright.nir"),
    ],
)
def test_a_planted_fault_is_found(tmp_path: Path, name: str, text: str, fault: str) -> None:
    assert faults(write(tmp_path, {**GOOD, name: text})) == [f"{name} imports {fault}"]


def test_a_forbidden_module_in_report_is_found(tmp_path: Path) -> None:
    write(tmp_path, {"report/bad.py": "def f():\n    import torch.nn\n"})
    assert outsiders(tmp_path, "report", {"torch"}) == ["report/bad.py imports torch.nn"]

"""Rules every source file keeps: captions, names, sizes, no print, no assert, nothing about its origin."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "spikewright"
PARSED = {path.relative_to(PACKAGE): ast.parse(path.read_bytes()) for path in sorted(PACKAGE.rglob("*.py"))}

LONGEST = 350
FORBIDDEN_NAMES = re.compile(r"utils?|helpers?|misc|common|base|tools|manager|new_.*|.*_v\d+")
SKIPPED = {"build", "dist", "runs"}
TEXT = {".py", ".md", ".toml", ".txt", ".json", ".css", ".html", ".sh", ".yml", ""}

PLACES = r"/tmp/|/root/|/home/\w|/Users/\w"
HOSTS = r"https?://\S+/simple\b"
WORDS = r"\bworkplace|\b(?:this|another|previous) session\b|\bthe brief\b|\bissue #?\d"
OUTSIDE = re.compile(f"{PLACES}|{HOSTS}|{WORDS}", re.IGNORECASE)
FREE_IN_TESTS = re.compile(r"/tmp/|/home/\w")  # invented paths that stand for a user's own

# Heavy libraries: the folders whose files may import them as soon as they are imported themselves.
HOMES_OF = {
    "matplotlib": ("report/plots/",),
    "lightning": (),
    "lightning_fabric": ("train/", "experiments/"),
    "triton": ("core/kernels/gpu_loops.py", "runtime/device_kernel.py"),
    "numba": ("core/compiled.py", "runtime/vector.py", "runtime/layer_kernel.py", "runtime/neuron_kernels.py"),
}
ONE_FILE_EACH = ("kornia", "nir", "h5py", "gymnasium", "captum", "scipy")


def executed(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported: none inside functions, none for type checkers only."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from executed(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody"):
                yield from executed(getattr(node, field, []))
            for handler in getattr(node, "handlers", []):
                yield from executed(handler.body)


def imported_at_once(tree: ast.Module) -> set[str]:
    """Top-level names of the libraries a module imports when it is imported itself."""
    names: set[str] = set()
    for node in executed(tree.body):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    return names


def calls(tree: ast.Module, name: str) -> list[int]:
    """Lines that call a function by this plain name."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    return [node.lineno for node in found if isinstance(node.func, ast.Name) and node.func.id == name]


def asserts(tree: ast.Module) -> list[int]:
    """Lines that hold an assert statement."""
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def own_texts() -> list[Path]:
    """Every text file of the project but this one, without what is generated or installed."""
    tops = [path for path in ROOT.iterdir() if path.name in {".ci", ".gitignore"} or path.name[0] != "."]
    tops = [path for path in tops if path.name not in SKIPPED and path.suffix != ".egg-info"]
    files = [file for top in tops for file in ([top] if top.is_file() else top.rglob("*")) if file.is_file()]
    texts = [file for file in files if file.suffix in TEXT and file != Path(__file__)]
    return sorted(file for file in texts if "__pycache__" not in file.parts)


def about_the_place(path: Path) -> list[str]:
    """Lines of a text that name a machine path, a package index or the circumstances of writing."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = []
    for number, line in enumerate(lines, start=1):
        hits = {hit.group() for hit in OUTSIDE.finditer(line)}
        if path.is_relative_to(ROOT / "tests"):
            hits = {hit for hit in hits if not FREE_IN_TESTS.fullmatch(hit)}
        found += [f"{path.name}:{number}: {hit}" for hit in sorted(hits)]
    return found


def test_only_the_command_line_prints() -> None:
    printing = {str(path): calls(tree, "print") for path, tree in PARSED.items() if path.parts[0] != "cli"}
    assert not {path: lines for path, lines in printing.items() if lines}


def test_no_assert_in_the_package() -> None:
    found = {str(path): asserts(tree) for path, tree in PARSED.items()}
    assert not {path: lines for path, lines in found.items() if lines}


def test_every_file_has_a_caption() -> None:
    captions = {str(path): (ast.get_docstring(tree) or "").split("\n")[0] for path, tree in PARSED.items()}
    bad = {path: caption for path, caption in captions.items() if not re.fullmatch(r"\S.{9,}[.:]", caption)}
    assert not bad, "\n".join(f"{path}: {caption!r}" for path, caption in bad.items())
    assert not [path for path, caption in captions.items() if caption.startswith("This ")]


def test_tests_and_tools_have_a_caption_too() -> None:
    files = [path for name in ("tests", "tools", "examples", "benchmarks") for path in (ROOT / name).rglob("*.py")]
    assert not [str(path) for path in files if not ast.get_docstring(ast.parse(path.read_bytes()))]


def test_no_file_is_named_after_nothing() -> None:
    names = {part.removesuffix(".py") for path in PARSED for part in path.parts}
    assert not [name for name in names if FORBIDDEN_NAMES.fullmatch(name)]


def test_no_file_is_too_long() -> None:
    lengths = {str(path): len((PACKAGE / path).read_text(encoding="utf-8").splitlines()) for path in PARSED}
    assert not {path: length for path, length in lengths.items() if length > LONGEST}


@pytest.mark.parametrize("library", HOMES_OF)
def test_a_heavy_library_is_imported_at_once_in_its_folders_only(library: str) -> None:
    eager = [path.as_posix() for path, tree in PARSED.items() if library in imported_at_once(tree)]
    assert not [path for path in eager if not path.startswith(HOMES_OF[library])]


@pytest.mark.parametrize("library", ONE_FILE_EACH)
def test_an_optional_library_is_imported_by_one_file_at_most(library: str) -> None:
    eager = [path.as_posix() for path, tree in PARSED.items() if library in imported_at_once(tree)]
    assert len(eager) <= 1, eager


def test_torchvision_is_never_imported() -> None:
    for path, tree in PARSED.items():
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not [node.lineno for node in nodes if "torchvision" in ast.unparse(node)], path


def test_the_project_speaks_of_itself_alone() -> None:
    texts = own_texts()
    assert ROOT / "pyproject.toml" in texts
    assert ROOT / "tests" / "architecture" / "test_layers.py" in texts
    found = [fault for path in texts for fault in about_the_place(path)]
    assert not found, "\n".join(found)


SAMPLE = '''
"""No dot at the end"""
import os, matplotlib.pyplot
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import kornia
else:
    import numba
try:
    from scipy.sparse import coo
except ImportError:
    import h5py
class C:
    import captum
    def f(self):
        import gymnasium
        assert self
        print("x")
        log.print("y")
'''


def test_the_rules_find_planted_faults(tmp_path: Path) -> None:
    tree = ast.parse(SAMPLE)
    assert imported_at_once(tree) == {"os", "matplotlib", "typing", "numba", "scipy", "h5py", "captum"}
    assert calls(tree, "print") == [18]
    assert asserts(tree) == [17]
    assert [name for name in ("utils", "new_lif", "lif_v2", "basement") if FORBIDDEN_NAMES.fullmatch(name)] == [
        "utils",
        "new_lif",
        "lif_v2",
    ]
    text = tmp_path / "x.md"
    text.write_text("see /root/here\nfine\nfrom https://example.org/simple\nas in issue 7\n")
    assert about_the_place(text) == ["x.md:1: /root/", "x.md:3: https://example.org/simple", "x.md:4: issue 7"]

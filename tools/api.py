"""Write docs/api_snapshot.txt: every public name of the package, so that a change of names is seen."""

from __future__ import annotations

import ast
import sys

from page import ROOT, write_or_check

PACKAGE = ROOT / "spikewright"


def public_names(source: str) -> set[str]:
    """Names that an `__init__.py` offers: those in `__all__`, and those imported `X as X`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.name for alias in node.names if alias.asname == alias.name}
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                names |= {
                    item.value
                    for item in ast.walk(node.value)
                    if isinstance(item, ast.Constant) and isinstance(item.value, str)
                }
    return names


def snapshot() -> str:
    """All public names, dotted, sorted, one per line."""
    names = {
        ".".join((*package.parent.relative_to(ROOT).parts, name))
        for package in PACKAGE.rglob("__init__.py")
        for name in public_names(package.read_text(encoding="utf-8"))
    }
    return "".join(f"{name}\n" for name in sorted(names))


if __name__ == "__main__":
    how = "make docs, and note every removed name in CHANGELOG.md"
    sys.exit(write_or_check(ROOT / "docs" / "api_snapshot.txt", snapshot(), how))

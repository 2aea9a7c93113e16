"""Write docs/methods/: one page per conversion method, from its docstring, its fields and the result files."""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields
from pathlib import Path

from results import numbers_of

from spikewright.convert.recipes import RECIPES
from spikewright.core.references import source_of

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "methods"


def page(name: str, recipe: type) -> str:
    """One method's page."""
    doc = inspect.getdoc(recipe) or ""
    about = doc.split("\nArgs:")[0].split("\nSource:")[0].strip()
    differs = doc.split("Differs:")[1].split("\n\n")[0].strip() if "Differs:" in doc else ""
    path = Path(inspect.getfile(recipe)).relative_to(ROOT)
    lines = [f"# {name}", "", about, "", f"**Source.** {source_of(recipe)}", ""]
    if differs:
        lines += [f"**Differs.** {' '.join(differs.split())}", ""]
    lines += [f"**Code.** [`{path}`](../../{path})", "", "| parameter | default |", "| --- | --- |"]
    lines += [f"| `{field.name}` | `{_default(recipe(), field.name)}` |" for field in fields(recipe)]
    lines += ["", "## Numbers", "", numbers_of(name), ""]
    return "\n".join(lines)


def _default(recipe: object, name: str) -> str:
    value = getattr(recipe, name)
    if hasattr(value, "groups"):
        given = (f"{name}={getattr(v, '__name__', v)}" for name, v in vars(value).items())
        return f"{type(value).__name__}({', '.join(given)})"
    return str(getattr(value, "name", value))


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    return {FOLDER / f"{name.lower()}.md": page(name, recipe) for name, recipe in RECIPES.items()}


def main() -> int:
    """Write the pages, or with --check say whether they are up to date."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        print("\n".join(f"{path.name} is out of date: run `make docs`." for path in stale))
        return int(bool(stale))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(pages()[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())

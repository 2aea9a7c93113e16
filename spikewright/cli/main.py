"""The command `spikewright`: finds the verb, and turns every error a user can cause into one line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from ..core.errors import SpikewrightError
from ..report import ReportError, RunFolderError

VERBS = {
    "demo": "convert two embedded networks and judge them on real images (a few minutes)",
    "train": "train a source network; a run that was stopped goes on with --resume",
    "convert": "turn a trained network into a spiking one and judge it at every time step",
    "evaluate": "judge a converted network on other data or with other settings",
    "check": "list every operation of a network: does it convert, and what to do if not",
    "diagnose": "compare source and spiking network layer by layer; name the first that goes wrong",
    "report": "draw the report of a run folder again, or set several runs side by side",
    "list": "neurons, recipes, data sets, models, experiments, with their sources",
    "papers": "search the papers that this project implements",
}


def usage() -> str:
    """The help of the command itself."""
    lines = "\n".join(f"  {verb:9} {text}" for verb, text in VERBS.items())
    return f"usage: spikewright VERB [FLAGS]\n\n{lines}\n\n`spikewright VERB --help` shows the flags of a verb."


def main(argv: Sequence[str]) -> int:
    """Run a verb.

    Returns:
        The exit status: 0, or 2 for an error that the user can mend.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return 0
    if argv[0] == "--version":
        from importlib.metadata import version

        print(version("spikewright"))
        return 0
    verb = argv[0]
    if verb not in VERBS:
        print(f"spikewright: got the verb {verb!r}; expected one of {', '.join(VERBS)}.", file=sys.stderr)
        return 2
    try:
        return importlib.import_module(f".{verb}", __package__).main(argv[1:])
    except (SpikewrightError, ReportError, RunFolderError) as error:
        print(f"spikewright {verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"spikewright {verb}: interrupted; what was written so far is kept.", file=sys.stderr)
        return 130


def entry() -> None:
    """Entry point of the installed command."""
    sys.exit(main(sys.argv[1:]))

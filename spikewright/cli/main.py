"""The command `spikewright`: finds the verb, and turns every error a user can cause into one line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from ..core.errors import SpikewrightError
from ..report import ReportError, RunFolderError
from .processes import refuse_lone_verb, tell_error

VERBS = {
    "demo": "convert two embedded networks, judge them on real images (minutes)",
    "train": "train a source network, or go on with a run that was stopped",
    "robust": "train a spiking network against attacks",
    "rl": "train spiking actors on tasks of control, or play with one",
    "convert": "make a trained network spiking and judge it at every time step",
    "evaluate": "judge a converted or directly trained network at every time step",
    "check": "does a network convert, operation by operation; what to do if not",
    "diagnose": "compare source and spiking network, name the first wrong layer",
    "sweep": "many recipes and thresholds at every T, and the best for each price",
    "sparsity": "spiking networks side by side: accuracy against operations",
    "attack": "attack a spiking network; what withstands every attack",
    "interpret": "what each pixel did for an answer, by several methods side by side",
    "redteam": "hide faults in a network and judge the tools that look for them",
    "report": "draw the report of a run again, or set several runs side by side",
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
        The exit status: 0; 1 if a search finds nothing, a check fails, or nobody
            reads the output; 2 for an error that the user can mend; 130 if
            it was interrupted.
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
        refuse_lone_verb(verb)
        status = importlib.import_module(f".{verb}", __package__).main(argv[1:])
        sys.stdout.flush()
        return status
    except (SpikewrightError, ReportError, RunFolderError) as error:
        tell_error(verb, error)
        return 2
    except BrokenPipeError:  # the reader, `head` for instance, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"spikewright {verb}: interrupted; what was written so far is kept.", file=sys.stderr)
        return 130


def entry() -> None:
    """Entry point of the installed command."""
    sys.exit(main(sys.argv[1:]))

"""spikewright robust: train a spiking network against attacks, or go on with a run that was stopped."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import ConfigError, sentence
from ..experiments.hardening import Adversarial
from ..experiments.network import Network
from ..experiments.neuron_choice import LIFNeurons
from ..experiments.training import TrainRun
from .train import run_verb

DEFAULT = TrainRun(name="robust", network=Network(neurons=LIFNeurons()), hardening=Adversarial())


def main(argv: Sequence[str]) -> int:
    """Train, and print where the result is."""
    return run_verb(argv, "robust", DEFAULT, check_hardened)


def check_hardened(config: TrainRun) -> None:
    """Raise ConfigError for a run that trains on clean images alone, and watches none under attack."""
    if config.hardening is None:
        todo = "For a training without any take `spikewright train`"
        raise ConfigError(sentence("--hardening", "none", "how the network is hardened, e.g. RAT or SGR", todo))

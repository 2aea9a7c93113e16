"""Classifier: a spiking network as an ordinary module, a batch in and logits out, its time and its gradient inside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..coding.encode import as_given, repeat
from ..coding.random_encoder import RandomEncoder
from ..coding.readout import mean
from ..core.arguments import check_module, check_whole, named
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.input_error import readable_input
from ..core.seed import generator
from ..core.spiking import Timed

Encode = Callable[[Tensor, int], Tensor]
Run = Callable[[int], Tensor]


class GradientView(Protocol):
    """Another gradient than the network's own; see `spikewright.attack.gradients`."""

    def check(self, model: nn.Module) -> None:
        """Raise ArgumentError if the network has layers for which the gradient is not defined."""
        ...

    def logits(self, model: nn.Module, run: Run, timesteps: int) -> Tensor:
        """Logits [N, K], with this gradient.

        Args:
            model: the spiking network that is run.
            run: number of steps -> its logits.
            timesteps: T.
        """
        ...


class Classifier(nn.Module):
    """A spiking network as other libraries expect a classifier: [N, ...] -> logits [N, K].

    Every call begins anew: nothing is kept, whatever the batch size. Sequences of frames are given batch first, [N, T,
    ...], as libraries take the first axis for the batch. An ordinary network passes through as it is.

    Args:
        model: a `Spiking` network, or an ordinary one.
        timesteps: T; None for an ordinary network.
        encode: images and T -> sequence; `as_given` for a network whose input are sequences; `RandomEncoder` for one
            that draws.
        readout: output over time -> logits.
        rule: whose gradient is seen; None for the network's own, as it was trained.
        draws: passes over which the logits are averaged, for a network or an encoder that draws.

    Raises:
        ArgumentError: if the arguments do not fit each other, or the rule does not know a layer of the network.

    Example:
        >>> import torch
        >>> from spikewright.core import Spiking
        >>> from spikewright.neurons import IF
        >>> Classifier(Spiking(nn.Sequential(nn.Flatten(), IF())), timesteps=4)(torch.full((1, 1, 2), 0.5))
        tensor([[0.5000, 0.5000]])
    """

    def __init__(
        self,
        model: nn.Module,
        timesteps: int | None = None,
        *,
        encode: Encode = repeat,
        readout: Callable[[Tensor], Tensor] = mean,
        rule: GradientView | None = None,
        draws: int = 1,
    ) -> None:
        super().__init__()
        check_module(model, "Classifier.model")
        _check_time(model, timesteps, rule)
        check_whole("Classifier.draws", draws, least=1)
        for name, value in (("encode", encode), ("readout", readout)):
            if not callable(value):
                raise ArgumentError(sentence(f"Classifier.{name}", named(value), "a function of spikewright.coding"))
        _check_encode(encode)
        if rule is not None:
            if not callable(getattr(rule, "logits", None)) or isinstance(rule, type):
                raise ArgumentError(sentence("Classifier.rule", named(rule), "a gradient rule, e.g. HART(), or None"))
            rule.check(model)
        self.model, self.timesteps, self.encode, self.readout, self.rule = model, timesteps, encode, readout, rule
        self.draws = draws

    def seen_by(self, rule: GradientView | None) -> Classifier:
        """The same classifier with another gradient; None for the network's own."""
        return Classifier(
            self.model, self.timesteps, encode=self.encode, readout=self.readout, rule=rule, draws=self.draws
        )

    @property
    def is_random(self) -> bool:
        """Whether it says that one pass differs from the next: by its encoder, or by asking for several draws."""
        return self.draws > 1 or isinstance(self.encode, RandomEncoder)

    @contextmanager
    def seeded(self, *path: int) -> Iterator[None]:
        """Within the block all that is drawn follows from these numbers; afterwards it goes on where it was.

        This holds for a `RandomEncoder`, and for all that draws from torch's generators, such as dropout.
        """
        seed = generator(*path).initial_seed()
        device = next((value.device for value in self.parameters()), torch.device("cpu"))
        devices = [device.index or 0] if device.type == "cuda" else []
        encode = self.encode.seeded(*path) if isinstance(self.encode, RandomEncoder) else nullcontext()
        with torch.random.fork_rng(devices=devices), encode:
            for source in (torch.default_generator, *(torch.cuda.default_generators[index] for index in devices)):
                source.manual_seed(seed)
            yield

    @property
    def has_sequences(self) -> bool:
        """Whether its input has a time axis of its own, [N, T, ...]."""
        return self.timesteps is not None and self.encode is as_given

    def forward(self, x: Tensor) -> Tensor:
        """[N, ...] -> logits [N, K]; sequences as [N, T, ...].

        Raises:
            ShapeError: if the network cannot take the input, or gives no logits.
        """
        if self.draws == 1:
            return self.once(x)
        return torch.stack([self.once(x) for _ in range(self.draws)]).mean(0)

    def once(self, x: Tensor) -> Tensor:
        """The same from one pass, whatever `draws` says."""
        if self.timesteps is None:
            with readable_input("Classifier", x):
                return self._checked(self.model(x))
        if self.rule is None:
            return self._run(x, self.timesteps)
        return self.rule.logits(self.model, lambda steps: self._run(x, steps), self.timesteps)

    def _run(self, x: Tensor, timesteps: int) -> Tensor:
        phases: Any = self.model.phases
        with readable_input("Classifier", x):
            xs = self.encode(x.movedim(1, 0) if self.has_sequences else x, phases.steps(timesteps))
            out = self.model(xs)[phases.rehearsal :][:timesteps]
            return self._checked(self.readout(out))

    def _checked(self, logits: Tensor) -> Tensor:
        if not isinstance(logits, Tensor) or logits.dim() != 2:
            met = list(logits.shape) if isinstance(logits, Tensor) else named(logits)
            todo = "Of a network's outputs over time take coding.mean"
            raise ShapeError(sentence("Classifier", f"an output of shape {met}", "logits [N, K]", todo))
        return logits

    def extra_repr(self) -> str:
        """T and the rule, as `print` shows them."""
        draws = f", draws={self.draws}" if self.draws > 1 else ""
        return f"timesteps={self.timesteps}, rule={self.rule}{draws}"


def _check_encode(encode: Encode) -> None:
    """Raise ArgumentError for a function that needs more than images and T, such as `poisson`."""
    try:
        signature = inspect.signature(encode)
    except ValueError:  # some built-in functions do not tell
        return
    try:
        signature.bind(None, None)
    except TypeError:
        name = getattr(encode, "__name__", type(encode).__name__)
        todo = "One that draws is wrapped: RandomEncoder(poisson, seed=0)"
        allowed = "a function of images and T"
        raise ArgumentError(sentence("Classifier.encode", f"{name}{signature}", allowed, todo)) from None


def _check_time(model: nn.Module, timesteps: int | None, rule: GradientView | None) -> None:
    """Raise ArgumentError unless T is there for a spiking network, and neither T nor a rule for an ordinary one."""
    if isinstance(model, Timed):
        if timesteps is None:
            todo = "Say how many steps it runs: Classifier(model, timesteps=4)"
            raise ArgumentError(sentence("Classifier.timesteps", "None", "a whole number of at least 1", todo))
        check_whole("Classifier.timesteps", timesteps, least=1)
    elif timesteps is not None or rule is not None:
        met = "time steps" if timesteps is not None else "a gradient rule"
        todo = "Wrap a network of neurons first: Spiking(network)"
        raise ArgumentError(sentence("Classifier", f"{met} for {named(model)}", "them for a Spiking network", todo))

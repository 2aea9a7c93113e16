"""One run of a spiking network, judged after every step: what all judges share, whatever they measure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator

import torch
from torch import Tensor, nn

from ..core.arguments import check_module, named
from ..core.carry import carry_state
from ..core.errors import ArgumentError, DataError, sentence
from ..core.spiking import Timed
from .loader import Batch, pair


def sums_over_time(model: Timed, xs: Tensor, rows: int) -> Generator[Tensor, None, None]:
    """Sum of the outputs so far, after each step that counts; divided by their number it is the network's answer.

    Long sequences run in chunks whose states are carried, so memory does not grow with T.

    Args:
        model: the spiking network, [T, N, ...] -> [T, N, ...].
        xs: its input; the steps of a rehearsal come first and give no sum.
        rows: time steps times samples that are run together.
    """
    phases, chunk = model.phases, max(1, rows // xs.shape[1])
    first = max(chunk, phases.window)  # what layers replay must come in one piece
    step, total = 0, torch.zeros(())
    with carry_state(model):
        for part in (xs[:first], *(xs[first:].split(chunk) if len(xs) > first else ())):
            for output in model(part):  # added one by one, so that no bit depends on the chunks
                step += 1
                if step > phases.rehearsal:
                    total = total.to(output) + output
                    yield total


def check_run(
    who: str, model: Timed, timesteps: int, encode: Callable[[Tensor, int], Tensor], source: nn.Module | None
) -> None:
    """Raise ArgumentError unless a spiking network can be run for T steps beside its source."""
    if isinstance(timesteps, bool) or not isinstance(timesteps, int) or timesteps < 1:
        raise ArgumentError(sentence(f"{who}.timesteps", repr(timesteps), "a whole number of at least 1"))
    if not isinstance(model, Timed):
        todo = "Give the model of a conversion, convert(...).model, or wrap a network of neurons: Spiking(network)"
        raise ArgumentError(sentence(f"{who}.model", named(model), "a Spiking network", todo))
    if not callable(encode):
        raise ArgumentError(sentence(f"{who}.encode", named(encode), "a function, e.g. coding.repeat"))
    if source is not None:
        check_module(source, f"{who}.source")


def checked_batches(who: str, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches (x, y), each with finite x."""
    if not isinstance(batches, Iterable) or isinstance(batches, Tensor):
        raise ArgumentError(sentence(f"{who}.batches", named(batches), "batches (x, y)", "For one write [(x, y)]"))
    for number, batch in enumerate(batches):
        x, y = pair(batch, f"{who}, batch {number}")
        if not torch.isfinite(x).all():
            raise DataError(sentence(who, "NaN or infinite values in an image batch", "finite images"))
        yield x, y


def check_steps(who: str, at: object, timesteps: int) -> None:
    """Raise ArgumentError unless `at` names numbers of steps, each in 1..T, or is None."""
    if not isinstance(at, list | tuple | range | None):
        raise ArgumentError(sentence(f"{who} at", repr(at), "numbers of steps, e.g. (1, 2)"))
    outside = [t for t in at or () if t not in range(1, timesteps + 1)]
    if outside:
        raise ArgumentError(sentence(f"{who} at", repr(outside[0]), f"1..{timesteps} steps"))

"""observe(model, ...): look at what chosen modules receive and return, with hooks that are always removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from .arguments import check_module
from .probe import is_probing


@contextmanager
def observe(
    model: nn.Module,
    wanted: Callable[[nn.Module], bool],
    see: Callable[[str, nn.Module, tuple[Tensor, ...], Tensor], None],
) -> Iterator[None]:
    """Call `see(name, module, inputs, output)` after each call of every wanted module; hooks go away with the block.

    Args:
        model: the model to watch.
        wanted: which of its modules to watch.
        see: receives the module's name, the module, its inputs and its output; what it returns is ignored.
    """

    check_module(model, "observe.model")

    def hook(name: str) -> Callable:
        def after(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            if not is_probing():
                see(name, module, inputs, output)

        return after

    handles = []
    try:
        for name, module in model.named_modules():
            if wanted(module):
                handles.append(module.register_forward_hook(hook(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()

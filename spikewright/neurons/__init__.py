"""One neuron per file: state, pure step, module."""

from .if_ import IF as IF

"""pretrained(name): a network that others have trained, built from its description and filled with its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from ...core.errors import CheckpointError, sentence
from ...core.fill import fill
from .architectures import ARCHITECTURES
from .description import Description, describe, folder_of
from .graph import GraphNetwork
from .weights import read_weights


def pretrained(name: str, root: Path | None = None) -> nn.Module:
    """A network that others have trained, on images in [0, 1], in `eval()`.

    It is looked for in the folder `weights` below the folder of the data sets, as `<name>.json` and the file that this
    names. Nothing is fetched, and no code is run from the files.

    Args:
        name: its name, one of `described()`.
        root: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.

    Raises:
        DataError: if the folder of the data sets was named and does not exist.
        CheckpointError: if there is no such network, its description or file is broken, or the two do not fit.
    """
    description = describe(name, root)
    path = folder_of(root) / description.file
    weights, architecture = read_weights(path, description.sha256), ARCHITECTURES.get(name)
    if architecture is not None and not description.graph:
        weights = {architecture.rename(key): value for key, value in weights.items()}
    return filled(description, weights, f"weights {path}")


def filled(description: Description, weights: Mapping[str, Tensor], who: str) -> nn.Module:
    """The network of a description with weights by the names of the model, in `eval()`.

    Pixel scaling comes from the description, and counters of batches, which files may lack, begin at zero.

    Raises:
        CheckpointError: if names or shapes differ from the architecture's.
    """
    model = build(description, {name: value.shape for name, value in weights.items()})
    own = model.state_dict().items()
    given = {name: value for name, value in own if name.split(".")[0] == "normalize" or name.endswith("_tracked")}
    fill(model, {**given, **weights}, who)
    return model.eval()


def build(description: Description, shapes: Mapping[str, Sequence[int]]) -> nn.Module:
    """The architecture with fresh weights: the description's graph, or the model of this package that it names.

    Args:
        description: of the network.
        shapes: name -> shape of every weight; what a graph leaves open.

    Raises:
        CheckpointError: if the graph does not fit the shapes, or there is neither graph nor model.
    """
    if description.graph:
        return GraphNetwork(description.graph, shapes, description.normalize())
    if description.name not in ARCHITECTURES:
        allowed = f"a graph, or the name of {', '.join(ARCHITECTURES)}"
        raise CheckpointError(sentence(f"description of {description.name}", "no graph", allowed))
    mean, std = description.in_unit_pixels
    return ARCHITECTURES[description.name].build(mean=mean, std=std)


def classes_of(model: nn.Module) -> int:
    """Number of outputs of a pretrained network: those of its last layer with weights."""
    if isinstance(model, GraphNetwork):
        return model.classes
    return [layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear)][-1]

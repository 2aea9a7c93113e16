"""Networks by name or file: built, saved with what they are, and loaded again; converted ones too."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..convert.driver import convert, prepare
from ..convert.recipe import Conversion, Recipe
from ..core.arguments import named
from ..core.config import from_json, to_json
from ..core.errors import ArgumentError, CheckpointError, ConfigError, sentence
from ..core.fill import fill
from ..core.registry import pick
from ..core.spiking import Spiking
from ..models import MODELS
from ..models.checkpoint import load, save
from ..models.pretrained import build, classes_of, describe, described, pretrained, read_description
from ..models.resnet import CIFAR_MEAN, CIFAR_STD
from .neuron_choice import NeuronChoice
from .registries import REGISTRIES

WEIGHTS = Path(__file__).parent / "weights"
"""Networks trained by this project, one .safetensors file each."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """An architecture of this package, or that of a trained network, as a method wants it trained.

    Args:
        architecture: name of a model, see `spikewright list`.
        classes: number of classes.
        mean, std: pixel scaling per channel, for pixels in [0, 1].
        prepare: conversion method whose activations the network is trained with, or none for plain ReLU.
        neurons: neurons in the place of activations: the network is trained as a spiking one; none for activations.
        pretrained: a trained network, see `load_network`, that stands in the place of architecture, classes, mean and
            std; training begins with its weights.
    """

    architecture: str = "resnet20"
    classes: int = 10
    mean: tuple[float, ...] = CIFAR_MEAN
    std: tuple[float, ...] = CIFAR_STD
    prepare: Recipe | None = None
    neurons: NeuronChoice | None = None
    pretrained: str | None = None

    def __post_init__(self) -> None:
        if self.neurons is not None and (self.prepare is not None or self.pretrained is not None):
            met = f"neurons and {'prepare' if self.prepare is not None else 'pretrained'}"
            todo = "A trained network's weights come by --weights"
            raise ArgumentError(sentence("Network", met, "one of them", todo))

    def build(self, data: Path | None = None) -> nn.Module:
        """The network with fresh weights or those of `pretrained`; thresholds are at the method's start value.

        Args:
            data: folder of the data sets, for networks that others have trained.

        Raises:
            ConfigError: if there is no such architecture.
            CheckpointError: if there is no such trained network, see `load_network`.
        """
        if self.pretrained is not None:
            return self.prepared(load_network(self.pretrained, data).model)
        build = pick(MODELS, self.architecture, "Network.architecture")
        if self.neurons is not None:
            return Spiking(build(self.classes, self.neurons.build, mean=self.mean, std=self.std))
        return self.prepared(build(self.classes, mean=self.mean, std=self.std))

    def prepared(self, model: nn.Module) -> nn.Module:
        """A network as the method wants it trained; the network itself if there is no method."""
        return model if self.prepare is None else prepare(model, self.prepare)


@dataclass(frozen=True)
class Loaded:
    """A network with its weights.

    Args:
        name: how it was asked for.
        model: the network, in `eval()`.
        description: what its file says about it: network, and what its training recorded.
    """

    name: str
    model: nn.Module
    description: Mapping[str, Any]

    @property
    def classes(self) -> int | None:
        """Number of classes that it was made for; None if its description does not say."""
        origin = self._origin
        return origin.get("network", origin).get("classes")

    @property
    def _origin(self) -> Mapping[str, Any]:
        """What is known of the network that training began with; of this one where it began with none."""
        origin = self.description
        while "source" in origin:
            origin = origin["source"]
        return origin

    @property
    def title(self) -> str:
        """A short name for reports, without folders."""
        return self.description["pretrained"]["name"] if "pretrained" in self.description else Path(self.name).stem

    @property
    def credit(self) -> str:
        """Whose weights these are and under which licence, for networks that others have trained; else empty."""
        given = self._origin.get("pretrained")
        return f"weights {given['name']}: {given['source']}; licence: {given['licence']}" if given else ""


def save_network(
    path: Path,
    model: nn.Module,
    network: Network,
    about: Mapping[str, Any],
    source: Mapping[str, Any] | None = None,
) -> None:
    """Write weights, architecture and what is to be known of them.

    Args:
        path: the file.
        model: the network with its weights.
        network: what it is.
        about: experiment, data, accuracy...
        source: description of `network.pretrained`, from which the architecture can be built without that file.
    """
    description = {"network": to_json(network, REGISTRIES), "about": dict(about)}
    save(path, model.state_dict(), description | ({} if source is None else {"source": dict(source)}))


def load_network(reference: str | Path, data: Path | None = None) -> Loaded:
    """A trained network by any of its names.

    Args:
        reference: name of an embedded network or of one that others have trained (see `pretrained`), path of a weights
            file or of a run folder that holds `model.safetensors`, or `file.py:function` for a function without
            arguments that returns a network of your own (the file is run). A path goes before an embedded name,
            and this before a name below `data`.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.

    Raises:
        CheckpointError: if there is no such network, or its file is broken or does not fit.
        ConfigError: if the Python file or its function is missing, or raises an error.
    """
    reference = _text(reference)
    if ".py:" in reference:
        return Loaded(reference, _own(reference).eval(), {"python": reference})
    if reference.endswith(".py"):
        raise ConfigError(f"model: got {reference!r} without a function; expected {reference}:function.")
    if _file(reference, WITHIN) is None and reference in described(data):
        return _pretrained(reference, data)
    path = network_file(reference, data=data)
    tensors, description = load(path)
    weights = _weights(tensors)
    model = _described(description, weights, f"checkpoint {path}")
    fill(model, weights, f"checkpoint {path}")
    return Loaded(reference, model.eval(), description)


def _described(description: Mapping[str, Any], weights: Mapping[str, Tensor], who: str) -> nn.Module:
    """The network that a description is of, not yet with its weights, of which only the shapes are looked at."""
    if "python" in description:
        return _own(description["python"])
    if "pretrained" in description:
        whose = read_description(description["pretrained"], f"{who}, pretrained")
        return build(whose, {name: value.shape for name, value in weights.items()})
    if "network" not in description:
        raise CheckpointError(
            f"{who}: does not say which network it is for; expected a file written by spikewright. For "
            "weights of your own give file.py:function, a function that builds the network and loads them."
        )
    network = from_json(Network, description["network"], REGISTRIES)
    if "source" in description:
        return network.prepared(_described(description["source"], weights, who))
    return network.build()


def _text(reference: object) -> str:
    if not isinstance(reference, str | Path):
        raise ConfigError(sentence("model", named(reference), "the name of an embedded network, or a path"))
    return str(reference)


WITHIN = ("model.safetensors", "snn.safetensors")
"""The files of a run folder that hold a network."""


def network_file(reference: str | Path, within: tuple[str, ...] = WITHIN, data: Path | None = None) -> Path:
    """The weights file of this project that a name or path stands for.

    Args:
        reference: name of an embedded network, path of a file or of a run folder.
        within: the file of a run folder that is meant, the first that is there.
        data: folder of the data sets, whose networks an error names too.

    Raises:
        CheckpointError: if there is none, naming the networks that there are.
    """
    reference = _text(reference)
    path = _file(reference, within)
    if path is not None:
        return path
    if reference.endswith(".safetensors") or len(Path(reference).parts) > 1:
        raise CheckpointError(
            f"model: there is no file {reference!r}, nor a run folder of that name that holds {' or '.join(within)}; "
            "expected either of them, or the name of a network, see `spikewright list`."
        )
    others = described(data)
    todo = "" if others else f" Networks of others are looked for in {WHERE}."
    raise CheckpointError(
        f"model: there is no network {reference!r}; expected one of "
        f"{', '.join((*embedded(), *others)) or 'none embedded'}, a "
        f".safetensors file, a run folder, or file.py:function.{todo}"
    )


WHERE = "the folder weights below that of the data sets, --data or SPIKEWRIGHT_DATA"


def _file(reference: str, within: tuple[str, ...]) -> Path | None:
    path = Path(reference).expanduser()
    candidates = (path, *(path / name for name in within), WEIGHTS / f"{reference}.safetensors")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _pretrained(name: str, data: Path | None) -> Loaded:
    model, given = pretrained(name, data), describe(name, data).data
    return Loaded(name, model, {"pretrained": dict(given), "classes": classes_of(model)})


def embedded() -> list[str]:
    """Names of the networks that come with the package."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def _own(reference: str) -> nn.Module:
    file, _, function = reference.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise ConfigError(f"model: there is no file {path}; expected file.py:function.")
    spec = importlib.util.spec_from_file_location(f"spikewright_own_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)  # pyright: ignore[reportArgumentType]
    sys.modules[module.__name__] = module  # dataclasses and pickles look their module up there
    try:
        spec.loader.exec_module(module)  # pyright: ignore[reportOptionalMemberAccess]
    except Exception as error:
        raise ConfigError(_raised(f"{path}", error)) from error
    build = getattr(module, function, None)
    if not callable(build):
        raise ConfigError(
            f"model: {path} has no function {function!r}; expected one without arguments that returns a network."
        )
    try:
        model = build()
    except Exception as error:
        raise ConfigError(_raised(f"{function} in {path}", error)) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model: {function} in {path} returned {type(model).__name__}; expected a torch.nn.Module.")
    return model


def _raised(who: str, error: Exception) -> str:
    what = f"{type(error).__name__} ({error})"
    return f"model: {who} raised {what}; expected code that runs. Run it in Python for the details."


def save_conversion(path: Path, loaded: Loaded, conversion: Conversion, about: Mapping[str, Any]) -> None:
    """Write a converted network: the source's weights, the measured thresholds, fitted starts, and the recipe."""
    tensors = dict(loaded.model.state_dict())
    tensors |= {f"threshold:{site}": value for site, value in conversion.thresholds.items()}
    tensors |= {f"start:{site}": value for site, value in conversion.starts.items()}
    description = {
        **loaded.description,
        "recipe": to_json(conversion.recipe, REGISTRIES) | {"type": type(conversion.recipe).__name__},
    }
    save(path, tensors, description | {"conversion": dict(about)})


def load_conversion(reference: str | Path) -> tuple[Loaded, Conversion]:
    """A converted network that `save_conversion` wrote, with its source.

    Raises:
        CheckpointError: if there is no such file, it is broken, or it holds no converted network.
    """
    path = network_file(reference, ("snn.safetensors", "model.safetensors"))
    tensors, description = load(path)
    if "recipe" not in description:
        raise CheckpointError(
            f"checkpoint {path}: holds an ordinary network, not a converted one; expected a file written by "
            "`spikewright convert` (snn.safetensors)."
        )
    data = dict(description["recipe"])
    recipe = from_json(pick(REGISTRIES[Recipe], data.pop("type"), "recipe"), data, REGISTRIES)
    if "python" in description:
        model = _own(description["python"]).eval()
        fill(model, _weights(tensors), f"checkpoint {path}")
        loaded = Loaded(str(reference), model, description)
    else:
        loaded = load_network(str(path))
    thresholds, starts = (_by_site(tensors, kind) for kind in ("threshold", "start"))
    image = description.get("conversion", {}).get("image")
    example = torch.zeros(1, *image) if image else None
    return loaded, convert(loaded.model, recipe, thresholds=thresholds, starts=starts, example=example)


def load_spiking(reference: str | Path, data: Path | None = None) -> tuple[Loaded, Conversion | Spiking]:
    """A spiking network: a converted one as its source and conversion, or one that was trained as such and its shell.

    Args:
        reference: file or run folder of either, or `file.py:function` for a `Spiking` network of your own.
        data: folder of the data sets.

    Raises:
        CheckpointError: if there is no such file, it is broken, or it holds an ordinary network.
    """
    if ".py:" not in _text(reference):
        path = network_file(reference, ("snn.safetensors", "model.safetensors"), data)
        if "recipe" in load(path)[1]:
            return load_conversion(reference)
    loaded = load_network(reference, data)
    if not isinstance(loaded.model, Spiking):
        raise CheckpointError(
            f"model {reference}: holds an ordinary network, not a converted one, nor one trained as a spiking one; "
            "expected a file written by `spikewright convert` (snn.safetensors) or by `spikewright train "
            "--network.neurons` (model.safetensors)."
        )
    return loaded, loaded.model


def _by_site(tensors: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """What a converted network's file holds for each site: "threshold" or "start"."""
    return {name.removeprefix(f"{kind}:"): t for name, t in tensors.items() if name.startswith(f"{kind}:")}


def _weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: t for name, t in tensors.items() if not name.startswith(("threshold:", "start:"))}

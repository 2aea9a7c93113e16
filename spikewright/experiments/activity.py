"""What a few neurons do for one image: a spike raster and membrane potentials, as data for figures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..coding.encode import repeat
from ..core.gradient import recording
from ..core.neuron import Neuron
from ..core.spiking import Spiking
from ..report import FigureSpec, Table, histogram_table


@torch.inference_mode()
def activity_figures(
    model: Spiking, sites: Mapping[str, Neuron], image: Tensor, timesteps: int, *, layers: int = 6, neurons: int = 24
) -> tuple[Table, tuple[FigureSpec, FigureSpec]]:
    """Run one image and show some layers, evenly spaced from first to last.

    Args:
        model: the network.
        sites: its layers of neurons from first to last, by what they are called.
        image: one image, [1, C, H, W].
        timesteps: T.
        layers: how many layers to show.
        neurons: how many neurons of each, evenly spaced over the layer.

    Returns:
        The table of membrane potentials, and the figures: raster, membrane histograms.
    """
    timesteps = model.phases.steps(timesteps)
    with recording(model) as records:
        model(repeat(image, timesteps))
    by_neuron = {id(module): name for name, module in model.named_modules() if isinstance(module, Neuron)}
    found = list(sites.items())
    shown = [
        found[place]
        for place in sorted(set(np.linspace(0, len(found) - 1, min(layers, len(found))).round().astype(int).tolist()))
    ]
    columns, borders, potentials, thresholds = [], [], {}, {}
    for site, neuron in shown:
        record = records[by_neuron[id(neuron)]]
        flat = record.spikes[0].reshape(timesteps, -1)
        places = np.linspace(0, flat.shape[1] - 1, min(neurons, flat.shape[1])).round().astype(int)
        columns.append(flat[:, torch.as_tensor(places)].sign().to(torch.int8).numpy())
        borders.append([site, len(places)])
        trace = record.states[0]
        potentials[site] = neuron.membrane(type(trace)(*(part[-1] for part in trace))).flatten().numpy()
        thresholds[site] = 1.0
    table = histogram_table(potentials, v_threshold=thresholds, unit="thresholds")
    raster = FigureSpec(
        "raster",
        "raster",
        f"Spikes of {len(shown)} layer{'s' if len(shown) > 1 else ''} for the first image: up to {neurons} neurons of "
        "each, evenly spaced over the layer.",
        arrays={"spikes": np.concatenate(columns, axis=1)},
        options={"layers": borders},
    )
    histogram = FigureSpec(
        "membranes",
        "membrane_histogram",
        f"Membrane potentials after {timesteps} steps for the first image, in units of the threshold. "
        "Far below 0: neurons whose input is negative. Above the threshold: neurons that fell behind their input.",
        table.title,
    )
    return table, (raster, histogram)

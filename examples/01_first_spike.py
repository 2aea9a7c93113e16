"""One leaky neuron, ten time steps: when does it fire?"""

import torch

from spikewright import LIF, Spiking, recording

neuron = Spiking(LIF(tau=5.0))  # tau in time steps
current = torch.full((10, 1, 1), 0.3)  # [T, N, features]: ten steps, one sample, one neuron

with recording(neuron) as records:
    spikes = neuron(current)

potential = records["module"].states[0].v
for t, (v, s) in enumerate(zip(potential.flatten(), spikes.flatten()), start=1):
    print(f"step {t:2}  potential {v:.3f}  {'spike' if s else ''}")

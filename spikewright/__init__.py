"""spikewright: spiking neural networks, converted from trained networks and judged at every time step."""

"""An ordinary network becomes a spiking one by graph rewriting."""

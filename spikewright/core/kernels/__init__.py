"""Loops that run all time steps of many neurons in one pass, forward and backward; `fused` chooses among them."""

"""Golden traces of the neurons, by a program that shares no code with spikewright: plain numpy, float64.

Run it to write `<neuron>.json` beside it:  python tests/golden/make.py
"""

import json
import math
import re
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
STEPS, UNITS = 12, 4


def inputs(seed, low, high):
    """Values rounded to three digits, so that the JSON holds exactly what was used."""
    return np.round(np.random.default_rng(seed).uniform(low, high, (STEPS, UNITS)), 3)


def after(v, s, threshold, reset):
    """Membrane potential after a spike of either sign."""
    if reset == "subtract":
        return v - s * threshold
    if reset == "to_zero":
        return np.where(s != 0, 0.0, v)
    return v


def integrate(x, c, reset):
    v = np.full(UNITS, c.get("start", 0.0) * c["v_threshold"])
    for x_t in x:
        v = v + x_t
        s = np.where(v >= c["v_threshold"], 1.0, 0.0)
        v = after(v, s, c["v_threshold"], reset)
        yield s, {"v": v}


def integrate_signed(x, c, reset):
    v = np.full(UNITS, c.get("start", 0.0) * c["v_threshold"])
    for x_t in x:
        v = v + x_t
        s = np.where(v >= c["v_threshold"], 1.0, np.where(v <= -c["v_threshold"], -1.0, 0.0))
        v = after(v, s, c["v_threshold"], reset)
        yield s, {"v": v}


def integrate_and_take_back(x, c, reset):
    """The output as a difference of what all spikes so far are worth; the count is that of all events so far."""
    v, fired = np.full(UNITS, c.get("start", 0.0) * c["v_threshold"]), [np.zeros(UNITS)]
    for x_t in x:
        v = v + x_t
        s = np.where(v >= c["v_threshold"], 1.0, np.where(v < 0, -1.0, 0.0))
        v = after(v, s, c["v_threshold"], reset)
        before, fired = sum(fired), [*fired, s]
        n = sum(fired)
        yield np.maximum(n, c["slope"] * n) - np.maximum(before, c["slope"] * before), {"v": v, "n": n}


def leak(x, c, reset):
    v, d = np.zeros(UNITS), math.exp(-1 / c["tau"])
    for x_t in x:
        v = d * v + x_t
        s = np.where(v >= c["v_threshold"], 1.0, 0.0)
        v = after(v, s, c["v_threshold"], reset)
        yield s, {"v": v}


def leak_parametric(x, c, reset):
    v, d = np.zeros(UNITS), math.exp(-1 / c["tau"])
    for x_t in x:
        v = v + (1 - d) * (x_t - v)
        s = np.where(v >= c["v_threshold"], 1.0, 0.0)
        v = after(v, s, c["v_threshold"], reset)
        yield s, {"v": v}


def leak_adaptive(x, c, reset):
    v, b, s = np.zeros(UNITS), np.zeros(UNITS), np.zeros(UNITS)
    d, rho = math.exp(-1 / c["tau"]), math.exp(-1 / c["tau_adapt"])
    for t, x_t in enumerate(x):
        if t:
            b = rho * b + (1 - rho) * s
        threshold = c["v_threshold"] + c["strength"] * b
        v = d * v + x_t
        s = np.where(v >= threshold, 1.0, 0.0)
        v = after(v, s, threshold, reset)
        yield s, {"v": v, "b": rho * b + (1 - rho) * s}


def leak_current(x, c, reset):
    i, v = np.zeros(UNITS), np.zeros(UNITS)
    d_syn, d_mem = math.exp(-1 / c["tau_syn"]), math.exp(-1 / c["tau_mem"])
    for x_t in x:
        i = d_syn * i + x_t
        v = d_mem * v + i
        s = np.where(v >= c["v_threshold"], 1.0, 0.0)
        v = after(v, s, c["v_threshold"], reset)
        yield s, {"i_syn": i, "v": v}


def read_out(x, c, reset):
    """The explicit sum instead of a recursion: v_t = sum over k of decay^(t - k) x_k."""
    for t in range(STEPS):
        weights = np.exp(-np.arange(t, -1, -1) / c["tau"])
        v = weights @ x[: t + 1]
        yield v, {"v": v}


RESETS = ("subtract", "to_zero", "none")
TRACES = {
    "IF": (integrate, {"v_threshold": 1.25, "start": 0.5}, (1, -0.5, 1.5), RESETS),
    "SignedIF": (integrate_signed, {"v_threshold": 0.75, "start": 0.25}, (2, -1.5, 1.5), RESETS),
    "SignedMemoryIF": (
        integrate_and_take_back,
        {"v_threshold": 0.75, "start": 0.5, "slope": 0.25},
        (8, -1.5, 1.5),
        RESETS,
    ),
    "LIF": (leak, {"tau": 3.0, "v_threshold": 1.25}, (3, -0.25, 1.5), RESETS),
    "PLIF": (leak_parametric, {"tau": 2.5, "v_threshold": 0.75}, (4, -0.5, 2.5), RESETS),
    "ALIF": (
        leak_adaptive,
        {"tau": 4.0, "tau_adapt": 6.0, "strength": 1.8, "v_threshold": 0.75},
        (5, 0.0, 2.0),
        RESETS,
    ),
    "CubaLIF": (
        leak_current,
        {"tau_syn": 1.5, "tau_mem": 4.0, "v_threshold": 1.5},
        (6, -0.5, 1.5),
        RESETS,
    ),
    "LI": (read_out, {"tau": 3.5}, (7, -1.0, 1.0), ("none",)),
}


def trace(name):
    """All traces of one neuron as plain lists."""
    program, constants, drawn, resets = TRACES[name]
    x = inputs(*drawn)
    runs = []
    for reset in resets:
        out, states = zip(*program(x, constants, reset))
        runs.append(
            {
                "reset": reset,
                "output": np.stack(out).tolist(),
                "states": {part: np.stack([state[part] for state in states]).tolist() for part in states[0]},
            }
        )
    return {
        "origin": f"tests/golden/make.py, an independent program in float64, numpy {np.__version__}",
        "neuron": name,
        "constants": constants,
        "input": x.tolist(),
        "runs": runs,
    }


def write(name):
    """One JSON file, a line per time step."""
    text = json.dumps(trace(name), indent=1)
    text = re.sub(r"\[\s+(-?\d[^][]*?)\s+\]", lambda found: "[" + " ".join(found[1].split()) + "]", text)
    (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in TRACES:
        write(name)

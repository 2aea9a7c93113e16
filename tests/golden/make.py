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


def leak_multiplied(x, c, reset):
    v = np.zeros(UNITS)
    for x_t in x:
        m = c["decay"] * v + x_t
        s = np.where(m >= c["v_threshold"], 1.0, 0.0)
        v = np.where(s != 0, 0.0, m)
        yield s, {"v": v}


def leak_parametric(x, c, reset):
    v, d = np.zeros(UNITS), math.exp(-1 / c["tau"])
    for x_t in x:
        v = v + (1 - d) * (x_t - v)
        s = np.where(v >= c["v_threshold"], 1.0, 0.0)
        v = after(v, s, c["v_threshold"], reset)
        yield s, {"v": v}


def dendrite_and_soma(x, c, reset):
    """The dendrite eliminated: its potential is what the soma says it must have been."""
    v, d = np.full(UNITS, 0.5 * c["v_threshold"]), np.zeros(UNITS)
    a1, b1, a2, b2 = (c[name] for name in ("a1", "b1", "a2", "b2"))
    for x_t in x:
        m = (a2 + b1 * b2) * v + a1 * b2 * d + b2 * x_t
        d = (m - a2 * v) / b2
        s = np.where(m >= c["v_threshold"], 1.0, 0.0)
        v = m - s * c["v_threshold"]
        yield s, {"d": d, "v": v}


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


def second_order(x, c, reset):
    """The reset at the beginning of the next step, as published; v - v cancels."""
    v, u, i, s = np.zeros(UNITS), np.zeros(UNITS), np.zeros(UNITS), np.zeros(UNITS)
    for x_t in x:
        i = c["decay_syn"] * i + x_t
        v, u = v * v - u + i, u + c["v_to_u"] * v + c["u_to_u"] * u
        s = np.where(v >= c["v_threshold"], 1.0, 0.0)
        v, u = np.where(s != 0, c["v_reset"], v), u + c["u_jump"] * s
        yield s, {"i_syn": i, "v": v, "u": u}


def read_out(x, c, reset):
    """The explicit sum instead of a recursion: v_t = sum over k of decay^(t - k) x_k."""
    for t in range(STEPS):
        weights = np.exp(-np.arange(t, -1, -1) / c["tau"])
        v = weights @ x[: t + 1]
        yield v, {"v": v}


def nearest_power(v):
    """One of +-1, +-1/2, +-1/4, +-1/8 by a table of borders midway between neighbours; nothing below 3/32."""
    size = np.abs(v)
    return np.sign(v) * np.select([size >= 0.75, size >= 0.375, size >= 0.1875, size >= 0.09375], [1, 0.5, 0.25, 0.125])


def several_sizes(x, c, reset):
    """Both states from the sums so far: what is left is what came in minus what went out."""
    fired = np.zeros((1, UNITS))
    for t in range(STEPS):
        v = x[: t + 1].sum(0) / c["v_threshold"] - fired.sum(0)
        fired = np.vstack([fired, nearest_power(v)])
        yield fired[-1], {"v": v - fired[-1], "emitted": fired.sum(0)}


def greedy(v, largest):
    """Thresholds one after the other, from the largest down."""
    left, total = v.copy(), np.zeros_like(v)
    while largest >= 1:
        s = np.where(left >= largest, largest, 0.0)
        left, total, largest = left - s, total + s, largest / 2
    return total


def both_halves(x, c, reset):
    v, w = np.full(UNITS, 0.5), np.full(UNITS, 0.5)
    for x_t in x:
        v, w = v + x_t / c["v_threshold"], w - x_t / c["v_threshold"]
        up, down = greedy(v, 2), greedy(w, 2)
        v, w = v - up + down, w - down + up
        yield up - down, {"v": v, "w": w}


def stored(x, c, reset):
    v, store, total = np.zeros(UNITS), np.zeros(UNITS), np.zeros(UNITS)
    for x_t in x:
        v = v + x_t / c["v_threshold"]
        q = np.sign(v) * np.minimum(np.floor(np.abs(v) + 0.5), 3)
        v, total, store = v - q, total + q, store + np.maximum(-q, 0)
        release = np.where(total >= 0, np.minimum(store, 3), 0.0)
        store = store - release
        yield np.maximum(q, 0) - release, {"v": v, "store": store, "total": total}


RESETS = ("subtract", "to_zero", "none")
OWN = ("own",)
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
    "ATLIF": (leak_multiplied, {"decay": 0.75, "v_threshold": 1.25}, (13, -0.25, 1.5), OWN),
    "LMH": (
        dendrite_and_soma,
        {"v_threshold": 1.25, "a1": 0.25, "b1": -0.375, "a2": 0.75, "b2": 1.25},
        (14, -0.5, 1.75),
        OWN,
    ),
    "PLIF": (leak_parametric, {"tau": 2.5, "v_threshold": 0.75}, (4, -0.5, 2.5), RESETS),
    "ALIF": (
        leak_adaptive,
        {"tau": 4.0, "tau_adapt": 6.0, "strength": 1.8, "v_threshold": 0.75},
        (5, 0.0, 2.0),
        RESETS,
    ),
    "DN": (
        second_order,
        {"decay_syn": 0.5, "v_to_u": -0.172, "u_to_u": -0.2, "v_reset": 0.021, "u_jump": 0.132, "v_threshold": 0.5},
        (23, -0.3, 0.6),
        ("to_zero",),
    ),
    "CubaLIF": (
        leak_current,
        {"tau_syn": 1.5, "tau_mem": 4.0, "v_threshold": 1.5},
        (6, -0.5, 1.5),
        RESETS,
    ),
    "MultiThresholdIF": (several_sizes, {"v_threshold": 0.75}, (11, -1.25, 1.25), OWN),
    "HarmonyPair": (both_halves, {"v_threshold": 0.25}, (10, -0.9, 0.9), OWN),
    "HarmonyStore": (stored, {"v_threshold": 0.25}, (12, -0.8, 1.0), OWN),
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

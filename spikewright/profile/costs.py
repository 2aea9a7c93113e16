"""What one operation costs in joules: named tables from published figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from ..core.errors import ArgumentError, sentence


@dataclass(frozen=True, kw_only=True)
class CostTable:
    """Energy of single operations, in joules; None where the source gives none.

    Args:
        name: its name in reports.
        mac_joule: one multiply-accumulate of analog values.
        ac_joule: one synaptic operation: the accumulation that one spike causes at one output.
        addition_joule: one addition outside of a synaptic layer, or of a bias.
        neuron_update_joule: one neuron in one time step, whether it fires or not.
        source: where the figures are published.
        note: what they hold, what they leave out, what of them is derived here, and how far they were checked.
    """

    name: str
    mac_joule: float | None
    ac_joule: float
    addition_joule: float | None
    neuron_update_joule: float | None
    source: str
    note: str

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not field.name.endswith("_joule") or value is None:
                continue
            if not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ArgumentError(
                    sentence(
                        f"CostTable.{field.name}", repr(value), "a finite number of at least 0, in joules, or None"
                    )
                )


_HOROWITZ = (
    'Horowitz 2014, "Computing\'s Energy Problem (and what we can do about it)", ISSCC 2014, pp. 10-14, figure 1.1.9, '
    "doi 10.1109/ISSCC.2014.6757323: 45 nm, 0.9 V"
)
UNCHECKED = "as commonly cited; not checked against the original"
QUOTED = "as quoted from it in PMC8934428, table 3; not checked against the original"
_ARITHMETIC = (
    "Arithmetic alone: no memory, control or leakage. A neuron update is taken as two additions, one to compare with "
    "the threshold and one to reset; a leak would add a multiplication."
)


def _horowitz(name: str, multiply: float, add: float, note: str) -> CostTable:
    return CostTable(
        name=name,
        mac_joule=(multiply + add) * 1e-12,
        ac_joule=add * 1e-12,
        addition_joule=add * 1e-12,
        neuron_update_joule=2 * add * 1e-12,
        source=_HOROWITZ,
        note=f"{note} {_ARITHMETIC}",
    )


FLOAT32_45NM = _horowitz("float32_45nm", 3.7, 0.9, f"Multiplication 3.7 pJ, addition 0.9 pJ, {QUOTED}.")
"""The table behind most published ratios: 4.6 pJ per MAC, 0.9 pJ per accumulation."""

INT32_45NM = _horowitz("int32_45nm", 3.1, 0.1, f"Multiplication 3.1 pJ, addition 0.1 pJ, {QUOTED}.")

INT8_45NM = _horowitz(
    "int8_45nm",
    0.2,
    0.03,
    f"Multiplication 0.2 pJ, addition 0.03 pJ, {UNCHECKED}. Sums are kept in 8 bits, which real networks overflow; "
    "int8_int32_45nm keeps them in 32.",
)

INT8_INT32_45NM = _horowitz(
    "int8_int32_45nm",
    0.2,
    0.1,
    f"Multiplication of 8 bits 0.2 pJ, {UNCHECKED}; addition of 32 bits 0.1 pJ, {QUOTED}.",
)
"""How 8-bit networks are computed: the sum needs more bits than the factors."""

LOIHI = CostTable(
    name="loihi",
    mac_joule=None,
    ac_joule=23.6e-12,
    addition_joule=None,
    neuron_update_joule=81e-12,
    source='Davies et al. 2018, "Loihi: A Neuromorphic Manycore Processor with On-Chip Learning", IEEE Micro 38(1), '
    "pp. 82-99, table 2, doi 10.1109/MM.2018.112130359: 14 nm, 0.75 V",
    note=f"Pre-silicon estimates, {UNCHECKED}. 23.6 pJ is the least energy of a synaptic operation, 81 pJ that of an "
    "active neuron's update (an inactive one: 52 pJ); every neuron is charged as active. Spike transport (1.7 pJ in a "
    "tile, 3 to 4 pJ per hop) and static power are left out. Not defined: multiply-accumulates of analog values.",
)

TRUENORTH = CostTable(
    name="truenorth",
    mac_joule=None,
    ac_joule=26e-12,
    addition_joule=0.0,
    neuron_update_joule=0.0,
    source='Merolla et al. 2014, "A million spiking-neuron integrated circuit with a scalable communication network '
    'and interface", Science 345(6197), pp. 668-673, doi 10.1126/science.1254642: 28 nm, 0.775 V',
    note="Measured power of the whole chip divided by its synaptic events, at 20 Hz and 128 active synapses per "
    f"neuron, {UNCHECKED}: updates, transport and static power are inside, so it holds near that operating point only. "
    "Not defined: multiply-accumulates of analog values.",
)

SOP_77FJ = CostTable(
    name="sop_77fj",
    mac_joule=3.97e-12,
    ac_joule=77e-15,
    addition_joule=0.0,
    neuron_update_joule=0.0,
    source='Xu et al. 2025, "Proxy Target", NeurIPS 2025, arXiv 2505.24161: 3.97 pJ per multiply-accumulate, 77 fJ per '
    "synaptic operation",
    note=f"As used there, {UNCHECKED}. A synaptic operation at a fiftieth of a multiply-accumulate belongs to other "
    "hardware than that, so a ratio of the two favours spikes. Biases, neuron updates and memory cost nothing.",
)
"""The table of the published spiking actors."""

COST_TABLES = {
    table.name: table for table in (FLOAT32_45NM, INT32_45NM, INT8_45NM, INT8_INT32_45NM, LOIHI, TRUENORTH, SOP_77FJ)
}
"""Name -> table, for flags and reports."""

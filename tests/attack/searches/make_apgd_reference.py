"""Golden points of APGD, by its authors' code (the package pyautoattack), from given starts, in float64.

Run it to write `apgd_reference.json` beside it:  python -m tests.attack.searches.make_apgd_reference
"""

import json
import re
from importlib.metadata import version
from pathlib import Path

import torch
from pyautoattack.autopgd_base import APGDAttack

from tests.attack.searches.test_apgd import clean_batch, smooth_network

SETTINGS = [("Linf", 0.08, 10, "ce"), ("Linf", 0.08, 60, "dlr"), ("L2", 0.1, 10, "dlr"), ("L2", 0.2, 60, "ce")]


def best_points(norm: str, eps: float, steps: int, loss: str) -> torch.Tensor:
    """The points with the highest loss, [N, ...]."""
    torch.set_default_dtype(torch.float64)  # the code makes tensors of its own
    view = smooth_network()
    x, y, start = clean_batch(view)
    attack = APGDAttack(view, n_iter=steps, norm=norm, eps=eps, loss=loss, device="cpu")
    attack.init_hyperparam(x)
    return attack.attack_single_run(x, y, x_init=start)[0].detach()


if __name__ == "__main__":
    runs = [
        {
            "norm": norm,
            "eps": eps,
            "steps": steps,
            "loss": loss,
            "best": best_points(norm, eps, steps, loss).flatten(1).tolist(),
        }
        for norm, eps, steps, loss in SETTINGS
    ]
    origin = (
        f"pyautoattack {version('pyautoattack')}, APGDAttack.attack_single_run, torch {torch.__version__.split('+')[0]}"
    )
    text = json.dumps({"origin": origin, "runs": runs}, indent=1)
    text = re.sub(r"\[\s+(-?\d[^][]*?)\s+\]", lambda found: "[" + " ".join(found[1].split()) + "]", text)
    Path(__file__).with_name("apgd_reference.json").write_text(text + "\n", encoding="utf-8")

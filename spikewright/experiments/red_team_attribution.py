"""attributed(): attribution methods on pictures that hold a patch, scored by where it lies, per network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..data.images import ImageDataset
from ..interpret import score_methods
from ..redteam.success import held_out, triggered
from ..report.atomic import write_atomic
from ..report.strict_json import dumps, loads
from ..report.table import Table
from .red_team_networks import TROJANED, Suspects

if TYPE_CHECKING:
    from .red_teaming import RedTeamRun


def attributed(
    config: RedTeamRun,
    found: Suspects,
    test: ImageDataset,
    folder: Path,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, tuple[Table, ...]]:
    """Score every method on pictures that get the target because of a patch; tables by name of the network.

    Args:
        config: the run.
        found: networks and trojans.
        test: held-out data.
        folder: of the run; keeps attribution-NAME.json.
        say: told what was finished.
    """
    patches = [trojan for trojan in found.kept if trojan.kind == "patch"]
    if not config.attribution or not patches:
        return {}
    tables = {}
    for name in found.names:
        path = folder / f"attribution-{name}.json"
        if path.exists():
            tables[name] = tuple(Table.from_dict(each) for each in loads(path.read_text(), str(path)))
            continue
        network, images, masks, targets = found.networks[name, TROJANED], [], [], []
        for trojan in patches:
            places = held_out(trojan, test, 10 * config.attributed, config.seed)
            shown, covered = triggered(trojan, test, places, config.seed)
            with torch.no_grad():
                worked = (network(shown).argmax(1) == trojan.target).nonzero().flatten()[: config.attributed]
            images.append(shown[worked])
            masks.append(covered[worked, 0])
            targets += [trojan.target] * len(worked)
        scored = score_methods(
            network, torch.cat(images), torch.cat(masks), torch.tensor(targets), config.attribution, config.seed
        )
        tables[name] = scored.tables()
        write_atomic(path, dumps([each.to_dict() for each in tables[name]]) + "\n")
        say(f"{name} network: {len(config.attribution)} attribution methods on {len(targets)} pictures")
    return tables

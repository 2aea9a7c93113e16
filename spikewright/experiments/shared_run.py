"""One run folder for all processes of a run: the first one makes it and writes into it, the others know where it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.processes import answering
from ..report import RunFolder

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@contextmanager
def begun_run(
    fabric: Fabric, root: Path, name: str, config: Any, environment: Mapping[str, Any]
) -> Iterator[RunFolder]:
    """The folder of a new run, as `RunFolder.begin` makes it, the same in every process.

    Args:
        fabric: the processes; only the first one may write into the folder.
        root, name, config, environment: as for `RunFolder.begin`.

    Raises:
        RunFolderError: as `RunFolder.begin`, in the first process.
        ProcessError: in the others, if the first one has ended.
    """
    if not fabric.is_global_zero:
        with answering("run folder", fabric):
            path = fabric.broadcast(None)
        yield RunFolder(Path(str(path)))
        return
    with RunFolder.begin(root, name, config, {**environment, "processes": fabric.world_size}) as folder:
        fabric.broadcast(str(folder.path.resolve()) if fabric.world_size > 1 else None)
        yield folder

"""What can go wrong with a report or its folder, in sentences that say what to do."""

from __future__ import annotations

import errno
from pathlib import Path


class ReportError(ValueError):
    """A table, figure or report that does not fit together, or JSON that does not hold one."""


class RunFolderError(OSError):
    """A run folder that cannot be made, written or read."""


_CAUSES = {
    errno.ENOSPC: ("no space left on the disk", "a disk with free space", "Free some space, or choose"),
    errno.EDQUOT: ("the disk quota used up", "a disk with free space", "Free some space, or choose"),
    errno.EACCES: ("no permission to write", "a folder you may write to", "Change its rights, or choose"),
    errno.EPERM: ("no permission to write", "a folder you may write to", "Change its rights, or choose"),
    errno.EROFS: ("a read-only disk", "a folder you may write to", "Choose"),
    errno.ENOTDIR: ("a file where a folder has to be", "a folder", "Move that file away, or choose"),
    errno.EEXIST: ("a file where a folder has to be", "a folder", "Move that file away, or choose"),
    errno.ENAMETOOLONG: ("a name too long for this disk", "a shorter path", "Choose"),
}


def explain(error: OSError, path: Path) -> RunFolderError:
    """Turn what the operating system said about a path into a sentence with a way out.

    Args:
        error: the failure as Python reports it; its `errno` is kept.
        path: the file or folder that was to be written.

    Example:
        >>> str(explain(OSError(errno.ENOSPC, "full"), Path("runs"))).partition(";")[0]
        'runs: got no space left on the disk'
    """
    met, allowed, todo = _CAUSES.get(
        error.errno or 0, (error.strerror or str(error), "a folder that can be written", "Choose")
    )
    explained = RunFolderError(f"{path}: got {met}; expected {allowed}. {todo} another folder for the run.")
    explained.errno = error.errno
    return explained

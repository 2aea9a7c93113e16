"""Compiled loops on parts of their work at the same time: every part once, also in a forked process."""

import os
import subprocess
import sys
import textwrap

import pytest
import torch

from spikewright.core.parallel import over_parts


@pytest.mark.parametrize(("threads", "total"), [(1, 5), (2, 5), (3, 2), (2, 0)])
def test_every_part_is_run_once(threads, total):
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(threads)
    try:
        over_parts(lambda found, first, last: found.extend(range(first, last)), (seen,), total)
    finally:
        torch.set_num_threads(before)
    assert sorted(seen) == list(range(total))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own():
    script = """
        import os, torch
        from spikewright.core.parallel import over_parts
        torch.set_num_threads(2)
        run = lambda found, first, last: found.append(last - first)
        over_parts(run, ([],), 4)
        child = os.fork()
        if not child:
            found = []
            over_parts(run, (found,), 4)
            os._exit(sum(found))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], check=True, timeout=120)

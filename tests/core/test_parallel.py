"""Compiled loops on parts of their work at the same time: every part once, also in a forked process."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest
import torch

from spikewright.core.parallel import WORTH_A_THREAD, over_parts, threads_for, threads_restored


@pytest.mark.parametrize(("threads", "total"), [(1, 5), (2, 5), (3, 2), (2, 0)])
def test_every_part_is_run_once(threads, total):
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(threads)
    try:
        over_parts(lambda found, first, last: found.extend(range(first, last)), (seen,), total)
    finally:
        torch.set_num_threads(before)
    assert sorted(seen) == list(range(total))


def test_the_first_part_is_run_by_the_thread_that_calls():
    def where(found, first, last):
        found[first] = threading.current_thread()

    seen = {}
    with threads_restored():
        torch.set_num_threads(3)
        over_parts(where, (seen,), 6)
    assert sorted(seen) == [0, 2, 4]
    assert seen[0] is threading.current_thread()
    assert threading.current_thread() not in (seen[2], seen[4])


def test_an_error_in_any_part_is_raised():
    def fails(at, first, last):
        if first <= at < last:
            raise ValueError(at)

    with threads_restored():
        torch.set_num_threads(2)
        for at in (0, 3):
            with pytest.raises(ValueError, match=str(at)):
                over_parts(fails, (at,), 4)


@pytest.mark.parametrize(
    ("shares", "allowed", "threads"), [(0.0, 8, 1), (1.9, 8, 1), (2.1, 8, 2), (5.5, 8, 5), (1e6, 8, 8), (1e6, 1, 1)]
)
def test_every_thread_gets_work_that_is_worth_it(shares, allowed, threads):
    assert threads_for(shares * WORTH_A_THREAD, allowed) == threads


def test_the_number_of_threads_is_put_back_after_an_error():
    def broken(allowed):
        torch.set_num_threads(allowed + 1)
        raise ValueError(allowed)

    before = torch.get_num_threads()
    with pytest.raises(ValueError, match=f"^{before}$"), threads_restored() as allowed:
        broken(allowed)
    assert torch.get_num_threads() == before


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

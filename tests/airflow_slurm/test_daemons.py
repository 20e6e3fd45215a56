"""Daemons: what counts as running."""

import subprocess
import sys

import psutil
import pytest
from airflow_slurm.private_cluster import daemons

# The first thread ends at once; another one lives until its input ends.
HALF_ENDED = """
import ctypes, sys, threading
threading.Thread(target=sys.stdin.read).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def half_ended():
    with subprocess.Popen(
        [sys.executable, "-c", HALF_ENDED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "ready\n"
        process = psutil.Process(child.pid)
        assert daemons.wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, 10)
        yield process, child.stdin
        child.kill()


def test_a_process_runs_as_long_as_one_of_its_threads(half_ended):
    process, its_input = half_ended
    assert daemons.runs(process)
    assert daemons.wait_until_gone([process], 0.05) == [process]
    its_input.close()
    assert daemons.wait_until_gone([process], 10) == []
    assert process.status() == psutil.STATUS_ZOMBIE  # nobody has collected it

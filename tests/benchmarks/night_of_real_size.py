"""What the house itself costs in a night of real size: ``.venv/bin/python tests/benchmarks/night_of_real_size.py``."""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "processing"))

import real_size

from stereo_tasks.planning.plan import Plan


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        settings = real_size.make_night(Path(folder))
        begin = time.process_time()
        plan = real_size.plan_of(settings)
        planned_s = time.process_time() - begin
        path = plan.save()
        begin = time.process_time()
        Plan.load(path)
        loaded_s = time.process_time() - begin
        tally = real_size.run_night(plan, settings)
        print(f"elements                        {tally.elements}")
        print(f"planned in                      {planned_s:.2f} s of CPU")
        print(f"plan                            {path.stat().st_size / 1e6:.1f} MB, loaded in {loaded_s:.2f} s of CPU")
        reads = tally.records_read
        print(f"records read                    {reads}, {reads / tally.elements:.1f} an element")
        print(f"jobs                            {sum(tally.jobs.values())}: {dict(tally.jobs)}")
        print(f"CPU of all tasks                {tally.cpu_s['control']:.1f} s")
        print(f"CPU of all jobs, without tools  {tally.cpu_s['jobs']:.1f} s")


if __name__ == "__main__":
    main()

"""A cluster of two workers on this machine, and a batch on it: `python benchmarks/two_workers.py`.

What follows on the command line goes to `course run`; without it, all chapters run on sample data.
On real machines the same is done by `dask scheduler`, `dask worker` and `course run --scheduler`.
"""

import subprocess
import sys

from distributed import LocalCluster

from helpers.places import ROOT


def main() -> int:
    """Start the workers, run the batch, and end them."""
    asked = sys.argv[1:] or ["--profile", "sample"]
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(f"two workers behind {cluster.scheduler_address}", flush=True)
        words = [sys.executable, "-m", "course", "run", *asked]
        return subprocess.run(
            [*words, "--scheduler", cluster.scheduler_address], cwd=ROOT
        ).returncode


if __name__ == "__main__":
    sys.exit(main())

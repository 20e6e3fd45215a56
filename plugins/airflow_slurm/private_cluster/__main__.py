"""The command line: ``python -m airflow_slurm.private_cluster start|stop|status DIR``."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from airflow_slurm.private_cluster.cluster import PrivateCluster
from airflow_slurm.private_cluster.errors import PrivateClusterError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 if all is well, 1 for an error, 3 if ``status`` finds that not everything runs.
    """
    given = _parser().parse_args(arguments)
    cluster = PrivateCluster(given.directory, **(_shape(given) if given.action == "start" else {}))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if given.action == "stop":
            cluster.stop(keep_queue=given.keep_queue)
            return 0
        if given.action == "start":
            cluster.start()
            print(f"export SLURM_CONF={cluster.conf}")
            return 0
        status = cluster.status()
    except PrivateClusterError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    for name, runs in status.daemons.items():
        print(f"{name:12} {'running' if runs else 'died'}")
    print(status.nodes if status.daemons else "stopped")
    return 0 if status.running else 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_slurm.private_cluster", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, text in (("start", "start it"), ("stop", "end it with all its jobs"), ("status", "say what runs")):
        command = actions.add_parser(name, help=text)
        command.add_argument("directory", type=Path, help="where its configuration, logs and state are")
        if name == "start":
            _add_shape(command)
        if name == "stop":
            command.add_argument("--keep-queue", action="store_true", help="the next start goes on with what waits")
    return parser


def _add_shape(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--cpus-per-node", type=int, default=8, help="processors that each node claims (8)")
    parser.add_argument("--memory-mb", type=int, default=20_000, help="memory that each node claims (20000)")
    parser.add_argument("--niceness", type=int, default=0, help="how much jobs stand back behind everything else (0)")
    parser.add_argument("--accounting", action="store_true", help="with a database of jobs, for sacct")
    parser.add_argument(
        "--requeue",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="what jobs do that do not say (--requeue)",
    )
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="for slurm.conf")
    parser.add_argument(
        "--partition",
        action="append",
        default=[],
        metavar="NAME[:OPTIONS]",
        help="instead of the usual two; options in SLURM's words, such as 'night:Default=YES MaxTime=60'",
    )


def _shape(given: argparse.Namespace) -> dict[str, Any]:
    options = dict(_pair(text, "=") for text in given.option)
    return {
        "nodes": given.nodes,
        "cpus": given.cpus_per_node,
        "memory_mb": given.memory_mb,
        "accounting": given.accounting,
        "niceness": given.niceness,
        "options": {"JobRequeue": str(int(given.requeue)), **options},
        "partitions": dict(_pair(text, ":") for text in given.partition) or None,
    }


def _pair(text: str, separator: str) -> tuple[str, str]:
    key, _, value = text.partition(separator)
    return key, value


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

"""The stereo log: one row a night and source, written by people, read with suspicion."""

from stereo_tasks.stereo_log.fetch import FetchedLog, fetch_log
from stereo_tasks.stereo_log.observation import LogProblem, Observation, StereoLog, StereoLogError, shared_runs
from stereo_tasks.stereo_log.reading import read_log, read_site_log
from stereo_tasks.stereo_log.selection import Selection, select

__all__ = [
    "FetchedLog", "LogProblem", "Observation", "Selection", "StereoLog", "StereoLogError", "fetch_log", "read_log",
    "read_site_log", "select", "shared_runs",
]  # fmt: skip

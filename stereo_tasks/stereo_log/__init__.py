"""The stereo log: one row a night and source, written by people, read with suspicion."""

from stereo_tasks.stereo_log.observation import LogProblem, Observation, StereoLog, StereoLogError, shared_runs
from stereo_tasks.stereo_log.reading import read_log
from stereo_tasks.stereo_log.selection import Selection, select

__all__ = ["LogProblem", "Observation", "Selection", "StereoLog", "StereoLogError", "read_log", "select", "shared_runs"]

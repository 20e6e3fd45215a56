"""The plainest stage: one command for each number, and a file for each that ended well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_EACH = """\
folder=$0 name=$1 words=$2
shift 2
for index in "${@:words+1}"; do
    if "${@:1:words}" "$index"; then : >"$folder/${name}_$index.done"; else code=$?; fi
done
exit "${code:-0}"
"""


@dataclass(frozen=True, slots=True)
class PlainOutcome:
    """What became of an element: ``done``, or None if it did not end well."""

    state: str | None
    reason: str = ""


@dataclass(frozen=True)
class CommandArray:
    """A command that is run once for each index, with the index as its last argument.

    An element is done when its command has ended with exit code 0; a file ``{name}_{index}.done`` in the folder says
    so. Another run of the task does what is not done yet; remove the files, or take another folder, to do all again.

    Parameters
    ----------
    name : str
        What is done, for people and file names: letters, digits, and ``._-``.
    program : sequence of str
        Program and arguments.
    elements : sequence of int
        The indices.
    folder : pathlib.Path
        Where logs and those files go, under the same path on all nodes.
    env : mapping
        Variables that the command sees, beside those of `ArraySpec.job_env`.
    memory_mb : int
        Limit of a job's memory, in MB (10^6 bytes).
    time_s : float
        How long an element takes at the most, in seconds.
    start_s : float
        What the start of a job takes, in seconds.
    job_time_max_s : float
        No job is planned longer, in seconds.
    per_job : int
        Elements a job works on at the most, one after the other; good for elements of seconds.
    """

    name: str
    program: Sequence[str]
    elements: Sequence[int]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    memory_mb: int = 2000
    time_s: float = 3600
    start_s: float = 0
    job_time_max_s: float = 86_400
    per_job: int = 1

    def outcomes(self) -> dict[int, PlainOutcome]:
        """Return what became of each element, for `SlurmArrayOperator`."""
        return {index: PlainOutcome("done" if self._file(index).exists() else None) for index in self.elements}

    @property
    def indices(self) -> tuple[int, ...]:
        """The elements that are not done."""
        return tuple(index for index in self.elements if not self._file(index).exists())

    @property
    def element_time_s(self) -> dict[int, float]:
        """How long each element is expected to take, in seconds."""
        return dict.fromkeys(self.elements, self.time_s)

    @property
    def command(self) -> tuple[str, ...]:
        """What a job runs, with its indices behind it."""
        return ("bash", "-c", _EACH, str(self.folder), self.name, str(len(self.program)), *self.program)

    @property
    def total(self) -> int:
        """All elements, done or not."""
        return len(self.elements)

    @property
    def log_folder(self) -> Path:
        """Where the output of the jobs goes."""
        return self.folder

    @property
    def labels(self) -> dict[int, str]:
        """What the elements are called."""
        return {index: f"{self.name} {index}" for index in self.elements}

    def _file(self, index: int) -> Path:
        return Path(self.folder) / f"{self.name}_{index}.done"

"""MAGIC's image cleaning with bad pixels, for all events of a subrun at once.

Follows ``MAGICClean`` and ``PixelTreatment`` of ``magicctapipe.image.cleaning`` operation by operation: charges and
times stay float32, and sums are added in numpy's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.camera import Camera, Groups
from stereo_tasks.kernels.compile import jit
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.interpolated_pixels import interpolate
from stereo_tasks.kernels.islands import brightest_island_time

CLIPPING_PE = 750.0
"""magic-cta-pipe's, which no configuration of ours sets."""

_KNOWN = frozenset(
    {
        "use_time",
        "use_sum",
        "find_hotpixels",
        "pedestal_type",
        "picture_thresh",
        "boundary_thresh",
        "max_time_off",
        "max_time_diff",
    }
)
_MARGIN = 1e-3
"""What rounding can never reach, as a part of a threshold of charge."""


class GroupCut(NamedTuple):
    """When the pixels of a group of neighbours belong to a shower; charges in p.e., time in ns, all float32.

    Parameters
    ----------
    clip : float
        Charges are cut off here before they are added.
    window : float
        How far a pixel's time may be from the mean of the group.
    threshold : float
        The sum of the charges must be above it.
    lowest : float
        No group with a pixel below can reach the threshold.
    """

    clip: np.float32
    window: np.float32
    threshold: np.float32
    lowest: np.float32


class Thresholds(NamedTuple):
    """Thresholds of the cleaning in float32, as numpy compares them; charges in p.e., times in ns.

    Parameters
    ----------
    pairs, triples, quadruples : GroupCut
        Cuts of the groups.
    bright : float
        Pixels above and below it have different time cuts.
    bright_time, faint_time : float
        Largest distances to the mean time of the brightest island.
    boundary : float
        Charge of a pixel at the boundary.
    boundary_time : float
        Largest distance in time of a pixel at the boundary to its neighbour in the core.
    """

    pairs: GroupCut
    triples: GroupCut
    quadruples: GroupCut
    bright: np.float32
    bright_time: np.float32
    faint_time: np.float32
    boundary: np.float32
    boundary_time: np.float32


def thresholds(config: Mapping[str, Any]) -> Thresholds:
    """Return the thresholds for magic-cta-pipe's configuration ``MAGIC.magic_clean``.

    Raises
    ------
    NotCovered
        If it asks for another cleaning, or has keys that are unknown here.
    """
    if unknown := sorted(set(config) - _KNOWN):
        raise NotCovered(f"magic_clean sets {', '.join(unknown)}")
    if missing := sorted(_KNOWN - set(config)):
        raise NotCovered(f"magic_clean lacks {', '.join(missing)}")
    for key in ("use_time", "use_sum", "find_hotpixels"):
        if config[key] is not True:
            raise NotCovered(f"magic_clean: {key} is {config[key]}")
    picture = config["picture_thresh"]
    # Per pixel, and windows in ns: the defaults of MAGICClean, from MARS's star_MX_OSA.rc.
    pair_sum, triple_sum, quadruple_sum = 1.8 * 2 * picture, 1.3 * 3 * picture, 1.0 * 4 * picture
    return Thresholds(
        _group_cut(2.2 * pair_sum / 2.0, 0.82 / 1.639, pair_sum, 2),
        _group_cut(1.05 * triple_sum / 3.0, 1.15 / 1.639, triple_sum, 3),
        _group_cut(1.05 * quadruple_sum / 4.0, 1.80 / 1.639, quadruple_sum, 4),
        np.float32(2 * picture),
        np.float32(2 * config["max_time_off"]),
        np.float32(config["max_time_off"]),
        np.float32(config["boundary_thresh"]),
        np.float32(config["max_time_diff"]),
    )


def _group_cut(clip: float, window: float, threshold: float, size: int) -> GroupCut:
    lowest = threshold - (size - 1) * clip - _MARGIN * abs(threshold)
    return GroupCut(np.float32(clip), np.float32(window), np.float32(threshold), np.float32(lowest))


def clean(
    charge_pe: NDArray[np.float32],
    time_ns: NDArray[np.float32],
    unsuitable: NDArray[np.bool_],
    unsuitable_row: NDArray[np.int64],
    camera: Camera,
    limits: Thresholds,
) -> NDArray[np.bool_]:
    """Interpolate bad pixels and find those that belong to a shower.

    Parameters
    ----------
    charge_pe, time_ns : numpy.ndarray
        Shape (events, pixels), float32: charge in p.e. and arrival time in ns; changed in place: bad pixels are
        interpolated, and charges cut off at 750 p.e.
    unsuitable : numpy.ndarray
        Shape (sets, pixels): sets of bad pixels.
    unsuitable_row : numpy.ndarray
        Shape (events,): the set of each event.
    camera : Camera
        The camera.
    limits : Thresholds
        From `thresholds`.

    Returns
    -------
    numpy.ndarray
        Shape (events, pixels), bool: the pixels that survive.
    """
    mask = np.zeros(charge_pe.shape, dtype=np.bool_)
    _clean(
        charge_pe,
        time_ns,
        unsuitable,
        unsuitable_row,
        camera.neighbours,
        (camera.pairs, camera.triples, camera.quadruples),
        limits,
        np.float32(CLIPPING_PE),
        mask,
    )
    return mask


@jit
def _clean(
    charge: NDArray[np.float32],
    time: NDArray[np.float32],
    unsuitable: NDArray[np.bool_],
    unsuitable_row: NDArray[np.int64],
    neighbours: NDArray[np.int16],
    groups: tuple[Groups, Groups, Groups],
    limits: Thresholds,
    clipping: np.float32,
    mask: NDArray[np.bool_],
) -> None:
    n_events, n_pixels = charge.shape
    unmapped = np.zeros(n_pixels, dtype=np.bool_)
    work = np.zeros(n_pixels, dtype=np.float32)
    for event in range(n_events):
        one_charge, one_time, one_mask = charge[event], time[event], mask[event]
        interpolate(one_charge, one_time, unsuitable[unsuitable_row[event]], neighbours, unmapped, work)
        _mark_groups(one_charge, one_time, unmapped, groups[0], limits.pairs, one_mask)
        _mark_groups(one_charge, one_time, unmapped, groups[1], limits.triples, one_mask)
        _mark_groups(one_charge, one_time, unmapped, groups[2], limits.quadruples, one_mask)
        if one_mask.any():
            _keep_coincident(one_charge, one_time, neighbours, limits, one_mask)
            _remove_isolated(neighbours, one_mask)
            _add_boundary(one_charge, one_time, neighbours, limits, one_mask)
        for pixel in range(n_pixels):
            if one_charge[pixel] > clipping:
                one_charge[pixel] = clipping


@jit
def _mark_groups(
    charge: NDArray[np.float32],
    time: NDArray[np.float32],
    unmapped: NDArray[np.bool_],
    groups: Groups,
    cut: GroupCut,
    mask: NDArray[np.bool_],
) -> None:
    """Mark the pixels of all groups that are bright and simultaneous (``MAGICClean.group_calculation``)."""
    for pixel in range(len(charge)):
        if unmapped[pixel] or not charge[pixel] > cut.lowest:
            continue
        for group in range(groups.start[pixel], groups.start[pixel + 1]):
            total = _group_charge(charge, unmapped, groups.pixels, group, cut)
            if total > cut.threshold and total != 0 and _simultaneous(charge, time, groups.pixels, group, total, cut):
                for k in range(groups.pixels.shape[1]):
                    mask[groups.pixels[group, k]] = True


@jit
def _group_charge(
    charge: NDArray[np.float32], unmapped: NDArray[np.bool_], groups: NDArray[np.int16], group: int, cut: GroupCut
) -> np.float32:
    """Return the sum of the charges, cut off; NaN for a group that cannot reach the threshold."""
    total = np.float32(0)
    for k in range(groups.shape[1]):
        member = groups[group, k]
        if unmapped[member] or not charge[member] > cut.lowest:
            return np.float32(np.nan)
        total += min(charge[member], cut.clip)
    return total


@jit
def _simultaneous(
    charge: NDArray[np.float32],
    time: NDArray[np.float32],
    groups: NDArray[np.int16],
    group: int,
    total: np.float32,
    cut: GroupCut,
) -> bool:
    """Return whether all times are close to their mean, weighted with the charges."""
    weighted = np.float32(0)
    for k in range(groups.shape[1]):
        member = groups[group, k]
        weighted += min(charge[member], cut.clip) * time[member]
    mean = weighted / total
    for k in range(groups.shape[1]):  # noqa: SIM110 - numba compiles no generator expressions
        if not abs(mean - time[groups[group, k]]) < cut.window:
            return False
    return True


@jit
def _keep_coincident(
    charge: NDArray[np.float32],
    time: NDArray[np.float32],
    neighbours: NDArray[np.int16],
    limits: Thresholds,
    mask: NDArray[np.bool_],
) -> None:
    """Drop pixels that are far in time from the brightest island (``magic_clean_step2b``)."""
    mean = brightest_island_time(charge, time, neighbours, mask)
    for pixel in range(len(charge)):
        distance = abs(time[pixel] - mean)
        too_far = (charge[pixel] > limits.bright and distance > limits.bright_time) or (
            charge[pixel] < limits.bright and distance > limits.faint_time
        )
        if too_far:
            mask[pixel] = False


@jit
def _has_marked_neighbour(pixel: int, neighbours: NDArray[np.int16], mask: NDArray[np.bool_]) -> bool:
    for neighbour in neighbours[pixel]:  # noqa: SIM110 - numba compiles no generator expressions
        if neighbour >= 0 and mask[neighbour]:
            return True
    return False


@jit
def _remove_isolated(neighbours: NDArray[np.int16], mask: NDArray[np.bool_]) -> None:
    """Drop pixels without a neighbour, all judged before any is dropped."""
    before = mask.copy()
    for pixel in range(len(mask)):
        if before[pixel] and not _has_marked_neighbour(pixel, neighbours, before):
            mask[pixel] = False


@jit
def _add_boundary(
    charge: NDArray[np.float32],
    time: NDArray[np.float32],
    neighbours: NDArray[np.int16],
    limits: Thresholds,
    mask: NDArray[np.bool_],
) -> None:
    """Add pixels with some charge beside a pixel of the core at the same time (``magic_clean_step3b``)."""
    core = mask.copy()
    for pixel in range(len(charge)):
        if core[pixel] or not charge[pixel] > limits.boundary:
            continue
        for neighbour in neighbours[pixel]:
            if neighbour >= 0 and core[neighbour] and abs(time[neighbour] - time[pixel]) < limits.boundary_time:
                mask[pixel] = True
                break

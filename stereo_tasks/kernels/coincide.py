"""``event_coincidence`` of magic-cta-pipe's ``lst1_magic_event_coincidence``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.event_tables import Columns, group_starts, order_of, taken, write_columns
from stereo_tasks.kernels.instrument import create_file, joint_instrument, prepared
from stereo_tasks.kernels.lst_subruns import LstSubrun, read_lst_subrun
from stereo_tasks.kernels.magic_runs import MagicImages, MagicRuns, magic_runs
from stereo_tasks.kernels.quantities import NS_TO_S, NS_TO_US, US_TO_NS, quantity
from stereo_tasks.kernels.telescopes import LST1, M1, M2, check_telescopes, stereo_images
from stereo_tasks.kernels.time_offsets import Scan, brightest, pairs, probable_offset_us, scan, scanned_offsets
from stereo_tasks.kernels.time_stamps import nanoseconds

NO_COINCIDENCE_EXIT = 3


@dataclass(frozen=True)
class Settings:
    """What the search is told.

    Parameters
    ----------
    timestamp : str
        Which of LST-1's times is used.
    half_width_ns : int
        Half width of the coincidence window.
    bright_events : int
        Number of events that the offset is looked for with.
    """

    timestamp: str
    half_width_ns: int
    bright_events: int


@dataclass(frozen=True)
class Match:
    """The coincidences of LST-1 with one MAGIC telescope.

    Parameters
    ----------
    telescope : int
        2 or 3.
    images : numpy.ndarray
        Shape (n,): numbers of the MAGIC images in the time of the subrun, of which each is written.
    magic, lst : numpy.ndarray
        Shape (n_pairs,): which image (among the n) and which LST-1 shower make a pair.
    scan : Scan
        Where they come from.
    """

    telescope: int
    images: NDArray[np.int64]
    magic: NDArray[np.int64]
    lst: NDArray[np.int64]
    scan: Scan


def event_coincidence(
    input_file_lst: str, input_dir_magic: str, output_dir: str, input_dir_toff: None = None, *, config: dict[str, Any]
) -> None:
    """Write the showers that LST-1 and MAGIC saw at the same time.

    Parameters
    ----------
    input_file_lst : str
        DL1 file of an LST-1 subrun.
    input_dir_magic : str
        Folder of MAGIC DL1 files.
    output_dir : str
        Folder of the product.
    input_dir_toff : None
        Offsets from elsewhere are not covered.
    config : dict
        magic-cta-pipe's configuration.

    Raises
    ------
    NotCovered
        If magic-cta-pipe's own tool is needed.
    SystemExit
        With code 3 if there is no coincidence, 7 without MAGIC events, 11 if many events are matched more than once.
    FileNotFoundError
        If the folder has no MAGIC file.
    ValueError
        If no shower was seen by two telescopes.
    ZeroDivisionError
        If the best offsets lie so far apart that there is none in the middle.
    """
    settings = _settings(config, input_dir_toff)
    subrun = read_lst_subrun(str(input_file_lst), settings.timestamp)
    runs = magic_runs(str(input_dir_magic))
    instrument = prepared(joint_instrument(subrun.instrument, runs.instrument))
    lst_ns = nanoseconds(subrun.column(settings.timestamp))
    found = [_match(telescope, runs.images(telescope), subrun, lst_ns, settings) for telescope in (M1, M2)]
    matches = [match for match in found if match is not None]
    if not matches:
        raise SystemExit(NO_COINCIDENCE_EXIT)
    images, feature = _joined(matches, subrun, runs, settings)
    images = stereo_images(_with_shower_ids(images))
    images |= {name: images[name].astype(np.int64) for name in ("obs_id", "event_id")}
    profile = _profile([match.scan for match in matches], [match.telescope for match in matches])

    path = Path(output_dir) / Path(input_file_lst).name.replace("LST", "MAGIC_LST")
    with create_file(path, instrument) as file:
        write_columns(file, "/events", "parameters", images)
        write_columns(file, "/coincidence", "feature", feature)
        write_columns(file, "/coincidence", "profile", profile)


def _settings(config: dict[str, Any], input_dir_toff: object) -> Settings:
    check_telescopes(config)
    coincidence = config["event_coincidence"]
    if input_dir_toff is not None:
        raise NotCovered("input_dir_toff")
    if not coincidence.get("pre_offset_search", False):
        raise NotCovered("pre_offset_search is false")
    half_width = quantity(coincidence["window_half_width"], {"ns": 1.0, "us": US_TO_NS}, "window_half_width")
    number = coincidence["n_pre_offset_search_events"]
    if not isinstance(number, int) or number < 1:
        raise NotCovered(f"n_pre_offset_search_events: {number}")
    if round(half_width) < 1:
        raise NotCovered(f"window_half_width: {coincidence['window_half_width']}")
    return Settings(coincidence["timestamp_type_lst"], round(half_width), number)


def _match(
    telescope: int, images: MagicImages, subrun: LstSubrun, lst_ns: NDArray[np.int64], settings: Settings
) -> Match | None:
    """Return the coincidences with one telescope; None if there are none."""
    magic_ns, half_width_ns = images.time_ns, settings.half_width_ns
    during = _between(magic_ns, lst_ns[0] - half_width_ns, lst_ns[-1] + half_width_ns)
    if not len(during):
        return None
    with_magic = _between(lst_ns, magic_ns[during[0]] - half_width_ns, magic_ns[during[-1]] + half_width_ns)
    if not len(with_magic):
        return None
    bright_magic = during[brightest(images.intensity[during], settings.bright_events)]
    bright_lst = with_magic[brightest(subrun.column("intensity", with_magic), settings.bright_events)]
    offset_us = probable_offset_us(magic_ns[bright_magic], lst_ns[bright_lst], half_width_ns)
    offsets_ns = scanned_offsets(offset_us, half_width_ns)
    during = _between(magic_ns, lst_ns[0] + offsets_ns[0] - half_width_ns, lst_ns[-1] + offsets_ns[-1] + half_width_ns)
    if not len(during):
        return None
    result = scan(magic_ns[during], lst_ns, offsets_ns, half_width_ns)
    if result is None:
        return None
    low, high = result.average_ns - half_width_ns, result.average_ns + half_width_ns
    magic, lst = pairs(magic_ns[during], lst_ns, low, high)
    return Match(telescope, during, magic, lst, result)


def _between(time_ns: NDArray[np.int64], first_ns: np.int64, last_ns: np.int64) -> NDArray[np.int64]:
    return np.flatnonzero((time_ns >= first_ns) & (time_ns <= last_ns))


def _joined(matches: list[Match], subrun: LstSubrun, runs: MagicRuns, settings: Settings) -> tuple[Columns, Columns]:
    """Return the images of all matches below each other, and the table of what was found in each."""
    parts: list[Columns] = []
    features: list[Columns] = []
    # The rows of both telescopes at once: to open a file is what costs.
    rows = runs.rows(np.concatenate([runs.images(match.telescope).row[match.images] for match in matches]))
    ends = np.cumsum([len(match.images) for match in matches])
    for match, part in zip(matches, np.split(rows, ends[:-1]), strict=True):
        magic, lst = _magic_part(match, part, runs, subrun), _lst_part(match, part, subrun, settings)
        parts += [lst, magic]
        features.append(_feature(match, lst, magic, settings))
    # pandas keeps what both telescopes have, in the order of LST-1's table.
    common = [name for name in parts[0] if name in parts[1]]
    for name in common:
        if any(part[name].dtype.kind == "b" for part in parts):
            raise NotCovered(f"column {name} is true or false")
    joined = {name: np.concatenate([part[name] for part in parts]) for name in common}
    feature = {name: np.concatenate([part[name] for part in features]) for name in features[0]}
    order = order_of(joined["obs_id_magic"], joined["event_id_magic"], joined["tel_id"])
    joined = taken(joined, order)
    return taken(joined, _first_of_equal(joined)), feature


def _lst_part(match: Match, rows: NDArray[Any], subrun: LstSubrun, settings: Settings) -> Columns:
    partner = rows[match.magic]
    columns = subrun.columns(match.lst, settings.timestamp)
    heads = ("tel_id", "obs_id_lst", "event_id_lst")
    return (
        {"obs_id_magic": partner["obs_id"], "event_id_magic": partner["event_id"]}
        | {name: columns[name] for name in heads}
        | {name: values for name, values in columns.items() if name not in heads}
    )


def _magic_part(match: Match, rows: NDArray[Any], runs: MagicRuns, subrun: LstSubrun) -> Columns:
    columns = {name: rows[name] for name in rows.dtype.names or () if name not in ("obs_id", "event_id")}
    if taken_names := {"timestamp", "obs_id_magic", "event_id_magic", "obs_id_lst", "event_id_lst"} & set(columns):
        raise NotCovered(f"MAGIC files with columns {', '.join(sorted(taken_names))}")
    for name in ("obs_id", "event_id"):
        partner = np.full(len(rows), np.nan)
        # Of several LST-1 showers at one image the last one stays.
        partner[match.magic] = subrun.column(name, match.lst)
        columns |= {f"{name}_magic": rows[name], f"{name}_lst": partner}
    columns["timestamp"] = runs.images(match.telescope).time_ns[match.images] * NS_TO_S
    return columns


def _feature(match: Match, lst: Columns, magic: Columns, settings: Settings) -> Columns:
    values = {
        "coincidence_id": int(f"{LST1}{match.telescope}"),
        "window_half_width": settings.half_width_ns,
        "unix_time": _mean(lst["timestamp"]),
        "pointing_alt_lst": _mean(lst["pointing_alt"]),
        "pointing_az_lst": _mean(lst["pointing_az"]),
        "pointing_alt_magic": _mean(magic["pointing_alt"]),
        "pointing_az_magic": _mean(magic["pointing_az"]),
        "average_offset": match.scan.average_ns * NS_TO_US,
        "n_coincidence": len(match.lst),
        "n_events_magic": len(match.images),
    }
    return {name: np.array([value]) for name, value in values.items()}


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean without NaN, as pandas does it: these count as 0 in the sum."""
    known = ~np.isnan(values)
    number = np.count_nonzero(known)
    return float(np.where(known, values, 0.0).sum() / number) if number else float("nan")


def _first_of_equal(columns: Columns) -> NDArray[np.bool_]:
    """Return which rows are the first that have just these values: ``drop_duplicates``, which ignores the index.

    So an LST-1 shower at both MAGIC images of a shower stays once, but also one at two MAGIC showers.
    """
    values = [values for name, values in columns.items() if name not in ("obs_id_magic", "event_id_magic", "tel_id")]
    keep = np.ones(len(values[0]), dtype=bool)
    time = _bits(columns["timestamp"])
    order = np.argsort(time, kind="stable")
    same = group_starts(time[order])
    twice = np.sort(order[~(same & np.append(same[1:], True))])
    # Bits tell numbers apart once every NaN and every zero has the same ones.
    bits = np.stack([_bits(column[twice]) for column in values], axis=1)
    packed = np.ascontiguousarray(bits).view(np.dtype((np.void, bits.shape[1] * bits.itemsize))).ravel()
    keep[twice] = False
    keep[twice[np.unique(packed, return_index=True)[1]]] = True
    return keep


def _bits(values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    wide = values.astype(np.float64) + 0.0
    wide[np.isnan(wide)] = np.nan
    return wide.view(np.int64)


def _with_shower_ids(images: Columns) -> Columns:
    """Return the images with ids and sorted by them: the means of LST-1's ids, or MAGIC's where it has none."""
    starts = np.flatnonzero(group_starts(images["obs_id_magic"], images["event_id_magic"]))
    sizes = np.diff(np.append(starts, len(images["tel_id"])))
    known = ~np.isnan(images["obs_id_lst"])
    number = np.add.reduceat(known.astype(np.int64), starts)
    ids: Columns = {}
    for name in ("obs_id", "event_id"):
        # Whole numbers: their sums are exact in any order.
        total = np.add.reduceat(np.where(known, images[f"{name}_lst"], 0.0), starts)
        mean = np.where(number > 0, total / np.maximum(number, 1), images[f"{name}_magic"][starts])
        ids[name] = np.repeat(mean, sizes)
    columns = ids | {"tel_id": images["tel_id"]} | images
    return taken(columns, order_of(columns["obs_id"], columns["event_id"], columns["tel_id"]))


def _profile(scans: list[Scan], telescopes: list[int]) -> Columns:
    """Return the numbers of coincidences by offset in us, side by side; NaN where one was not scanned."""
    offsets_us = [np.round(one.offsets_ns * NS_TO_US, 1) for one in scans]
    if any((np.diff(offsets) <= 0).any() for offsets in offsets_us):
        raise NotCovered("a coincidence window whose scan has the same offset twice when rounded to 0.1 us")
    known = np.unique(np.concatenate(offsets_us))
    columns: Columns = {"time_offset": known}
    for one, offsets, telescope in zip(scans, offsets_us, telescopes, strict=True):
        place = np.searchsorted(known, offsets)
        numbers = np.full(len(known), np.nan)
        numbers[place] = one.coincidences
        columns[f"n_coincidence_tel{LST1}{telescope}"] = (
            numbers.astype(np.int64) if len(place) == len(known) else numbers
        )
    return columns

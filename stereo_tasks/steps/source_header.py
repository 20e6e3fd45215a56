"""Where MAGIC's calibrated files say that their source is: ``python -m stereo_tasks.steps.source_header FILE...``.

Run where magic-cta-pipe is, for the side that plans, which cannot open ROOT files.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_DEG_A_HOUR = 15.0
_SECONDS_A_UNIT = 3600.0


def source_in_header(path: Path) -> tuple[float, float]:
    """Return right ascension and declination of the source in the header of a calibrated file, in deg (J2000).

    ``MRawRunHeader.fSourceRA`` is in hours x 3600 and ``fSourceDEC`` in deg x 3600, as whole numbers: 15 and 1 arcsec.

    Raises
    ------
    ValueError
        If there is no such header, or no position on the sky in it.
    """
    import uproot

    try:
        with uproot.open(path) as file:
            header = file["RunHeaders"]
            ra, dec = (header[f"MRawRunHeader.fSource{name}"].array(library="np") for name in ("RA", "DEC"))
    except (OSError, KeyError, ValueError, uproot.DeserializationError) as error:
        raise ValueError(f"{path.name} has no readable RunHeaders ({type(error).__name__})") from error
    if not len(ra) or not len(dec):
        raise ValueError(f"{path.name} has empty RunHeaders")
    ra_deg, dec_deg = float(ra[0]) / _SECONDS_A_UNIT * _DEG_A_HOUR, float(dec[0]) / _SECONDS_A_UNIT
    if not (0 <= ra_deg < 360 and -90 <= dec_deg <= 90) or ra_deg == dec_deg == 0:
        raise ValueError(f"{path.name} has the source at {ra_deg:g}, {dec_deg:g} deg: no position on the sky")
    return ra_deg, dec_deg


def main(paths: list[str]) -> int:
    """Print file and position of the first file that has one, as JSON; the reasons to stderr if none has."""
    for path in map(Path, paths):
        try:
            ra_deg, dec_deg = source_in_header(path)
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
        else:
            sys.stdout.write(json.dumps({"file": path.name, "ra_deg": round(ra_deg, 5), "dec_deg": round(dec_deg, 5)}))
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Check every HDU of a folder of DL3 against CTAO's data model (PyPI: ctao-datamodel); prints what is wrong as JSON.

Needs Python 3.12: ``python3.12 tests/gadf/check_with_ctao.py FOLDER``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.table import Table
from ctao_datamodel import TableValidationError, fits_header_to_instance, model_validate_astropy_table
from ctao_datamodel.models.dl3 import ctao_gadf as ctao

MODELS = {
    "EVENTS": (ctao.GADFEventsHeader, ctao.GADFEventsTable),
    "GTI": (ctao.GTIHeader, ctao.GTITable),
    "EFFECTIVE AREA": (ctao.GADFAeff2DHeader, ctao.GADFAeff2DTable),
    "ENERGY DISPERSION": (ctao.GADFEDisp2DHeader, ctao.GADFEDisp2DTable),
    "HDU INDEX": (ctao.GADFHDUIndexHeader, ctao.GADFHDUIndexTable),
    "OBS INDEX": (ctao.GADFObsIndexHeader, ctao.GADFObsIndexTable),
}
"""Headers and columns; CTAO's model has no pointing, and no tables of cuts."""
CTAO_ONLY = {
    "TELESCOP": ("CTA-N", ctao.FacilityName.CTAO),
    "INSTRUME": (None, ctao.SiteID.EXTERNAL),
    "HDUCLAS3": ("POINT-LIKE", ctao.HDUResponseSubtype.FULL_ENCLOSURE),
}
"""Cards for which CTAO takes its own names alone: what we have (None: anything), and what it takes.

GADF 0.3 lets observatories name themselves, and has point-like responses. Nor are the types of numbers CTAO's own: it
writes float32 where GADF asks for a float.
"""
TYPES = "dtype"


def problems_of(hdu: Any) -> Iterator[str]:
    """Yield what CTAO's data model says against an HDU."""
    header_model, column_model = MODELS[hdu.name]
    header = hdu.header.copy()
    for card, (ours, theirs) in CTAO_ONLY.items():
        if card in header and ours in (None, header[card]):
            header[card] = str(theirs)
    try:
        fits_header_to_instance(header, header_model)
    except ValueError as error:
        yield str(error)
    try:
        model_validate_astropy_table(Table.read(hdu), column_model)
    except TableValidationError as error:
        yield from (str(issue) for issue in error.issues if issue.kind != TYPES)


def main() -> None:
    """Print the HDUs that were checked, and what is wrong."""
    checked: dict[str, int] = {}
    problems = []
    for path in sorted(Path(sys.argv[1]).glob("*.fits*")):
        with fits.open(path) as hdus:
            for hdu in hdus:
                if hdu.name in MODELS:
                    checked[hdu.name] = checked.get(hdu.name, 0) + 1
                    problems += [f"{path.name} [{hdu.name}] {text}" for text in problems_of(hdu)]
    print(json.dumps({"checked": checked, "problems": problems}))


if __name__ == "__main__":
    main()

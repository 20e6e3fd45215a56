"""What DL3 says of how it was made."""

import numpy as np
from astropy.io import fits

from stereo_tasks.steps.dl3 import tell_of_time_differences


def test_a_correction_of_the_time_differences_is_told(tmp_path):
    path = tmp_path / "dl3.fits.gz"
    column = fits.Column(name="TIME", format="D", array=np.arange(3.0))
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([column], name="EVENTS")]).writeto(path)
    tell_of_time_differences(path)
    history = "".join(fits.getheader(path, "EVENTS")["HISTORY"])
    assert "DEADC" in history
    assert "time differences of MAGIC's showers" in history

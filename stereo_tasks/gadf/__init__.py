"""The format of DL3, GADF 0.3: what it demands, and whether a folder keeps it. Knows FITS files only, no plans."""

"""DL3 of many nights: counts, spectrum, flux points, light curve and maps of a source, with the newest gammapy."""

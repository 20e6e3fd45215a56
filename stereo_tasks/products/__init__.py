"""The output tree, atomic writing, records, provenance and publication."""

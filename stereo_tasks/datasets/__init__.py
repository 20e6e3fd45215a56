"""Data sets of a source: the events of many nights in tables for an analysis. Pure functions on tables."""

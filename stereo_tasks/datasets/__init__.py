"""Data sets of a source: what becomes of the events of many nights in tables for an analysis. Pure functions on tables."""

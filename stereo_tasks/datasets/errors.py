"""What is wrong with the input of a data set."""

from __future__ import annotations


class DatasetError(ValueError):
    """A table cannot go into a data set; the text says which and what to do."""

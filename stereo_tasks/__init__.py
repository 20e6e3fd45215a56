"""Nights of MAGIC + LST-1: from the stereo log to published DL3. No Airflow import anywhere in this package."""

from importlib.metadata import version

__version__ = version("stereo-nights")

"""Pydantic models of `config/`: unknown keys are errors, quantities carry units."""

from stereo_tasks.settings.load import Settings, SettingsError, load_settings

__all__ = ["Settings", "SettingsError", "load_settings"]

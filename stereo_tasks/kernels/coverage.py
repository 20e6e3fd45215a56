"""For which versions the kernels were shown to make what the tools make: the one place that says so."""

from __future__ import annotations

from collections.abc import Mapping

SHOWN_EQUAL = {
    "magic-cta-pipe": ("0.6.2",),
    "ctapipe": ("0.25.1",),
    "ctapipe-io-magic": ("0.5.8",),
    "ctapipe-io-lst": ("0.29.2",),
    "lstchain": ("0.12.3",),
    "pyirf": ("0.12.0",),
    "scikit-learn": ("1.9.1",),
    "astropy": ("6.1.7",),
    "numpy": ("2.2.6",),
}
"""Packages whose arithmetic or headers the kernels repeat, with the versions against which ``tests/kernels`` compared
them."""


def not_covered(versions: Mapping[str, str]) -> str:
    """Return why the kernels are not used with some versions; empty if they are."""
    others = [
        f"{name} {versions.get(name, 'missing')} (shown for {', '.join(shown)})"
        for name, shown in SHOWN_EQUAL.items()
        if versions.get(name) not in shown
    ]
    return f"equality was not shown for {'; '.join(others)}" if others else ""

"""Engines: who makes the product of a stage. Their products are equal, byte by byte."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Engine(StrEnum):
    """Who makes a product."""

    MCP = "mcp"
    """The tool of magic-cta-pipe."""
    FAST = "fast"
    """Our kernel, where it covers the case; the tool where it does not."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Who makes the products of a stage, and why if it is not the kernel."""

    engine: Engine
    reason: str = ""

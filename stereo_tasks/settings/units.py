"""Quantities with units in configuration files: ``"6 arcmin"``, ``"-3.2 us"``."""

from __future__ import annotations

from typing import Annotated, Any

from astropy import units as u
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema


def quantity_like(physical_unit: str) -> BeforeValidator:
    """Return what turns a text into a quantity, and refuses numbers and other kinds of units."""

    def parse(value: Any) -> u.Quantity:
        if isinstance(value, int | float):
            raise ValueError(f"{value} has no unit; write for example '{value} {physical_unit}'")
        try:
            quantity = u.Quantity(value)
            quantity.to(physical_unit)
        except (TypeError, ValueError, u.UnitConversionError) as error:
            raise ValueError(f"{value!r} is not a quantity in a unit like '{physical_unit}': {error}") from None
        return quantity

    return BeforeValidator(parse)


_AS_TEXT = PlainSerializer(lambda quantity: f"{quantity.value:g} {quantity.unit}", return_type=str)
_SCHEMA = WithJsonSchema({"type": "string"})

Angle = Annotated[u.Quantity, quantity_like("deg"), _AS_TEXT, _SCHEMA]
Duration = Annotated[u.Quantity, quantity_like("s"), _AS_TEXT, _SCHEMA]
Memory = Annotated[u.Quantity, quantity_like("MB"), _AS_TEXT, _SCHEMA]

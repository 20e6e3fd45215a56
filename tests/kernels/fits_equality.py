"""What differs between two FITS files, but for the times at which they were written."""

from astropy.io import fits

DATES = {"CREATED", "DATE"}


def differences(one, other):
    """Return a text for every difference of cards, in their order, and of the bytes of columns."""
    with fits.open(one) as hdus, fits.open(other) as other_hdus:
        if [hdu.name for hdu in hdus] != [hdu.name for hdu in other_hdus]:
            return [f"{[hdu.name for hdu in hdus]}, {[hdu.name for hdu in other_hdus]}"]
        found = []
        for hdu, other_hdu in zip(hdus, other_hdus, strict=True):
            found += [f"{hdu.name}: {text}" for text in _card_differences(hdu.header, other_hdu.header)]
            if hdu.data is not None:
                found += [f"{hdu.name}: {text}" for text in _column_differences(hdu.data, other_hdu.data)]
        return found


def _card_differences(one, other):
    cards = [[str(card) for card in header.cards if card.keyword not in DATES] for header in (one, other)]
    if list(one) != list(other):
        return [f"keywords {list(one)}, {list(other)}"]
    return [f"{card} | {other_card}" for card, other_card in zip(*cards, strict=True) if card != other_card]


def _column_differences(one, other):
    if one.dtype != other.dtype or one.shape != other.shape:
        return [f"{one.shape} of {one.dtype}, {other.shape} of {other.dtype}"]
    return [
        f"{name}: {(one[name] != other[name]).sum()} of {one[name].size}"
        for name in one.dtype.names
        if one[name].tobytes() != other[name].tobytes()
    ]

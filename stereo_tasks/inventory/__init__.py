"""Which files of a night exist, complete or not, since when. The file system is asked; nothing is remembered here."""

from stereo_tasks.inventory.belonging import own_magic_runs
from stereo_tasks.inventory.content import content_of
from stereo_tasks.inventory.files import InventoryError, LstSubrun, MagicSubrun, NightFiles, gaps
from stereo_tasks.inventory.ready import Readiness, night_is_old, night_over, readiness
from stereo_tasks.inventory.scan import scan_night

__all__ = [
    "InventoryError", "LstSubrun", "MagicSubrun", "NightFiles", "Readiness", "content_of", "gaps", "night_is_old",
    "night_over", "own_magic_runs", "readiness", "scan_night",
]  # fmt: skip

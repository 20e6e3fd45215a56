"""Whether a site can work: each check gives lines that are green, yellow or red, and say what to do."""

from stereo_tasks.doctor.examination import CHECKS, Check, examine
from stereo_tasks.doctor.finding import Colour, Finding

__all__ = ["CHECKS", "Check", "Colour", "Finding", "examine"]

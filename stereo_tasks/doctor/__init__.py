"""Whether a site can work: each check gives lines that are green, yellow or red, and say what to do."""

from stereo_tasks.doctor.examination import examine
from stereo_tasks.doctor.finding import Colour, Finding

__all__ = ["Colour", "Finding", "examine"]

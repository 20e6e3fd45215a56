"""The errors whose text tells a user what to do: the command line shows them without a traceback."""

from stereo_tasks.catalog.errors import CatalogError
from stereo_tasks.commands.holds import HoldError
from stereo_tasks.inventory import InventoryError
from stereo_tasks.nights import BadNightError
from stereo_tasks.products.journal import JournalError
from stereo_tasks.products.provenance import EnvironmentMissingError
from stereo_tasks.products.publication import PublicationError
from stereo_tasks.settings import SettingsError
from stereo_tasks.settings.choices import NoChoiceError
from stereo_tasks.site.errors import SiteError
from stereo_tasks.stereo_log import StereoLogError

USER_ERRORS = (
    BadNightError, CatalogError, EnvironmentMissingError, HoldError, InventoryError, JournalError, NoChoiceError,
    PublicationError, SettingsError, SiteError, StereoLogError,
)  # fmt: skip

"""Tables of the catalog. Nights are evening dates; times carry their zone and come from the database's clock."""

from stereo_tasks.catalog.models.base import Base
from stereo_tasks.catalog.models.decided import HoldRow, Overrule, Request, SignOffRow, WithdrawalRow
from stereo_tasks.catalog.models.nights import (
    Dispatch,
    LogVersion,
    NightLock,
    ObservationChange,
    ObservationRow,
    ProcessingRun,
    ReadinessRow,
    TelescopeRun,
)
from stereo_tasks.catalog.models.tree import (
    ElementRecord,
    EngineSuspension,
    JobRow,
    PlanRow,
    ProductionRow,
    ProductRow,
    Publication,
    QaRow,
    RunVerdict,
)

__all__ = [
    "Base", "Dispatch", "ElementRecord", "EngineSuspension", "HoldRow", "JobRow", "LogVersion", "NightLock",
    "ObservationChange", "ObservationRow", "Overrule", "PlanRow", "ProcessingRun", "ProductRow", "ProductionRow",
    "Publication", "QaRow", "ReadinessRow", "Request", "RunVerdict", "SignOffRow", "TelescopeRun", "WithdrawalRow",
]  # fmt: skip

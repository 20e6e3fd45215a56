"""Who may decide about nights: who may start runs of `process_night` in Airflow."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends
from starlette.exceptions import HTTPException

from stereo_portal.airflow_runs import DAG


class NotAllowedError(HTTPException):
    """Somebody is known, and may not do this; or it cannot be told that it was that person who asked.

    Parameters
    ----------
    detail : str
        Why, and what to do.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(403, detail)


def may_decide(user: GetUserDep) -> bool:
    """Tell whether Airflow lets a user start runs of nights: then this user may also hold them, and so on."""
    return get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=DAG), user=user
    )


MayDecide = Annotated[bool, Depends(may_decide)]


def decider(user: GetUserDep, may: MayDecide) -> str:
    """Return the name under which a decision of a user is noted.

    Raises
    ------
    NotAllowedError
        If this user may decide nothing.
    """
    if not may:
        raise NotAllowedError(f"{user.get_name()} may look, and not decide: that is for operators")
    return user.get_name()


Decider = Annotated[str, Depends(decider)]

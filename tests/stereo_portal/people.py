"""People in front of the portal, with a role of Airflow's simple auth manager."""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI


def logged_in(app: FastAPI, role: str = "viewer", name: str = "somebody") -> FastAPI:
    """Let everybody who asks the application be one person."""
    app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username=name, role=role)
    return app

"""Make the users of the web interface (FAB), one a role, with passwords from the secrets; changed ones are set anew."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

ROLES = {"admin": "Admin", "op": "Op", "viewer": "Viewer"}


def main() -> None:
    """Make the users that are missing, and set the passwords of the others."""
    secrets = Path(os.environ.get("STEREO_SECRETS", "/run/secrets"))
    with get_application_builder() as builder:
        manager = builder.sm
        for name, role in ROLES.items():
            password = (secrets / f"{name}_password").read_text().strip()
            if not password:
                raise SystemExit(f"the secret {name}_password is empty: run docker/make-secrets.sh")
            user = manager.find_user(name)
            if user is None:
                # FAB wants an address; nothing is sent to it.
                made = manager.add_user(name, name, "", f"{name}@localhost", manager.find_role(role), password=password)
                if not made:
                    raise SystemExit(f"the user {name} could not be made: see the log above")
                print(f"user {name} made, role {role}")
            else:
                manager.reset_password(user.id, password)
                print(f"user {name}: password set")


if __name__ == "__main__":
    main()

"""Ask the api-server whether a component works: ``healthy.py scheduler``. A CLI call would cost 8 s of a core."""

from __future__ import annotations

import json
import os
import sys
import urllib.request


def main() -> None:
    """End with 0 if the component is healthy, else with 1 and what Airflow says of it."""
    address = os.environ.get("STEREO_API", "http://api-server:8080") + "/api/v2/monitor/health"
    # No proxy: the api-server is a neighbour.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=8) as answer:
        found = json.load(answer)[sys.argv[1]]
    if found["status"] != "healthy":
        raise SystemExit(f"{sys.argv[1]}: {found}")


if __name__ == "__main__":
    main()

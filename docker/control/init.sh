#!/usr/bin/env bash
# Brings both databases up to date and the users in line with the secrets; safe to run at every start.
set -euo pipefail
here="$(dirname "$0")"
airflow db migrate
stereo catalog upgrade
python "$here/users.py"

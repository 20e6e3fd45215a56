#!/usr/bin/env bash
# slurmdbd wants its password in a file of its own that nobody else can read.
set -euo pipefail
umask 077
folder="${SLURMDBD_FOLDER:-/run/slurm}"
cat /etc/slurm/slurmdbd.conf >"$folder/slurmdbd.conf"
printf 'StoragePass=%s\n' "$(<"${STEREO_SECRETS:-/run/secrets}/mariadb_password")" >>"$folder/slurmdbd.conf"
# It looks for its file beside slurm.conf.
SLURM_CONF="$folder/slurm.conf" exec slurmdbd -D

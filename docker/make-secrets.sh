#!/usr/bin/env bash
# Makes the secrets that are missing, in files that only their owner can read, and docker/.env with that owner's number.
# Run it as the user who is to own data and processes; as root it gives everything to user 10001.
set -euo pipefail
umask 077
here="$(cd "$(dirname "$0")" && pwd)"
folder="${1:-$here/secrets}"
settings="${2:-$here/.env}"
mkdir -p "$folder"
chmod 0700 "$folder"

random_hex() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# NAME COMMAND...: renamed when complete, so that a half-written secret is never used; what exists stays.
secret() {
    local name="$1"
    shift
    if [ -s "$folder/$name" ]; then return; fi
    "$@" >"$folder/.$name.new"
    mv "$folder/.$name.new" "$folder/$name"
    echo "made $folder/$name"
}

fernet_key() { head -c 32 /dev/urandom | base64 -w0 | tr '+/' '-_'; }
munge_key() { head -c 128 /dev/urandom; }
# One line a database, in the form of libpq: host:port:database:role:password.
pgpass() {
    for database in airflow catalog; do
        printf 'postgres:5432:%s:%s:%s\n' "$database" "$database" "$(random_hex 24)"
    done
}

secret admin_password random_hex 12
secret op_password random_hex 12
secret viewer_password random_hex 12
secret fernet_key fernet_key
secret api_secret_key random_hex 32
secret jwt_secret random_hex 64
secret postgres_password random_hex 24
secret pgpass pgpass
secret mariadb_root_password random_hex 24
secret mariadb_password random_hex 24
secret munge_key munge_key

owner="$(id -u)"
if [ "$owner" = 0 ]; then
    owner=10001
    chown -R "$owner:$owner" "$folder"
fi
if [ ! -e "$settings" ]; then
    printf '# The user who owns secrets, data and processes; see make-secrets.sh.\nSTEREO_UID=%s\n' "$owner" >"$settings"
    echo "made $settings"
fi

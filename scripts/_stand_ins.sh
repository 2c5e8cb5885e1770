# shellcheck shell=bash
# For scripts/test-containers where no image can be pulled: images under the names that the Dockerfile and compose.yaml
# want, all from one Debian that debootstrap makes. They honour as much of the real images' interface as is used here.
# Needs root and debootstrap.

stand_ins() { # stand_ins FOLDER
    local root=$1/debian context=$1/stand-ins
    if [ ! -e "$root/ready" ]; then
        debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip,postgresql-17 trixie "$root" >&2
        touch "$root/ready"
    fi
    cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$root/etc/ssl/certs/ca-certificates.crt" # for pip
    rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
    ln -sf python3 "$root/usr/bin/python"
    tar -C "$root" --exclude=./var/cache/apt -c . | docker import \
        --change "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt" - python:3.13-slim-bookworm >&2
    mkdir -p "$context"
    cat >"$context/postgres.sh" <<'SCRIPT'
#!/bin/sh
set -e
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    chown postgres "$PGDATA"
    # shellcheck disable=SC2086
    as_postgres initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups \
    postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
SCRIPT
    chmod +x "$context/postgres.sh"
    docker build --quiet --tag postgres:17-bookworm --file - "$context" <<'DOCKERFILE' >&2
FROM python:3.13-slim-bookworm
ENV PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin
COPY postgres.sh /
RUN mkdir -p /var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["/postgres.sh"]
DOCKERFILE
    docker build --quiet --network host --tag motoserver/moto:5.2.5 --file - "$context" <<'DOCKERFILE' >&2
FROM python:3.13-slim-bookworm
RUN pip install --no-cache-dir 'moto[server]>=5.2'
CMD ["moto_server", "--host", "0.0.0.0", "--port", "5000"]
DOCKERFILE
}

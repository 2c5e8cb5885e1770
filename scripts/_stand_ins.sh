# shellcheck shell=bash
# For scripts/test-containers where no image can be pulled: images under the names that the Dockerfile and the compose
# files want, all from one Debian that debootstrap makes. They honour as much of the real images' interface as is used
# here. Needs root; MySQL is that of secretconn.testing (Debian's unreleased suite).

stand_ins() { # stand_ins FOLDER PYTHON
    local root=$1/debian
    stand_in_python "$root"
    stand_in_postgres "$1/postgres"
    stand_in_mysql "$1/mysql" "$2"
    docker build --quiet --network host --tag motoserver/moto:5.2.5 - <<'DOCKERFILE' >&2
FROM python:3.13-slim-bookworm
RUN pip install --no-cache-dir 'moto[server]>=5.2'
CMD ["moto_server", "--host", "0.0.0.0", "--port", "5000"]
DOCKERFILE
}

stand_in_python() { # stand_in_python ROOT
    command -v debootstrap >/dev/null || apt-get -qq install -y --no-install-recommends debootstrap >&2
    if [ ! -e "$1/ready" ]; then
        rm -rf "$1"
        debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip,postgresql-17 trixie "$1" >&2
        touch "$1/ready"
    fi
    cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$1/etc/ssl/certs/ca-certificates.crt" # for pip
    rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED
    ln -sf python3 "$1/usr/bin/python"
    docker image inspect python:3.13-slim-bookworm >/dev/null 2>&1 || tar -C "$1" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists -c . | docker import \
        --change "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt" - python:3.13-slim-bookworm >&2
}

stand_in_postgres() { # stand_in_postgres CONTEXT
    mkdir -p "$1"
    cat >"$1/postgres.sh" <<'SCRIPT'
#!/bin/sh
set -e
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    chown postgres "$PGDATA"
    [ -n "$POSTGRES_PASSWORD_FILE" ] || printf %s "$POSTGRES_PASSWORD" >"${POSTGRES_PASSWORD_FILE:=/tmp/password}"
    # shellcheck disable=SC2086
    as_postgres initdb --username="${POSTGRES_USER:-postgres}" --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    [ -z "$POSTGRES_DB" ] || echo "CREATE DATABASE \"$POSTGRES_DB\"" | as_postgres postgres --single -D "$PGDATA" postgres
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups \
    postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
SCRIPT
    chmod +x "$1/postgres.sh"
    docker build --quiet --tag postgres:17-bookworm --file - "$1" <<'DOCKERFILE' >&2
FROM python:3.13-slim-bookworm
ENV PGDATA=/var/lib/postgresql/data PGHOST=/tmp PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin
COPY postgres.sh /
RUN mkdir -p /var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["/postgres.sh"]
DOCKERFILE
}

stand_in_mysql() { # stand_in_mysql CONTEXT PYTHON
    local told root
    told=$("$2" -c 'from secretconn.testing import debian, mysql
unpacked = debian.unpack(mysql.PACKAGE, suite=mysql.SUITE, drop=mysql.UNUSED)
print(unpacked.root, *unpacked.command("usr/sbin/mysqld"))')
    root=${told%% *} told=${told#* }
    rm -rf "$1"
    mkdir -p "$1"
    cp -al "$root" "$1/root" 2>/dev/null || cp -a "$root" "$1/root"
    cat >"$1/mysql.sh" <<SCRIPT
#!/bin/sh
set -e
mysqld() {
    exec ${told//$root//opt/mysql} --no-defaults --basedir=/opt/mysql/usr --lc-messages-dir=/opt/mysql/usr/share/mysql \\
        --plugin-dir=/opt/mysql/usr/lib/mysql/plugin --datadir=/var/lib/mysql --socket=/tmp/mysql.sock --mysqlx=OFF \\
        --secure-file-priv=NULL --innodb-use-native-aio=0 --user=nobody "\$@"
}
chown nobody /var/lib/mysql
[ -d /var/lib/mysql/mysql ] || (mysqld --initialize-insecure)
password=\${MYSQL_ROOT_PASSWORD:-\$(cat "\$MYSQL_ROOT_PASSWORD_FILE")}
{
    echo "DROP USER IF EXISTS root@localhost;"
    echo "CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY '\$password';"
    echo "GRANT ALL PRIVILEGES ON *.* TO root@'%' WITH GRANT OPTION;"
} >/tmp/logins.sql
chmod 600 /tmp/logins.sql
chown nobody /tmp/logins.sql
mysqld --init-file=/tmp/logins.sql "\$@"
SCRIPT
    printf '#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/3306\n' >"$1/mysqladmin" # "ping"
    chmod +x "$1/mysql.sh" "$1/mysqladmin"
    docker build --quiet --tag mysql:9.7 --file - "$1" <<'DOCKERFILE' >&2
FROM python:3.13-slim-bookworm
COPY root /opt/mysql
COPY mysql.sh /
COPY mysqladmin /usr/bin/
RUN mkdir -p /var/lib/mysql
VOLUME /var/lib/mysql
EXPOSE 3306
ENTRYPOINT ["/mysql.sh"]
DOCKERFILE
}

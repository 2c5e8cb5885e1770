# shellcheck shell=bash
# A Docker engine with compose and buildx for scripts/test-containers: the one that answers, else one of our own, which is
# started as root from Debian's packages and ends with the script. Its files are below the folder named.

engine() { # engine FOLDER PYTHON
    docker version >/dev/null 2>&1 || own_engine "$1"
    local plugin
    for plugin in compose buildx; do
        docker "$plugin" version >/dev/null 2>&1 || own_plugin "$1" "$2" "$plugin"
    done
}

no_engine() { # no_engine REASON
    echo "test-containers: no Docker engine with compose: $1" >&2
    exit 2
}

own_engine() { # own_engine FOLDER
    local packages=(docker.io iptables) run
    [ -n "${SECRETCONN_STAND_INS:-}" ] || no_engine "start one, or set SECRETCONN_STAND_INS=1 to have one made (root, Debian)"
    [ "$(id -u)" = 0 ] || no_engine "to start one needs root"
    if ! { command -v dockerd && command -v iptables; } >/dev/null; then
        command -v apt-get >/dev/null || no_engine "there is no dockerd, nor apt-get to install Debian's"
        echo "test-containers: installing ${packages[*]}" >&2
        apt-get -qq update >&2
        command -v docker >/dev/null || ! apt-cache show docker-cli >/dev/null 2>&1 || packages+=(docker-cli) # Debian 13
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${packages[@]}" >&2
        ! docker version >/dev/null 2>&1 || return 0 # the package has started it
    fi
    # Names of services are resolved through rules in the containers' network namespaces.
    iptables --table nat --list >/dev/null 2>&1 || no_engine "the kernel has no netfilter for iptables ($(iptables --version))"
    run=$(mktemp -d)
    export DOCKER_HOST=unix://$run/docker.sock
    dockerd --data-root "$1/docker" --exec-root "$run/exec" --pidfile "$run/pid" --host "$DOCKER_HOST" >"$1/dockerd.log" 2>&1 &
    engine_process=$!
    for _ in $(seq 120); do
        ! docker version >/dev/null 2>&1 || return 0
        kill -0 "$engine_process" 2>/dev/null || break
        sleep 0.5
    done
    no_engine "dockerd's last words: $(tail -n 3 "$1/dockerd.log")"
}

end_engine() { # the one of our own, if it was started
    local run
    [ -n "${engine_process:-}" ] || return 0
    kill "$engine_process"
    wait "$engine_process" || true
    run=$(dirname "${DOCKER_HOST#unix://}")
    umount "$run"/exec/netns/* 2>/dev/null || true
    rm -rf "$run"
}

own_plugin() { # own_plugin FOLDER PYTHON NAME: Debian 12 has none; another suite's starts through its own loader
    local plugins=$1/config/cli-plugins command
    command=$("$2" -c "from secretconn.testing import debian
unpacked = debian.unpack('docker-$3', suite='trixie', without=['docker*'])
print(*unpacked.command('usr/libexec/docker/cli-plugins/docker-$3'))") ||
        no_engine "docker has no $3 (https://docs.docker.com/compose/install/), and Debian's cannot be had"
    mkdir -p "$plugins"
    printf '#!/bin/sh\nexec %s "$@"\n' "$command" >"$plugins/docker-$3"
    chmod +x "$plugins/docker-$3"
    export DOCKER_CONFIG=$1/config
}

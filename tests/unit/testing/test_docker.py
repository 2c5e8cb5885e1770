"""Containers of servers: their ports are for this machine alone. No engine is asked."""

from __future__ import annotations

import pytest

from secretconn.testing._docker import bindings

convert = pytest.importorskip("docker.utils.utils").convert_port_bindings


@pytest.mark.parametrize(
    "address",
    ["unix:///var/run/docker.sock", "npipe:////./pipe/docker_engine", "tcp://127.0.0.1:2375", "tcp://localhost:2375"],
)
def test_where_the_engine_is_on_this_machine_ports_are_bound_to_loopback(address: str) -> None:
    bound = convert(bindings(address, 40123))
    assert bound == {"3306/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40123"}]}


@pytest.mark.parametrize("address", ["tcp://build-7:2375", "ssh://me@build-7"])
def test_an_engine_elsewhere_binds_where_we_can_reach_it(address: str) -> None:
    assert convert(bindings(address, 40123)) == {"3306/tcp": [{"HostIp": "", "HostPort": "40123"}]}

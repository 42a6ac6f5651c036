"""Compose's file and every configuration that it hands on are read by the tools they are for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import GatewaySettings
from mlmesh.inference.settings import ModelServiceSettings
from tests.deploy.tools import tool

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
FILE = COMPOSE / "compose.yml"
OURS = ("gateway-a", "gateway-b", "predictor", "nlp", "vision")
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def services() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text())
    found: dict[str, Any] = content["services"]
    return found


@pytest.mark.parametrize(
    ("schema", "file"), [("compose-spec", FILE), ("github-workflows", WORKFLOW)], ids=str
)
def test_the_file_keeps_to_its_schema(schema: str, file: Path) -> None:
    checked = tool("check-jsonschema", "--builtin-schema", f"vendor.{schema}", file)

    assert checked.returncode == 0, checked.stdout


def test_prometheus_can_read_its_configuration() -> None:
    checked = tool("promtool", "check", "config", ROOT / "deploy/prometheus/prometheus.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_nginx_can_read_its_configuration(tmp_path: Path) -> None:
    text = (COMPOSE / "nginx.conf").read_text()
    # Their names mean something only beside the containers.
    here = re.sub(r"gateway-[ab]:", "127.0.0.1:", text).replace("/tmp/", f"{tmp_path}/")
    (tmp_path / "nginx.conf").write_text(here)

    checked = tool("nginx", "-t", "-c", tmp_path / "nginx.conf")

    assert checked.returncode == 0, checked.stderr


def test_the_balancer_takes_what_the_gateway_takes_and_lets_go_of_connections_first() -> None:
    text = (COMPOSE / "nginx.conf").read_text()
    settings = GatewaySettings.model_fields

    [megabytes] = re.findall(r"client_max_body_size (\d+)m;", text)
    [seconds] = re.findall(r"keepalive_timeout (\d+)s;", text)
    assert int(megabytes) * 2**20 == settings["max_body_bytes"].default
    assert int(seconds) < settings["keep_alive_seconds"].default


def test_every_pipeline_of_the_collector_is_made_of_what_it_defines() -> None:
    content = yaml.safe_load((COMPOSE / "collector.yml").read_text())

    for pipeline in content["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert pipeline[part]
            assert set(pipeline[part]) <= content[part].keys()
    exporter = content["exporters"]["otlp/jaeger"]
    assert exporter["endpoint"].partition(":")[0] in services()


def test_every_container_may_little_and_has_limits() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name


def test_whatever_can_be_asked_is_asked_whether_it_is_healthy() -> None:
    by_image = {name for name, service in services().items() if "build" in service}
    by_compose = {name for name, service in services().items() if "healthcheck" in service}

    assert by_image == set(OURS)
    assert services().keys() - by_image - by_compose == {"collector"}


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_built_from_the_tree_and_run_in_both_profiles(name: str) -> None:
    service = services()[name]

    assert service["profiles"] == ["core", "full"]
    assert service["build"]["dockerfile"] == "deploy/docker/Dockerfile"


@pytest.mark.parametrize("name", OURS)
def test_every_setting_is_one_that_the_program_knows(name: str) -> None:
    known = GatewaySettings if name.startswith("gateway") else ModelServiceSettings

    for variable in services()[name]["environment"]:
        if variable.startswith("MLMESH_"):
            assert variable.removeprefix("MLMESH_").lower() in known.model_fields


def test_nothing_is_open_beyond_loopback() -> None:
    ports = [port for service in services().values() for port in service.get("ports", ())]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_gateways_know_services_that_are_there() -> None:
    backends = json.loads(services()["gateway-a"]["environment"]["MLMESH_BACKENDS"])

    for target in backends.values():
        host, _, port = target.removeprefix("dns:///").partition(":")
        environment = services()[host]["environment"]
        assert environment["MLMESH_GRPC_ADDRESS"] == f"0.0.0.0:{port}"


def test_every_file_that_is_mounted_is_there() -> None:
    for service in services().values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (COMPOSE / source).exists(), source


def test_prometheus_looks_at_every_program() -> None:
    content = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())

    names = {
        name
        for job in content["scrape_configs"]
        for one in job["dns_sd_configs"]
        for name in one["names"]
    }
    assert names == set(OURS)

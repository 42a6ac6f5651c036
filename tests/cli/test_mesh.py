from __future__ import annotations

from pathlib import Path

import pytest

from mlmesh.cli.mesh import Gateway, MeshError, Service, read_mesh
from mlmesh.cli.plan import plan_of

PREDICTOR = 'predictor = { service = "mlmesh.v1.PredictorService", number = 1'


def write(folder: Path, content: str) -> Path:
    file = folder / "mesh.toml"
    file.write_text(content)
    return file


def test_ports_follow_from_the_number(tmp_path: Path) -> None:
    mesh = read_mesh(write(tmp_path, f"[programs]\n{PREDICTOR} }}"))

    assert mesh.gateway == Gateway(http_port=8080, ops_port=9100)
    assert mesh.services == (
        Service("predictor", "mlmesh.v1.PredictorService", 50051, 50061, 9101),
    )


def test_every_port_can_be_chosen(tmp_path: Path) -> None:
    line = f"{PREDICTOR}, port = 1, health_port = 2, metrics_port = 3 }}"
    mesh = read_mesh(write(tmp_path, f"[gateway]\nhttp_port = 4\nops_port = 5\n[programs]\n{line}"))

    assert mesh.gateway == Gateway(http_port=4, ops_port=5)
    assert mesh.services == (Service("predictor", "mlmesh.v1.PredictorService", 1, 2, 3),)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[programs", "mesh.toml: Expected"),
        ("[program]", "mesh.toml: unknown key program, expected gateway, programs"),
        ("gateway = 1", "mesh.toml: gateway: expected a table"),
        ("[gateway]\nhttp_port = 0", "gateway.http_port: expected a number from 1 to 65535"),
        ("[gateway]\nhttp_port = true", "gateway.http_port: expected a number from 1 to 65535"),
        ("[programs]\npredictor = {}", "programs.predictor.number: expected a number"),
        ("[programs]\npredictor = {number = 1}", "programs.predictor.service: expected a text"),
        (f"[programs]\n{PREDICTOR}, ports = 1 }}", "programs.predictor: unknown key ports"),
        ('[programs]\n"a-b" = {}', "programs.a-b: is not the name of a service's package"),
        ("[programs]\ngateway = {}", "programs.gateway: is not the name of a service's package"),
    ],
)
def test_a_wrong_file_names_the_key(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(MeshError) as refusal:
        read_mesh(write(tmp_path, content))

    assert problem in str(refusal.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name in ("gateway", "predictor"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__main__.py").touch()
    return write(tmp_path, f"[programs]\n{PREDICTOR} }}\nnlp = {{ service = 'N', number = 2 }}")


def test_programs_get_their_addresses_by_environment(file: Path) -> None:
    plan = plan_of(read_mesh(file), "127.0.0.1", [], None)

    assert plan.absent == ("nlp",)
    assert [program.environment for program in plan.programs] == [
        {
            "MLMESH_GRPC_ADDRESS": "127.0.0.1:50051",
            "MLMESH_HEALTH_ADDRESS": "127.0.0.1:50061",
            "MLMESH_METRICS_ADDRESS": "127.0.0.1:9101",
        },
        {
            "MLMESH_HTTP_ADDRESS": "127.0.0.1:8080",
            "MLMESH_OPS_ADDRESS": "127.0.0.1:9100",
            "MLMESH_BACKENDS": '{"mlmesh.v1.PredictorService": "127.0.0.1:50051"}',
        },
    ]


def test_all_programs_carry_calls_in_one_folder(file: Path) -> None:
    plan = plan_of(read_mesh(file), "127.0.0.1", [], None).carrying_in("/run/it")

    assert [program.defaults["MLMESH_CARRY_FOLDER"] for program in plan.programs] == ["/run/it"] * 2
    assert plan.services[0].defaults["MLMESH_LAME_DUCK_SECONDS"] == "0"


@pytest.mark.parametrize(
    ("host", "listens", "backend"),
    [
        ("0.0.0.0", "0.0.0.0:50051", "127.0.0.1:50051"),
        ("::", "[::]:50051", "[::1]:50051"),
        ("10.0.0.7", "10.0.0.7:50051", "10.0.0.7:50051"),
    ],
)
def test_the_gateway_reaches_services_on_any_host(
    file: Path, host: str, listens: str, backend: str
) -> None:
    plan = plan_of(read_mesh(file), host, [], None)

    assert plan.gateway
    assert plan.services[0].environment["MLMESH_GRPC_ADDRESS"] == listens
    assert backend in plan.gateway.environment["MLMESH_BACKENDS"]


def test_two_programs_cannot_share_a_port(file: Path) -> None:
    with pytest.raises(MeshError) as refusal:
        plan_of(read_mesh(file), "127.0.0.1", [], 50051)

    assert str(refusal.value) == (
        "port 50051 is asked for twice (predictor, gRPC; gateway, HTTP); "
        "choose another with --http-port, or `[gateway] http_port` in mesh.toml"
    )


def test_nothing_to_start_is_an_error(file: Path) -> None:
    with pytest.raises(MeshError, match="nothing to start"):
        plan_of(read_mesh(file), "127.0.0.1", ["nlp"], None)


def test_the_shipped_mesh_can_be_read() -> None:
    mesh = read_mesh(Path(__file__).parents[2] / "mesh.toml")

    assert "predictor" in [service.name for service in mesh.services]

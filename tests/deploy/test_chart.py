"""The Helm chart gives what Kubernetes takes, and what an operator may rely on."""

from __future__ import annotations

import json
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

from gateway.settings import GatewaySettings
from mlmesh.inference.settings import ModelServiceSettings
from tests.deploy.chart import (
    CHART,
    MATRIX,
    NLP,
    environment_of,
    objects_of,
    of_kind,
    pods_of,
    rendered,
)
from tests.deploy.test_alerts import RULES

KUBERNETES = "1.33"
WATCHED = "open to the world, and watched"
EXTENSIONS = ("networking.istio.io", "monitoring.coreos.com")
"""Of operators: Kubernetes itself knows no schema of theirs."""
each = pytest.mark.parametrize("name", MATRIX)


def test_helm_finds_nothing_to_complain_of() -> None:
    report = helm.lint(CHART, strict=True)

    assert not report["errors"]
    assert [one for one in report["messages"] if one["severity"] > 1] == []


@each
def test_kubernetes_takes_every_object(name: str) -> None:
    for one in rendered(name):
        if not one["apiVersion"].startswith(EXTENSIONS):
            kubernetes_validate.validate(one, KUBERNETES, strict=True)


@each
def test_no_container_has_more_rights_than_it_needs(name: str) -> None:
    for pod, spec in pods_of(rendered(name)):
        assert spec["automountServiceAccountToken"] is False, pod
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 10_000
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


@each
def test_what_a_program_writes_to_is_a_volume(name: str) -> None:
    for _, spec in pods_of(rendered(name)):
        for container in spec["containers"]:
            if "env" in container:
                paths = {mount["mountPath"] for mount in container["volumeMounts"]}
                assert "/tmp" in paths
                assert any(path.startswith("/var/lib/mlmesh") for path in paths)


@each
def test_services_are_probed_by_grpc_and_the_gateway_by_http_at_numbers(name: str) -> None:
    for program, spec in programs(name):
        container = spec["containers"][0]
        probes = {kind: container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")}
        if program == "gateway":
            assert probes["readiness"]["httpGet"] == {"path": "/ready", "port": 9100}
            assert probes["liveness"]["httpGet"] == {"path": "/alive", "port": 9100}
        else:
            assert probes["startup"]["grpc"] == {"port": 50061, "service": "readiness"}
            assert probes["readiness"]["grpc"] == {"port": 50061, "service": "readiness"}
            assert probes["liveness"]["grpc"] == {"port": 50061, "service": "liveness"}
        assert "lifecycle" not in container


@each
def test_a_pod_has_the_time_to_leave(name: str) -> None:
    for _, spec in programs(name):
        environment = environment_of(spec["containers"][0])
        needed = sum(
            float(environment[f"MLMESH_{part}_SECONDS"]) for part in ("LAME_DUCK", "DRAIN")
        )
        assert spec["terminationGracePeriodSeconds"] > needed


@each
def test_an_update_never_takes_a_replica_before_another_is_there(name: str) -> None:
    for one in of_kind(rendered(name), "Deployment").values():
        assert one["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@each
def test_every_setting_is_one_that_the_program_knows(name: str) -> None:
    for program, spec in programs(name):
        known = GatewaySettings if program == "gateway" else ModelServiceSettings
        for variable in environment_of(spec["containers"][0]):
            if variable.startswith("MLMESH_"):
                assert variable.removeprefix("MLMESH_").lower() in known.model_fields, variable


@each
def test_the_programs_listen_where_probes_services_and_policies_look(name: str) -> None:
    for program, spec in programs(name):
        container = spec["containers"][0]
        environment = environment_of(container)
        open_ports = {port["containerPort"] for port in container["ports"]}
        listened = {
            int(value.rpartition(":")[2])
            for variable, value in environment.items()
            if variable.endswith("_ADDRESS")
        }
        assert listened == open_ports, program
        assert all(
            value.startswith("0.0.0.0:")
            for variable, value in environment.items()
            if variable.endswith("_ADDRESS")
        )


def programs(name: str) -> list[tuple[str, Any]]:
    """The pods of the mesh, by program."""
    deployments = of_kind(rendered(name), "Deployment").values()
    return [
        (one["metadata"]["labels"]["app.kubernetes.io/component"], one["spec"]["template"]["spec"])
        for one in deployments
    ]


def backends(name: str) -> dict[str, str]:
    [gateway] = [spec for program, spec in programs(name) if program == "gateway"]
    found: dict[str, str] = json.loads(environment_of(gateway["containers"][0])["MLMESH_BACKENDS"])
    return found


def test_the_gateway_balances_between_the_pods_of_headless_services() -> None:
    services = of_kind(rendered("defaults"), "Service")

    for target in backends("defaults").values():
        host = target.removeprefix("dns:///").partition(".")[0]
        assert services[host]["spec"]["clusterIP"] == "None"
        assert target == f"dns:///{host}.models.svc.cluster.local:50051"


def test_in_mode_xds_istio_weighs_the_calls() -> None:
    objects = rendered("xds with a canary")
    host = "m-nlp.models.svc.cluster.local"

    assert backends("xds with a canary")[NLP] == f"xds:///{host}:50051"
    [*_, last] = of_kind(objects, "VirtualService")["m-nlp"]["spec"]["http"]
    weights = {one["destination"]["subset"]: one["weight"] for one in last["route"]}
    assert weights == {"stable": 75, "canary": 25}
    subsets = of_kind(objects, "DestinationRule")["m-nlp"]["spec"]["subsets"]
    tracks = {
        one["spec"]["template"]["metadata"]["labels"]["mlmesh/track"]
        for name, one in of_kind(objects, "Deployment").items()
        if name.startswith("m-nlp")
    }
    assert {one["labels"]["mlmesh/track"] for one in subsets} == tracks == {"stable", "canary"}
    for one in of_kind(objects, "Deployment").values():
        annotations = one["spec"]["template"]["metadata"]["annotations"]
        assert annotations["inject.istio.io/templates"] == "grpc-agent"
        assert one["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"


def test_policies_deny_both_ways_and_let_through_only_what_is_named() -> None:
    policies = of_kind(rendered("defaults"), "NetworkPolicy")

    deny = policies["m-mesh-default-deny"]["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in deny
    assert "egress" not in deny
    for program in ("predictor", "nlp", "vision"):
        [rule] = policies[f"m-{program}"]["spec"]["ingress"]
        [peer] = rule["from"]
        labels = peer["podSelector"]["matchLabels"]
        assert labels["app.kubernetes.io/component"] == "gateway"
        assert rule["ports"] == [{"protocol": "TCP", "port": 50051}]
    reached = {
        rule["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in policies["m-gateway"]["spec"]["egress"]
    }
    assert reached == {"predictor", "nlp", "vision"}


def test_an_empty_list_of_peers_lets_nobody_read_metrics() -> None:
    policies = of_kind(rendered("few may call, nobody reads metrics"), "NetworkPolicy")

    assert "ingress" not in policies["m-mesh-common"]["spec"]


def test_traces_may_leave_by_the_port_of_their_address() -> None:
    for name, port in (("few may call, nobody reads metrics", 14317), (WATCHED, 4317)):
        common = of_kind(rendered(name), "NetworkPolicy")["m-mesh-common"]["spec"]
        assert {"protocol": "TCP", "port": port} in [
            one for rule in common["egress"] for one in rule["ports"]
        ]


def test_the_charts_own_test_may_call_a_gateway_that_few_may_call() -> None:
    objects = rendered("few may call, nobody reads metrics")

    [rule] = of_kind(objects, "NetworkPolicy")["m-gateway"]["spec"]["ingress"]
    allowed = [peer["podSelector"]["matchLabels"] for peer in rule["from"]]
    assert allowed == [
        {"app": "shop"},
        of_kind(objects, "Pod")["m-gateway-test"]["metadata"]["labels"],
    ]


def test_programs_never_share_a_name_however_long_the_releases_is() -> None:
    objects = list(objects_of({}, release="r" * 53))

    names = of_kind(objects, "Deployment").keys()
    assert len(names) == 4
    assert all(len(one["metadata"]["name"]) <= 63 for one in objects)


def test_a_service_with_gpus_asks_for_them_and_takes_cuda_only() -> None:
    [nlp] = [spec for program, spec in programs("gpu") if program == "nlp"]

    container = nlp["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 2
    assert container["image"].endswith("-cuda")
    assert environment_of(container)["MLMESH_PROVIDER"] == "cuda"
    assert nlp["runtimeClassName"] == "nvidia"
    assert nlp["nodeSelector"] == {"accelerator": "h100"}
    assert nlp["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_services_scale_by_the_rows_that_wait_and_by_cpu_where_nobody_tells() -> None:
    scalers = of_kind(rendered("scaling"), "HorizontalPodAutoscaler")

    kinds = {name: [one["type"] for one in s["spec"]["metrics"]] for name, s in scalers.items()}
    assert kinds == {
        "m-gateway": ["Resource"],
        "m-predictor": ["Pods", "Resource"],
        "m-nlp": ["Resource"],
        "m-vision": ["Pods", "Resource"],
    }
    for name, one in of_kind(rendered("scaling"), "Deployment").items():
        assert "replicas" not in one["spec"], name


def test_registered_models_are_read_only_and_trusted_by_the_keys_of_a_secret() -> None:
    objects = rendered("models from a claim")

    assert "m-models" in of_kind(objects, "PersistentVolumeClaim")
    for program, spec in programs("models from a claim"):
        if program != "gateway":
            mounts = {one["name"]: one for one in spec["containers"][0]["volumeMounts"]}
            volumes = {one["name"]: one for one in spec["volumes"]}
            assert mounts["models"]["readOnly"] is True
            assert volumes["models"]["persistentVolumeClaim"]["claimName"] == "m-models"
            assert volumes["keys"]["secret"]["secretName"] == "trusted-keys"
            assert environment_of(spec["containers"][0])["MLMESH_PROFILE"] == "production"


def test_the_world_comes_in_by_tls_only() -> None:
    [ingress] = of_kind(rendered("open to the world, and watched"), "Ingress").values()

    assert ingress["spec"]["tls"] == [{"hosts": ["models.test"], "secretName": "models-tls"}]


def test_the_chart_has_the_alerts_of_the_tree() -> None:
    assert (CHART / "files" / "rules.yml").read_text() == RULES.read_text()
    [rule] = of_kind(rendered("open to the world, and watched"), "PrometheusRule").values()
    assert rule["spec"] == yaml.safe_load(RULES.read_text())


def test_budgets_select_the_pods_of_one_program() -> None:
    budgets = of_kind(rendered("defaults"), "PodDisruptionBudget")

    assert budgets.keys() == {"m-gateway", "m-predictor", "m-nlp", "m-vision"}
    assert not of_kind(rendered("one service, few promises"), "PodDisruptionBudget")

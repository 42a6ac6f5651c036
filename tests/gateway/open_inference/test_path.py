from __future__ import annotations

import pytest

from gateway.open_inference.path import Act, is_open_inference, target_of
from gateway.routes import RouteNotFound, WrongVerb
from mlmesh.runtime.errors import InvalidInput

VERSION = "/v2/models/m/versions/v1"


@pytest.mark.parametrize(
    ("verb", "path", "act", "names"),
    [
        ("GET", "/v2", Act.SERVER_METADATA, ("", "")),
        ("HEAD", "/v2", Act.SERVER_METADATA, ("", "")),
        ("GET", "/v2/", Act.SERVER_METADATA, ("", "")),
        ("GET", "/v2/health/live", Act.SERVER_LIVE, ("", "")),
        ("GET", "/v2/health/ready", Act.SERVER_READY, ("", "")),
        ("GET", "/v2/models/stats", Act.ALL_STATISTICS, ("", "")),
        ("GET", "/v2/models/m", Act.MODEL_METADATA, ("m", "")),
        ("GET", "/v2/models/a%20b%2Fc", Act.MODEL_METADATA, ("a b/c", "")),
        ("GET", VERSION, Act.MODEL_METADATA, ("m", "v1")),
        ("GET", "/v2/models/m/ready", Act.MODEL_READY, ("m", "")),
        ("GET", f"{VERSION}/ready", Act.MODEL_READY, ("m", "v1")),
        ("GET", "/v2/models/m/config", Act.MODEL_CONFIG, ("m", "")),
        ("GET", f"{VERSION}/config", Act.MODEL_CONFIG, ("m", "v1")),
        ("GET", "/v2/models/m/stats", Act.MODEL_STATISTICS, ("m", "")),
        ("GET", f"{VERSION}/stats", Act.MODEL_STATISTICS, ("m", "v1")),
        ("POST", "/v2/models/m/infer", Act.INFER, ("m", "")),
        ("POST", f"{VERSION}/infer", Act.INFER, ("m", "v1")),
        ("POST", "/v2/repository/index", Act.INDEX, ("", "")),
        ("POST", "/v2/repository/models/m/load", Act.LOAD, ("m", "")),
        ("POST", "/v2/repository/models/m/unload", Act.UNLOAD, ("m", "")),
        ("POST", "/v2/models/m/generate", Act.NOT_SERVED, ("m", "")),
        ("POST", f"{VERSION}/generate_stream", Act.NOT_SERVED, ("m", "v1")),
        ("GET", "/v2/trace/setting", Act.NOT_SERVED, ("", "")),
        ("POST", "/v2/models/m/trace/setting", Act.NOT_SERVED, ("m", "")),
        ("GET", "/v2/logging", Act.NOT_SERVED, ("", "")),
        ("GET", "/v2/systemsharedmemory/status", Act.NOT_SERVED, ("", "")),
        ("GET", "/v2/systemsharedmemory/region/r/status", Act.NOT_SERVED, ("", "")),
        ("POST", "/v2/cudasharedmemory/region/r/register", Act.NOT_SERVED, ("", "")),
        ("POST", "/v2/cudasharedmemory/unregister", Act.NOT_SERVED, ("", "")),
    ],
)
def test_every_path_of_the_protocol_is_known(
    verb: str, path: str, act: Act, names: tuple[str, str]
) -> None:
    target = target_of(verb, path)

    assert (target.act, target.model, target.version) == (act, *names)


@pytest.mark.parametrize(
    "path",
    ["/v2//", "/v2/models", "/v2/models/", "/v2/models//infer", "/v2/models/m/x", "/v2/health",
     "/v2/models/m:predict", "/v2/models/m/infer/", "/v2/" + "x/" * 10_000 + "x"],
)  # fmt: skip
def test_there_is_nothing_on_other_paths(path: str) -> None:
    assert is_open_inference(path)
    with pytest.raises(RouteNotFound):
        target_of("GET", path)


@pytest.mark.parametrize("path", ["/v1/models", "/v22", "/", "/predict", "/v20/models"])
def test_other_paths_are_not_the_protocols(path: str) -> None:
    assert not is_open_inference(path)


@pytest.mark.parametrize(
    ("verb", "path", "allow"),
    [
        ("GET", "/v2/models/m/infer", ("OPTIONS", "POST")),
        ("POST", "/v2/health/live", ("GET", "HEAD", "OPTIONS")),
        ("OPTIONS", "/v2/repository/index", ("OPTIONS", "POST")),
        ("DELETE", "/v2/models/m", ("GET", "HEAD", "OPTIONS")),
    ],
)
def test_a_wrong_verb_is_told_the_right_ones(verb: str, path: str, allow: tuple[str, ...]) -> None:
    with pytest.raises(WrongVerb) as refused:
        target_of(verb, path)

    assert refused.value.allow == allow


@pytest.mark.parametrize("name", ["%", "%zz", "%ff", "a%00b"])
def test_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="path"):
        target_of("POST", f"/v2/models/{name}/infer")

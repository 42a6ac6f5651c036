from __future__ import annotations

import pytest

from mlmesh.runtime.coalescing.target import Named, Routed, Static, Target, target_of


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("localhost:50051", Static(("localhost:50051",))),
        ("a:1, [::1]:2", Static(("a:1", "[::1]:2"))),
        ("unix:/tmp/socket", Static(("unix:/tmp/socket",))),
        ("dns:///predictor:50051", Named("predictor", 50051)),
        ("dns:predictor:50051", Named("predictor", 50051)),
        ("dns:///predictor", Named("predictor", 443)),
        ("dns:///[::1]:7", Named("::1", 7)),
        ("dns://10.0.0.1:5353/predictor:7", Named("predictor", 7, ("10.0.0.1", 5353))),
        ("xds:///predictor", Routed("xds:///predictor")),
    ],
)
def test_targets_say_where_replicas_are(text: str, target: Target) -> None:
    assert target_of(text) == target


@pytest.mark.parametrize("text", ["", "a:1,", "dns:///", "dns://server"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        target_of(text)

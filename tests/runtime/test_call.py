from __future__ import annotations

import re

from mlmesh.runtime.call import request_id_of, traceparent_of

MADE = 10_000


def test_ids_that_are_made_differ_and_are_well_formed() -> None:
    requests = {request_id_of("") for _ in range(MADE)}
    traces = {traceparent_of("") for _ in range(MADE)}

    assert len(requests) == len(traces) == MADE
    assert all(re.fullmatch("[0-9a-f]{24}", made) for made in requests)
    assert all(traceparent_of(made) == made for made in traces)
    assert len({made[3:35] for made in traces}) == len({made[36:52] for made in traces}) == MADE

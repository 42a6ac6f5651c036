from __future__ import annotations

from prometheus_client import parser

from gateway.summary import merged, page_at

FIRST = """# HELP asked_total Asked.
# TYPE asked_total counter
asked_total{route="/a{b}",status="200"} 3.0
# HELP open Open.
# TYPE open gauge
open 1.0
"""
SECOND = """# HELP open Open.
# TYPE open gauge
open 2.0
# HELP asked_total Asked.
# TYPE asked_total counter
asked_total{route="/c",status="200"} 4.0
"""


def test_every_family_stands_once_with_the_series_of_all_workers() -> None:
    page = merged({1: FIRST, 2: SECOND})

    families = list(parser.text_string_to_metric_families(page))
    series = {
        (sample.name, sample.labels["worker"], sample.labels.get("route"), sample.value)
        for family in families
        for sample in family.samples
    }
    assert len(families) == 2
    assert series == {
        ("asked_total", "1", "/a{b}", 3.0),
        ("asked_total", "2", "/c", 4.0),
        ("open", "1", None, 1.0),
        ("open", "2", None, 2.0),
    }


def test_exemplars_and_the_end_of_the_page_stay_as_they_are() -> None:
    line = 's_bucket{le="1.0"} 5.0 # {trace_id="ab"} 0.5\n'
    page = "# TYPE s histogram\n" + line + "# EOF\n"

    both = merged({1: page, 2: page})

    assert both == (
        "# TYPE s histogram\n"
        's_bucket{worker="1",le="1.0"} 5.0 # {trace_id="ab"} 0.5\n'
        's_bucket{worker="2",le="1.0"} 5.0 # {trace_id="ab"} 0.5\n'
        "# EOF\n"
    )


def test_a_process_that_is_away_answers_nothing() -> None:
    assert page_at(None, "/ready") == (503, "", b"")
    assert page_at(1, "/ready") == (503, "", b"")

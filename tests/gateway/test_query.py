from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from google.protobuf import json_format
from hypothesis import given, strategies as st

from gateway.query import MAX_PAIRS, add_path_fields, query_fields, query_values
from mlmesh.runtime.errors import InvalidInput
from tests.gateway.compiled_contract import contracts_of, service_of

FIELDS = """
    string name = 1;
    int32 page_size = 2;
    bool deep = 3;
    Kind kind = 4;
    repeated string tags = 5;
    repeated bool flags = 6;
    repeated Kind kinds = 7;
    Shelf shelf = 8;
    repeated Shelf shelves = 9;
    map<string, string> notes = 10;
    google.protobuf.Timestamp since = 11;
    google.protobuf.Duration wait = 12;
    google.protobuf.BoolValue maybe = 13;
    google.protobuf.Int64Value many = 14;
    google.protobuf.Value value = 15;
    google.protobuf.Any any = 16;
    google.protobuf.Struct struct = 17;
    repeated google.protobuf.Timestamp times = 18;
    bytes raw = 19;
    double score = 20;
"""
CONTRACTS = contracts_of(service_of('get: "/a"', fields=FIELDS))
REQUEST = next(method for method in CONTRACTS.methods() if method.name == "Call0")
DESCRIPTOR = REQUEST.descriptor.input_type

QUERIES: list[tuple[bytes, dict[str, Any]]] = [
    (b"", {}),
    (b"&&", {}),
    (b"name=a", {"name": "a"}),
    (b"name", {"name": ""}),
    (b"name=", {"name": ""}),
    (b"name=a=b", {"name": "a=b"}),
    (b"name=a+b%2Bc%20d", {"name": "a b+c d"}),
    (b"name=%C3%A9", {"name": "\u00e9"}),
    ("name=\u00e9".encode(), {"name": "\u00e9"}),
    (b"name=%26%3D%25", {"name": "&=%"}),
    (b"n%61me=a", {"name": "a"}),
    (b"name=a;page_size=1", {"name": "a;page_size=1"}),
    (b"page_size=7&deep=true&", {"page_size": "7", "deep": True}),
    (b"pageSize=7", {"page_size": "7"}),
    (b"deep=1", {"deep": True}),
    (b"deep=false", {"deep": False}),
    (b"deep=0", {"deep": False}),
    (b"kind=KIND_BIG", {"kind": "KIND_BIG"}),
    (b"kind=1", {"kind": 1}),
    (b"tags=a&name=x&tags=b", {"tags": ["a", "b"], "name": "x"}),
    (b"flags=1&flags=false", {"flags": [True, False]}),
    (b"kinds=1&kinds=KIND_BIG", {"kinds": [1, "KIND_BIG"]}),
    (b"shelf.theme=art", {"shelf": {"theme": "art"}}),
    (b"shelf.below.below.theme=art", {"shelf": {"below": {"below": {"theme": "art"}}}}),
    (b"shelf.sizes=1&shelf.theme=a&shelf.sizes=2", {"shelf": {"sizes": ["1", "2"], "theme": "a"}}),
    (b"since=2026-01-02T03:04:05Z&wait=1.5s", {"since": "2026-01-02T03:04:05Z", "wait": "1.5s"}),
    (b"maybe=true&many=12", {"maybe": True, "many": "12"}),
    (b"times=2026-01-02T03:04:05Z", {"times": ["2026-01-02T03:04:05Z"]}),
    (b"raw=AAE%3D&score=-1e-3", {"raw": "AAE=", "score": "-1e-3"}),
    (b"score=NaN", {"score": "NaN"}),
]

REFUSED = [
    (b"nothing=1", "nothing", "no such parameter"),
    (b"Name=1", "Name", "no such parameter"),
    (b"name.size=1", "name.size", "no such parameter"),
    (b"shelf.nothing=1", "shelf.nothing", "no such parameter"),
    (b"shelf.=1", "shelf.", "no such parameter"),
    (b".name=1", ".name", "no such parameter"),
    (b"since.seconds=1", "since.seconds", "no such parameter"),
    (b"shelves.theme=1", "shelves.theme", "no such parameter"),
    (b"notes.key=1", "notes.key", "no such parameter"),
    (b"shelf." + b"below." * 40 + b"theme=a", "shelf." + "below." * 9 + "belo...", "no such"),
    (b"x" * 1000 + b"=1", "x" * 64 + "...", "no such parameter"),
    (b"=1", "query", "no name"),
    (b"shelf=1", "shelf", "cannot hold this type"),
    (b"shelves=1", "shelves", "cannot hold this type"),
    (b"notes=1", "notes", "cannot hold this type"),
    (b"value=1", "value", "cannot hold this type"),
    (b"any=1", "any", "cannot hold this type"),
    (b"struct=1", "struct", "cannot hold this type"),
    (b"name=a&name=b", "name", "send it once"),
    (b"page_size=1&pageSize=1", "pageSize", "send it once"),
    (b"shelf.theme=a&shelf.theme=b", "shelf.theme", "send it once"),
    (b"deep=yes", "deep", "expected true or false"),
    (b"deep=", "deep", "expected true or false"),
    (b"deep=True", "deep", "expected true or false"),
    (b"maybe=2", "maybe", "expected true or false"),
    (b"flags=true&flags=2", "flags", "expected true or false"),
    (b"name=%", "name", "hexadecimal"),
    (b"name=%4", "name", "hexadecimal"),
    (b"name=%zz", "name", "hexadecimal"),
    (b"%zz=1", "query", "hexadecimal"),
    (b"name=%FF", "name", "UTF-8"),
    (b"%FF=1", "query", "UTF-8"),
    (b"name=\xff", "query", "UTF-8"),
    (b"name=%ED%A0%80", "name", "UTF-8"),
    (b"&" * MAX_PAIRS, "query", f"at most {MAX_PAIRS}"),
]


@pytest.mark.parametrize(("query", "tree"), QUERIES)
def test_a_query_becomes_a_tree_that_protojson_reads(query: bytes, tree: dict[str, Any]) -> None:
    fields = query_fields(DESCRIPTOR, query_values(query))

    assert fields == tree
    json_format.ParseDict(fields, REQUEST.request())


@pytest.mark.parametrize(("query", "field", "problem"), REFUSED)
def test_a_wrong_query_is_refused_naming_the_parameter(
    query: bytes, field: str, problem: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        query_fields(DESCRIPTOR, query_values(query))

    assert refusal.value.field == field
    assert problem in refusal.value.problem


@pytest.mark.parametrize("taken", ["name", "shelf.theme", "shelf"])
def test_fields_that_come_from_elsewhere_cannot_be_given_again(taken: str) -> None:
    pairs = [("page_size", "1"), ("name", "a"), ("shelf.theme", "b")]

    with pytest.raises(InvalidInput, match="the path or the body gives it") as refusal:
        query_fields(DESCRIPTOR, pairs, {taken})

    assert refusal.value.field.startswith(taken)


def test_beside_a_body_that_has_all_fields_there_is_no_parameter() -> None:
    with pytest.raises(InvalidInput, match="name: no such parameter: send the fields in the body"):
        query_fields(DESCRIPTOR, [("name", "a")], {"*"})

    assert query_fields(DESCRIPTOR, [], {"*"}) == {}


def test_the_largest_number_of_parameters_is_accepted() -> None:
    pairs = query_values(b"&".join([b"tags=a"] * MAX_PAIRS))

    assert query_fields(DESCRIPTOR, pairs) == {"tags": ["a"] * MAX_PAIRS}


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=20))
def test_pairs_come_back_as_they_were_sent(pairs: list[tuple[str, str]]) -> None:
    assert query_values(urlencode(pairs).encode()) == pairs


@given(st.binary(max_size=60) | st.text(st.sampled_from("name.shelf=&%+1")).map(str.encode))
def test_arbitrary_queries_are_read_or_refused_as_input(query: bytes) -> None:
    try:
        fields = query_fields(DESCRIPTOR, query_values(query))
    except InvalidInput:
        return

    assert set(fields) <= set(DESCRIPTOR.fields_by_name)


PATH_FIELDS: list[tuple[dict[str, Any], dict[str, str], dict[str, Any]]] = [
    ({}, {"name": "a"}, {"name": "a"}),
    ({"deep": True}, {"name": "a"}, {"deep": True, "name": "a"}),
    ({}, {"shelf.theme": "a"}, {"shelf": {"theme": "a"}}),
    ({"shelf": {"sizes": [1]}}, {"shelf.theme": "a"}, {"shelf": {"sizes": [1], "theme": "a"}}),
    ({"name": "a"}, {"name": "a"}, {"name": "a"}),
    ({"page_size": 7}, {"page_size": "7"}, {"page_size": 7}),
    ({"pageSize": 7}, {"page_size": "7"}, {"pageSize": 7}),
    ({}, {"page_size": "7", "deep": "true"}, {"page_size": "7", "deep": True}),
    ({}, {"kind": "1"}, {"kind": 1}),
    (
        {"name": None, "shelf": None},
        {"name": "a", "shelf.theme": "b"},
        {"name": "a", "shelf": {"theme": "b"}},
    ),
]

PATH_CONFLICTS: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"name": "b"}, {"name": "a"}, "name"),
    ({"pageSize": 8}, {"page_size": "7"}, "page_size"),
    ({"shelf": {"theme": "b"}}, {"shelf.theme": "a"}, "shelf.theme"),
    ({"shelf": "x"}, {"shelf.theme": "a"}, "shelf"),
    ({"shelf": []}, {"shelf.theme": "a"}, "shelf"),
    ({}, {"deep": "yes"}, "deep"),
]


@pytest.mark.parametrize(("tree", "variables", "together"), PATH_FIELDS)
def test_variables_of_the_path_join_the_body(
    tree: dict[str, Any], variables: dict[str, str], together: dict[str, Any]
) -> None:
    fields = dict(tree)

    add_path_fields(fields, variables, DESCRIPTOR)

    assert fields == together


@pytest.mark.parametrize(("tree", "variables", "field"), PATH_CONFLICTS)
def test_a_body_that_contradicts_the_path_is_refused(
    tree: dict[str, Any], variables: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        add_path_fields(tree, variables, DESCRIPTOR)

    assert refusal.value.field == field

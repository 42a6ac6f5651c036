from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from gateway.routes import Binding, RouteNotFound, Routes, WrongVerb, routes_of
from mlmesh.runtime.contracts import load_contracts
from mlmesh.runtime.errors import InvalidInput
from tests.gateway.compiled_contract import contracts_of, service_of

SHIPPED = routes_of(load_contracts())

RULES = (
    'get: "/shelves"',
    'get: "/shelves/{name}"',
    'post: "/shelves/{name}:open"',
    'post: "/shelves/special"',
    'get: "/shelves/best"',
    'delete: "/shelves/{name=first/*}"',
    'get: "/files/{name=**}"',
    'get: "/files/{name=**}:read"',
    'get: "/files/*/index"',
    'custom: {kind: "LOCK" path: "/shelves/{name}"}',
    'custom: {kind: "*" path: "/any/{name}"}',
    'get: "/any/fixed"',
    'custom: {kind: "HEAD" path: "/headed/{name}"}',
    'get: "/headed/{name}"',
    'put: "/x/{name}/y" body: "*" additional_bindings { patch: "/x/{name}" body: "shelf" }',
)
ZOO = routes_of(contracts_of(service_of(*RULES, fields="string name = 1; Shelf shelf = 2;")))

FOUND = [
    ("GET", "/shelves", "Call0", {}),
    ("HEAD", "/shelves", "Call0", {}),
    ("GET", "/shelves/a", "Call1", {"name": "a"}),
    ("HEAD", "/shelves/a", "Call1", {"name": "a"}),
    ("GET", "/shelves/special", "Call1", {"name": "special"}),
    ("POST", "/shelves/special", "Call3", {}),
    ("GET", "/shelves/best", "Call4", {}),
    ("LOCK", "/shelves/a", "Call9", {"name": "a"}),
    ("DELETE", "/shelves/first/a", "Call5", {"name": "first/a"}),
    ("POST", "/shelves/a:open", "Call2", {"name": "a"}),
    ("POST", "/shelves/a:b:open", "Call2", {"name": "a:b"}),
    ("POST", "/shelves/a%3Aopen:open", "Call2", {"name": "a:open"}),
    ("GET", "/shelves/a:close", "Call1", {"name": "a:close"}),
    ("GET", "/shelves/a%3Aopen", "Call1", {"name": "a:open"}),
    ("GET", "/shelves/a:", "Call1", {"name": "a:"}),
    ("GET", "/shelves/a:read", "Call1", {"name": "a:read"}),
    ("GET", "/files", "Call6", {"name": ""}),
    ("GET", "/files/a/b/c/d/e/f", "Call6", {"name": "a/b/c/d/e/f"}),
    ("GET", "/files/a:b/c:open", "Call6", {"name": "a:b/c:open"}),
    ("GET", "/files/a:b/c:read", "Call7", {"name": "a:b/c"}),
    ("GET", "/files/a/index", "Call8", {}),
    ("GET", "/files/a/other", "Call6", {"name": "a/other"}),
    ("GET", "/any/fixed", "Call11", {}),
    ("POST", "/any/fixed", "Call10", {"name": "fixed"}),
    ("OPTIONS", "/any/a", "Call10", {"name": "a"}),
    ("HEAD", "/headed/a", "Call12", {"name": "a"}),
    ("GET", "/headed/a", "Call13", {"name": "a"}),
    ("PUT", "/x/a/y", "Call14", {"name": "a"}),
    ("PATCH", "/x/a", "Call14", {"name": "a"}),
]

WRONG_VERBS = [
    ("POST", "/shelves", ("GET", "HEAD", "OPTIONS")),
    ("OPTIONS", "/shelves", ("GET", "HEAD", "OPTIONS")),
    ("get", "/shelves", ("GET", "HEAD", "OPTIONS")),
    ("PUT", "/shelves/special", ("GET", "HEAD", "LOCK", "OPTIONS", "POST")),
    ("GET", "/shelves/a:open", ("OPTIONS", "POST")),
    ("HEAD", "/shelves/a:open", ("OPTIONS", "POST")),
    ("GET", "/x/a", ("OPTIONS", "PATCH")),
    ("POST", "/files/a/b/c/d/e/f/g", ("GET", "HEAD", "OPTIONS")),
]

NOWHERE = [
    "", "*", "/", "//", "/nothing", "/shelves/", "//shelves", "/shelves/a/", "/shelves//a",
    "/shelves/a/b", "/Shelves", "/shelves?", "/shelves/:open", "/shelves/:", "/shelves/first/",
    "/files/", "/files//a", "/%73helves", "http://host/shelves", "/any", "/x/a/y/z", "shelves",
]  # fmt: skip

CLASHES = [
    ('get: "/a/{name}"', 'get: "/a/{other}"'),
    ('get: "/a/{name}"', 'get: "/a/*"'),
    ('get: "/a/{name=*}"', 'get: "/{name=a/*}"'),
    ('get: "/a/{name=**}"', 'get: "/a/**"'),
    ('get: "/a/b"', 'get: "/a/{name=b}"'),
    ('post: "/a/{name}:go"', 'post: "/a/{other}:go"'),
    ('custom: {kind: "get" path: "/a"}', 'get: "/a"'),
]

SIDE_BY_SIDE = [
    ('get: "/a/{name}"', 'post: "/a/{name}"'),
    ('get: "/a/{name}"', 'get: "/a/{name}:go"'),
    ('get: "/a/{name}"', 'get: "/a/b"'),
    ('get: "/a/{name}"', 'get: "/a/{name=**}"'),
    ('get: "/a/{name}/c"', 'get: "/{name}/b/c"'),
    ('get: "/a"', 'custom: {kind: "*" path: "/a"}'),
    ('get: "/a"', 'custom: {kind: "HEAD" path: "/a"}'),
]

# With the fields `string name = 1; Shelf shelf = 2; repeated string tags = 3;
# map<string, string> notes = 4; google.protobuf.Timestamp time = 5;`.
WRONG_RULES = [
    ('get: "/a/{nothing}"', "{nothing} is no scalar field"),
    ('get: "/a/{shelf}"', "{shelf} is no scalar field"),
    ('get: "/a/{shelf.nothing}"', "{shelf.nothing} is no scalar field"),
    ('get: "/a/{shelf.sizes}"', "{shelf.sizes} is no scalar field"),
    ('get: "/a/{tags}"', "{tags} is no scalar field"),
    ('get: "/a/{notes}"', "{notes} is no scalar field"),
    ('get: "/a/{notes.key}"', "{notes.key} is no scalar field"),
    ('get: "/a/{time}"', "{time} is no scalar field"),
    ('get: "/a/{time.seconds}"', "{time.seconds} is no scalar field"),
    ('get: "/a/{name.size}"', "{name.size} is no scalar field"),
    ('get: "/a/{camelCase}"', "{camelCase} is no scalar field"),
    ('get: "/a/{"', "is not a path template"),
    ('get: ""', "is not a path template"),
    ('post: "/a" body: "nothing"', "the body cannot be nothing"),
    ('post: "/a" body: "shelf.theme"', "the body cannot be shelf.theme"),
    ('post: "/a/{name}" body: "name"', "the body cannot be name"),
    ('post: "/a" response_body: "nothing"', "the response has no field nothing"),
    ('post: "/a" additional_bindings { body: "*" }', "a binding has no path"),
    (
        'post: "/a" additional_bindings { post: "/b" additional_bindings { post: "/c" } }',
        "additional bindings cannot have additional bindings",
    ),
]


@pytest.mark.parametrize(("verb", "path", "method", "variables"), FOUND)
def test_the_most_specific_binding_is_found(
    verb: str, path: str, method: str, variables: dict[str, str]
) -> None:
    match = ZOO.find(verb, path)

    assert match.binding.method.name == method
    assert match.variables == variables


@pytest.mark.parametrize(("verb", "path", "allowed"), WRONG_VERBS)
def test_a_wrong_verb_is_told_the_right_ones(
    verb: str, path: str, allowed: tuple[str, ...]
) -> None:
    with pytest.raises(WrongVerb) as refusal:
        ZOO.find(verb, path)

    assert refusal.value.allow == allowed
    assert refusal.value.message == f"method: this path takes {', '.join(allowed)}"


@pytest.mark.parametrize("path", NOWHERE)
@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "OPTIONS"])
def test_a_path_without_a_route_is_not_found(verb: str, path: str) -> None:
    with pytest.raises(RouteNotFound):
        ZOO.find(verb, path)


def test_a_malformed_value_is_refused_only_where_a_route_takes_it() -> None:
    with pytest.raises(InvalidInput, match=r"^path: "):
        ZOO.find("GET", "/shelves/%FF")
    with pytest.raises(WrongVerb):
        ZOO.find("PUT", "/shelves/%FF")
    with pytest.raises(RouteNotFound):
        ZOO.find("GET", "/nothing/%FF")


@pytest.mark.parametrize("rules", CLASHES)
def test_equally_specific_bindings_clash_and_both_are_named(rules: tuple[str, str]) -> None:
    contracts = contracts_of(service_of(*rules, fields="string name = 1; string other = 2;"))

    with pytest.raises(ValueError, match=r"zoo\.v1\.Zoo\.Call0 .*zoo\.v1\.Zoo\.Call1 "):
        routes_of(contracts)


@pytest.mark.parametrize("rules", SIDE_BY_SIDE)
def test_bindings_of_different_specificity_do_not_clash(rules: tuple[str, str]) -> None:
    routes = routes_of(contracts_of(service_of(*rules)))

    assert {"Call0", "Call1"} <= {binding.method.name for binding in routes.bindings}


@pytest.mark.parametrize(("rule", "problem"), WRONG_RULES)
def test_a_wrong_rule_is_refused_naming_its_method(rule: str, problem: str) -> None:
    fields = (
        "string name = 1; Shelf shelf = 2; repeated string tags = 3; map<string, string> notes = 4;"
        "google.protobuf.Timestamp time = 5; string camel_case = 6;"
    )

    with pytest.raises(ValueError, match=r"zoo\.v1\.Zoo\.Call0: ") as refusal:
        routes_of(contracts_of(service_of(rule, fields=fields)))

    assert problem in str(refusal.value)


def test_a_binding_says_what_path_and_body_give() -> None:
    taken = {binding.template: binding.taken for binding in ZOO.bindings}

    assert taken["/shelves/{name}"] == {"name"}
    assert taken["/x/{name}/y"] == {"name", "*"}
    assert taken["/x/{name}"] == {"name", "shelf"}
    assert taken["/shelves"] == set()


def test_the_order_in_contracts_does_not_matter() -> None:
    backwards = Routes(reversed(ZOO.bindings))

    for verb, path, method, variables in FOUND:
        match = backwards.find(verb, path)
        assert (match.binding.method.name, match.variables) == (method, variables)


def test_shipped_contracts_have_no_clash_and_every_binding_is_reachable() -> None:
    for binding in SHIPPED.bindings:
        match = SHIPPED.find(binding.verb, _filled(binding))

        assert match.binding is binding


def test_no_two_matches_share_their_variables() -> None:
    SHIPPED.find("POST", "/predict").variables["model"] = "changed"

    assert SHIPPED.find("POST", "/predict").variables == {}


VERBS = st.one_of(st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "*", "LOCK"]), st.text())
WORDS = st.sampled_from(
    ["shelves", "files", "any", "x", "first", "special", ":open", ":", "%2F", "%", "%00", ""]
)
PATHS = st.one_of(
    st.text(),
    st.lists(st.one_of(WORDS, st.text(max_size=3)), max_size=8).map("/".join).map("/{}".format),
)


@given(VERBS, PATHS)
def test_arbitrary_requests_match_or_are_refused_as_declared(verb: str, path: str) -> None:
    try:
        match = ZOO.find(verb, path)
    except (RouteNotFound, WrongVerb, InvalidInput):
        return

    assert set(match.variables) <= match.binding.taken


def _filled(binding: Binding) -> str:
    path = binding.template
    for variable in binding.pattern.variables:
        path = path.replace(f"{{{variable.name}}}", "penguins")
    return path

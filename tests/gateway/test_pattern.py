from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from gateway.pattern import ANY, REST, Pattern, pattern_of, segments_of
from mlmesh.runtime.errors import InvalidInput

# The tables follow the published tests of Envoy's transcoder and of grpc-gateway.
TEMPLATES = [
    ("/shelves/{shelf}/books/{book}", ["shelves", "*", "books", "*"], "", ["shelf", "book"]),
    ("/shelves/**", ["shelves", "**"], "", []),
    ("/**", ["**"], "", []),
    ("/a:foo", ["a"], "foo", []),
    ("/a/b/c:foo", ["a", "b", "c"], "foo", []),
    ("/*/**", ["*", "**"], "", []),
    ("/*/a/**", ["*", "a", "**"], "", []),
    ("/a/{a.b.c}", ["a", "*"], "", ["a.b.c"]),
    ("/a/{a.b.c=*}", ["a", "*"], "", ["a.b.c"]),
    ("/a/{b=**}", ["a", "**"], "", ["b"]),
    ("/a/{b=c/*}", ["a", "c", "*"], "", ["b"]),
    ("/a/{b=c/*/d}", ["a", "c", "*", "d"], "", ["b"]),
    ("/a/{b=c/**}", ["a", "c", "**"], "", ["b"]),
    ("/{x.y.z=*/a/b}/c", ["*", "a", "b", "c"], "", ["x.y.z"]),
    ("/*:verb", ["*"], "verb", []),
    ("/**:verb", ["**"], "verb", []),
    ("/{x}:verb", ["*"], "verb", ["x"]),
    ("/{x=**}:verb", ["**"], "verb", ["x"]),
    ("/a/{b=*}/**:verb", ["a", "*", "**"], "verb", ["b"]),
    ("/a:b/c", ["a:b", "c"], "", []),
    ("/a:b:c", ["a:b"], "c", []),
    ("/%20/a.b-c_d~", ["%20", "a.b-c_d~"], "", []),
]

WRONG_TEMPLATES = [
    "", "/", "//", "/{}", "/a/", "/a//b", ":verb", "/:verb", "/a/:verb", ":", "/:", "/*:", "/**:",
    "/{var}:", "/a/b/:", "/a/b/*:", "/a/b/{var}:", "/a/{", "/a/{var", "/a/{var.", "/a/{var.}",
    "/a/{x=var:verb}", "a", "{x}", "{x=/a}", "a/b", "a/b/{x}", "a/{x}/b:verb", "/a/{var=/b}",
    "/a/{var=}", "/{var=a/{nested=b}}", "/a{x}", "/{x}a", "/a{x}b", "/{x}a{y}", "/a/b{x}c/s",
    "/a/***", "/a/*b", "/a b", "/a?b", "/a#b", "/%2", "/\u00e9", "/{1x}", "/{x-y}", "/{x}/{x}",
    "/**/a", "/a/**/*", "/a/**/**", "/{x=**}/a", "/a/{x=**/b}",
]  # fmt: skip

MATCHES = [
    ("/a/{x}/c", "/a/hello/c", {"x": "hello"}),
    ("/a/{x}/c", "/a/p%20q%2Fr/c", {"x": "p q/r"}),
    ("/a/{x}/c", "/a/p%20q%2fr/c", {"x": "p q/r"}),
    ("/a/{x}", "/a/1+1", {"x": "1+1"}),
    ("/a/{x}", "/a/a:b", {"x": "a:b"}),
    ("/a/{x}", "/a/..", {"x": ".."}),
    ("/a/{x}", "/a/%C3%A9%F0%9F%90%A7", {"x": "\u00e9\U0001f427"}),
    ("/a/{x}", "/a/%2525", {"x": "%25"}),
    ("/{x=a/*}/b/{y=*}/c", "/a/hello/b/world/c", {"x": "a/hello", "y": "world"}),
    ("/a/{x=b/*}/{y=d/**}", "/a/b/zoo/d/animal/tiger", {"x": "b/zoo", "y": "d/animal/tiger"}),
    ("/a/{x=p/*/q/*}/c", "/a/p/foo%20foo/q/bar%2Fbar/c", {"x": "p/foo foo/q/bar%2Fbar"}),
    ("/a/{x=**}", "/a/p/foo%20foo/bar%2fbar", {"x": "p/foo foo/bar%2fbar"}),
    ("/a/{x=**}", "/a/%21%3A%40/%C3%A9", {"x": "!:@/\u00e9"}),
    ("/a/{x=**}", "/a", {"x": ""}),
    ("/a/{x=b/**}", "/a/b", {"x": "b"}),
    ("/a/{x=b}", "/a/b", {"x": "b"}),
    ("/a/{b.c}/*/**", "/a/1/2/3/4", {"b.c": "1"}),
    ("/**", "/", {}),
    ("/**", "/a/b", {}),
]

MISMATCHES = [
    ("/a/{x}", "/a"),
    ("/a/{x}", "/a/"),
    ("/a/{x}", "/a/b/"),
    ("/a/{x}", "/a/b/c"),
    ("/a/{x}", "a/b"),
    ("/a/{x}", "//b"),
    ("/a/{x}", "/A/b"),
    ("/a/{x}", "/%61/b"),
    ("/a/{x}/c", "/a//c"),
    ("/a/{x=**}", "/a/"),
    ("/a/{x=**}", "/a/b//c"),
    ("/a/{x=**}", "/b"),
    ("/a/{x=b/**}", "/a"),
    ("/a/*", "*"),
    ("/a", ""),
    ("/a", "/"),
    ("/a", "/a/b"),
]

# Behind "/a/".
MALFORMED = [
    "%", "%2", "%zz", "a%2", "%%41", "%FF", "%C3", "%C3%28", "%ED%A0%80", "%C0%AF", "%F5%80%80%80",
    "%00", "a%00b", "%0A", "%1F", "%7F", "%C2%80", "\x00", "\n", "\x7f", "\u00e9",
]  # fmt: skip


@pytest.mark.parametrize(("template", "segments", "verb", "names"), TEMPLATES)
def test_a_template_has_segments_a_verb_and_variables(
    template: str, segments: list[str], verb: str, names: list[str]
) -> None:
    pattern = pattern_of(template)

    assert list(pattern.segments) == segments
    assert pattern.verb == verb
    assert [variable.name for variable in pattern.variables] == names


@pytest.mark.parametrize("template", WRONG_TEMPLATES)
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="is not a path template"):
        pattern_of(template)


@pytest.mark.parametrize(("template", "path", "values"), MATCHES)
def test_a_path_that_fits_gives_its_values(
    template: str, path: str, values: dict[str, str]
) -> None:
    assert _matched(pattern_of(template), path) == values


@pytest.mark.parametrize(("template", "path"), MISMATCHES)
def test_a_path_of_another_shape_does_not_fit(template: str, path: str) -> None:
    assert _matched(pattern_of(template), path) is None


@pytest.mark.parametrize("template", ["/a/{x}", "/a/{x=**}", "/a/{x=*}"])
@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_value_is_refused_naming_the_path(template: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        _matched(pattern_of(template), f"/a/{value}")

    assert refusal.value.field == "path"


def test_literals_come_before_wildcards_from_left_to_right() -> None:
    templates = ["/a/b", "/a/{x}", "/a/**", "/*/b", "/*/*", "/*/**", "/**"]

    patterns = [pattern_of(template) for template in reversed(templates)]

    ordered = sorted(patterns, key=lambda pattern: pattern.specificity)

    assert [pattern.template for pattern in ordered] == templates


LITERALS = st.text(st.sampled_from("abcXYZ019._~-!$&'()+,;@"), min_size=1)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)
SEGMENTS = st.lists(st.one_of(LITERALS, st.just(ANY)), min_size=1, max_size=4)


@st.composite
def filled_templates(draw: st.DrawFn) -> tuple[str, str, dict[str, str]]:
    """A template, a path made by filling it with arbitrary text, and that text by variable."""
    template, path, values = "", "", {}
    for number, parts in enumerate(draw(st.lists(SEGMENTS, min_size=1, max_size=4))):
        texts = [draw(TEXTS) if part == ANY else part for part in parts]
        path += "".join(
            f"/{quote(text, safe='') if part == ANY else text}"
            for part, text in zip(parts, texts, strict=True)
        )
        template += f"/{{v{number}={'/'.join(parts)}}}"
        # A slash inside a value of several segments could not be told from one between them.
        slash = "/" if len(parts) == 1 else "%2F"
        values[f"v{number}"] = "/".join(text.replace("/", slash) for text in texts)
    if draw(st.booleans()):
        rest = draw(st.lists(TEXTS, max_size=3))
        template += "/{rest=**}"
        path += "".join(f"/{quote(text, safe='')}" for text in rest)
        values["rest"] = "/".join(text.replace("/", "%2F") for text in rest)
    return template, path, values


@given(filled_templates())
def test_a_filled_template_matches_and_gives_the_values_back(
    filled: tuple[str, str, dict[str, str]],
) -> None:
    template, path, values = filled

    assert _matched(pattern_of(template), path) == values


@given(st.text(st.sampled_from("/{}=*.:ab%2"), max_size=20))
def test_arbitrary_text_is_a_template_or_is_refused(template: str) -> None:
    try:
        pattern = pattern_of(template)
    except ValueError:
        return

    assert REST not in pattern.segments[:-1]
    assert all(pattern.segments)


def _matched(pattern: Pattern, path: str) -> dict[str, str] | None:
    segments = segments_of(path)
    if segments is None or not pattern.fits(segments):
        return None
    return pattern.values(segments)

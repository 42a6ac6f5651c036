"""The gateway's routes: which method answers which HTTP request, as the contracts say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.api import http_pb2

from gateway.field_path import fields_along
from gateway.pattern import Pattern, pattern_of, segments_of
from mlmesh.runtime.contracts import Contracts, Method
from mlmesh.runtime.errors import NotFound, Unsupported

ALL_FIELDS = "*"
ANY_VERB = "*"


class RouteNotFound(NotFound):
    """No route has this path."""

    reason = "ROUTE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("path: there is nothing here; /openapi.json lists what there is")


class WrongVerb(Unsupported):
    """Routes have this path, but none has this HTTP verb.

    `allow` lists those that are possible, for the header of that name. It is also what answers
    OPTIONS: ask `find` for it and take the list.
    """

    reason = "METHOD_NOT_ALLOWED"

    def __init__(self, verbs: Iterable[str]) -> None:
        self.allow = tuple(sorted({*verbs, "OPTIONS"}))
        super().__init__(f"method: this path takes {', '.join(self.allow)}")


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to call a method by HTTP."""

    verb: str
    """In capitals; ANY_VERB stands for every verb that has no binding of its own."""
    pattern: Pattern
    method: Method
    body: str | None
    """The field that the body is; ALL_FIELDS: every field that the path does not give."""
    response_body: str | None
    """The field of the response that is answered; None: all of it."""

    @property
    def template(self) -> str:
        return self.pattern.template

    @property
    def taken(self) -> frozenset[str]:
        """Paths of the fields that the path and the body give, so that a query cannot."""
        names = {variable.name for variable in self.pattern.variables}
        return frozenset(names | {self.body} if self.body else names)


@dataclass(frozen=True, slots=True)
class Match:
    binding: Binding
    variables: dict[str, str]
    """Field path -> decoded value."""

    @property
    def template(self) -> str:
        return self.binding.template


@dataclass(frozen=True, slots=True)
class Shape:
    """The bindings that paths of one length and custom verb can have, by HTTP verb."""

    by_verb: Mapping[str, Sequence[Binding]]
    """Most specific first."""

    def of(self, verb: str) -> Sequence[Binding]:
        return self.by_verb.get(verb) or self.by_verb.get(ANY_VERB, ())

    def verbs(self, segments: Sequence[str]) -> list[str]:
        """The HTTP verbs with which a path can be called."""
        return [
            verb
            for verb, bindings in self.by_verb.items()
            if any(binding.pattern.fits(segments) for binding in bindings)
        ]


class Routes:
    """Finds the binding of a request; the most specific one, wherever it was written.

    Text behind the last colon of a path is a custom verb if a route with that verb has the rest of
    the path, whatever its HTTP verb; else it belongs to the value. An encoded colon always does.
    """

    def __init__(self, bindings: Iterable[Binding]) -> None:
        """Raises ValueError when two bindings would match the same requests equally well."""
        self.bindings = tuple(bindings)
        _refuse_clashes(self.bindings)
        self._longest = max((binding.pattern.least for binding in self.bindings), default=0)
        self._shapes = dict(self._shapes_of(self.bindings))
        self._literals = {
            (verb, binding.template): binding
            for shape in self._shapes.values()
            for verb, bindings in shape.by_verb.items()
            for binding in reversed(bindings)
            if binding.pattern.literal
        }

    def find(self, verb: str, raw_path: str) -> Match:
        """The binding for a request and the variables of its path, which is still encoded.

        Raises RouteNotFound, WrongVerb, or InvalidInput when a value in the path is malformed.
        """
        binding = self._literals.get((verb, raw_path))
        if binding is not None:
            return Match(binding, {})
        segments = segments_of(raw_path)
        if segments is None:
            raise RouteNotFound
        match = self._with_custom_verb(verb, segments) or self._match(verb, segments, "")
        if match is None:
            raise RouteNotFound
        return match

    def _with_custom_verb(self, verb: str, segments: list[str]) -> Match | None:
        text, colon, custom_verb = segments[-1].rpartition(":") if segments else ("", "", "")
        if colon and not text:
            # As in "/models/:predict" when the caller's variable is empty.
            raise RouteNotFound
        return self._match(verb, [*segments[:-1], text], custom_verb) if custom_verb else None

    def _match(self, verb: str, segments: Sequence[str], custom_verb: str) -> Match | None:
        shape = self._shapes.get((min(len(segments), self._longest + 1), custom_verb))
        if shape is None:
            return None
        for binding in shape.of(verb):
            if binding.pattern.fits(segments):
                return Match(binding, binding.pattern.values(segments))
        if verbs := shape.verbs(segments):
            raise WrongVerb(verbs)
        return None

    def _shapes_of(self, bindings: Sequence[Binding]) -> Iterator[tuple[tuple[int, str], Shape]]:
        """Every length up to the longest, and one more that stands for all beyond."""
        for custom_verb in {binding.pattern.verb for binding in bindings}:
            for length in range(self._longest + 2):
                among = [
                    binding
                    for binding in bindings
                    if binding.pattern.verb == custom_verb and _has_length(binding.pattern, length)
                ]
                if among:
                    yield (length, custom_verb), _shape(among)


def routes_of(contracts: Contracts) -> Routes:
    """The routes of every method that has a REST surface.

    Raises ValueError, naming the method, when a template or a field that it names is wrong.
    """
    return Routes(binding for method in contracts.methods() for binding in bindings_of(method))


def bindings_of(method: Method) -> Iterator[Binding]:
    if method.http is None:
        return
    for rule in (method.http, *method.http.additional_bindings):
        try:
            yield _binding(method, rule)
        except ValueError as error:
            raise ValueError(f"{method.descriptor.full_name}: {error}") from error


def _binding(method: Method, rule: http_pb2.HttpRule) -> Binding:
    kind = rule.WhichOneof("pattern")
    if kind is None:
        raise ValueError("a binding has no path")
    if rule is not method.http and rule.additional_bindings:
        raise ValueError("additional bindings cannot have additional bindings")
    custom = kind == "custom"
    verb, template = (rule.custom.kind, rule.custom.path) if custom else (kind, getattr(rule, kind))
    pattern = pattern_of(template)
    binding = Binding(verb.upper(), pattern, method, rule.body or None, rule.response_body or None)
    _check_fields(binding)
    return binding


def _check_fields(binding: Binding) -> None:
    """Refuse a binding that names fields which its messages do not have."""
    request, response = binding.method.descriptor.input_type, binding.method.descriptor.output_type
    names = [variable.name for variable in binding.pattern.variables]
    for name in names:
        fields = fields_along(request, name)
        found = ".".join(field.name for field in fields)
        if found != name or fields[-1].is_repeated or fields[-1].message_type:
            raise ValueError(f"{binding.template}: {{{name}}} is no scalar field of the request")
    body = binding.body
    if body and (body in names or (body != ALL_FIELDS and body not in request.fields_by_name)):
        raise ValueError(f"{binding.template}: the body cannot be {body}")
    if binding.response_body and binding.response_body not in response.fields_by_name:
        raise ValueError(f"{binding.template}: the response has no field {binding.response_body}")


def _refuse_clashes(bindings: Sequence[Binding]) -> None:
    """Patterns are equally specific for a path that both match only if their segments are equal."""
    seen: dict[tuple[str, tuple[str, ...], str], Binding] = {}
    for binding in bindings:
        key = (binding.verb, binding.pattern.segments, binding.pattern.verb)
        other = seen.setdefault(key, binding)
        if other is not binding:
            raise ValueError(
                f"{other.method.descriptor.full_name} ({other.template}) and "
                f"{binding.method.descriptor.full_name} ({binding.template}) "
                f"answer the same requests"
            )


def _has_length(pattern: Pattern, length: int) -> bool:
    return pattern.least == length or (pattern.open and pattern.least < length)


def _answered_verbs(binding: Binding) -> tuple[str, ...]:
    """Whatever can be got can also be asked for by HEAD."""
    return ("GET", "HEAD") if binding.verb == "GET" else (binding.verb,)


def _shape(bindings: Sequence[Binding]) -> Shape:
    verbs = {verb for binding in bindings for verb in _answered_verbs(binding)}
    return Shape({verb: _answering(verb, bindings) for verb in verbs})


def _answering(verb: str, bindings: Sequence[Binding]) -> tuple[Binding, ...]:
    """The bindings for one HTTP verb: by path, then those that name the verb itself first."""
    among = [
        binding
        for binding in bindings
        if verb in _answered_verbs(binding) or binding.verb == ANY_VERB
    ]
    rank = {verb: 0, ANY_VERB: 2}
    return tuple(sorted(among, key=lambda one: (one.pattern.specificity, rank.get(one.verb, 1))))

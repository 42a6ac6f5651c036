"""A model and its versions, whatever state they are in."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.pointers import Pointers
from mlmesh.registry.store import newest_of, version_order
from mlmesh.runtime.errors import ModelNotFound, Precondition, Unavailable

MOST_NAMES = 10
"""Names in a message; a host may have thousands."""

State = Literal["LOADING", "READY", "FAILED", "UNLOADED"]


@dataclass(frozen=True, slots=True)
class VersionState:
    """Where a version is in its life."""

    version: str
    state: State
    reason: str = ""
    """Why it is in this state, for people; empty when all is well."""


@dataclass(slots=True)
class HostedModel:
    """A model and its versions."""

    name: str
    versions: dict[str, LoadedVersion] = field(default_factory=dict)
    """Those that answer, oldest first."""
    others: dict[str, VersionState] = field(default_factory=dict)
    """The states of those that do not."""
    remarks: dict[str, str] = field(default_factory=dict)
    """Why a changed copy of a version that answers was not taken."""
    pointers: Pointers = field(default_factory=Pointers)

    @property
    def labels(self) -> Mapping[str, str]:
        """Version by label."""
        return self.pointers.labels

    @property
    def default_version(self) -> str:
        """The version that was made the default, else the newest that answers; may be empty."""
        return self.pointers.default or newest_of([*self.versions])

    def find(self, version: str) -> LoadedVersion:
        """The version of this name or label; empty means the default.

        Raises ModelNotFound, or Unavailable for a version that is there but does not answer.
        """
        found = self.versions.get(version or self.default_version)
        return found if found is not None else self._labelled(version)

    def states(self) -> list[VersionState]:
        """All versions, oldest first; may be asked for from any thread."""
        ready = {
            name: VersionState(name, "READY", self.remarks.get(name, ""))
            for name in list(self.versions)
        }
        states = {**self.others, **ready}
        return [states[name] for name in sorted(states, key=version_order)]

    def put(self, version: str, loaded: LoadedVersion) -> LoadedVersion | None:
        """Let a version answer from now on; gives the one that did so under this name."""
        replaced = self.versions.pop(version, None)
        self.others.pop(version, None)
        self.remarks.pop(version, None)
        versions = {**self.versions, version: loaded}
        self.versions = {name: versions[name] for name in sorted(versions, key=version_order)}
        return replaced

    def take(self, state: VersionState) -> LoadedVersion | None:
        """Let a version answer no more; gives it, if it did."""
        self.others[state.version] = state
        self.remarks.pop(state.version, None)
        return self.versions.pop(state.version, None)

    def forget(self, version: str) -> LoadedVersion | None:
        """The same for a version that is not in the repository any more."""
        taken = self.take(VersionState(version, "UNLOADED"))
        del self.others[version]
        return taken

    def fail(self, version: str, reason: str) -> None:
        """A version could not be loaded; one that answers under this name goes on."""
        if version in self.versions:
            self.remarks[version] = f"a changed copy was not taken: {reason}"
        else:
            self.others[version] = VersionState(version, "FAILED", reason)

    def give_up_loading(self, version: str) -> None:
        """Loading was interrupted: nothing is known of the version but that it is there."""
        if version in self.others and self.others[version].state == "LOADING":
            self.others[version] = VersionState(version, "UNLOADED")

    def is_failed(self, version: str) -> bool:
        """Whether a version could not be loaded, and none answers under its name."""
        return version in self.others and self.others[version].state == "FAILED"

    def require_known(self, version: str) -> None:
        """Raise ModelNotFound for a version that is not there, in whatever state."""
        known = [state.version for state in self.states()]
        if version not in known:
            raise ModelNotFound(unknown(f"version: {self.name} has", version, known))

    def require_ready(self, version: str) -> None:
        """Raise ModelNotFound, or Precondition for a version that is there but does not answer."""
        self.require_known(version)
        if version not in self.versions:
            raise Precondition(f"version: {self.name} {version} does not answer; load it first")

    def refuse_failures(self, versions: Sequence[str]) -> None:
        """Raise Precondition, with the reason, when one of these could not be loaded."""
        reasons = {state.version: state.reason for state in self.states()}
        for version in versions:
            if reason := reasons.get(version):
                raise Precondition(f"version: {self.name} {version}: {reason}")

    def _labelled(self, version: str) -> LoadedVersion:
        wanted = self.labels.get(version, version or self.default_version)
        if wanted in self.versions:
            return self.versions[wanted]
        if not wanted:
            raise Unavailable(
                f"model_version: {self.name} has no version that could be loaded, GetModel says why"
            )
        state = self.others.get(wanted)
        if state is None and wanted not in self.labels.values() and not self._is_default(wanted):
            raise ModelNotFound(self._unknown(wanted))
        failed = state is not None and state.state == "FAILED"
        problem = "could not be loaded, GetModel says why" if failed else "is not loaded"
        raise Unavailable(f"model_version: {self.name} {wanted} {problem}")

    def _is_default(self, version: str) -> bool:
        return version == self.pointers.default

    def _unknown(self, version: str) -> str:
        known = [*self.versions, *self.labels]
        return unknown(f"model_version: {self.name} has", version, known)


def unknown(whose: str, name: str, known: Mapping[str, object] | list[str]) -> str:
    """The message about a name that is not there, with the one that was probably meant."""
    close = difflib.get_close_matches(name[:64], known, n=1)
    some = [*sorted(known)[:MOST_NAMES], *(["..."] if len(known) > MOST_NAMES else [])]
    others = f"choose from {', '.join(some)}" if some else "and nothing else either"
    hint = f"did you mean {close[0]!r}?" if close else others
    return f"{whose} nothing named {name[:64]!r}, {hint}"

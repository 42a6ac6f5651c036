"""The models of one service: found by name and version, loaded and unloaded at run time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mlmesh.inference.catalogue import Catalogue
from mlmesh.inference.hosted_model import HostedModel, VersionState, unknown
from mlmesh.inference.metrics import InferenceMetrics, State
from mlmesh.inference.name_locks import NameLocks
from mlmesh.inference.opening import Copied, Opener
from mlmesh.inference.options import HostOptions
from mlmesh.inference.retirement import Retirement
from mlmesh.inference.scratch import scratch_folder
from mlmesh.inference.session import BadGraph
from mlmesh.inference.version import Hold, LoadedVersion
from mlmesh.registry.pointers import BadPointers, Pointers, check_label, check_room
from mlmesh.registry.store import BadVersion, StoredVersion
from mlmesh.runtime.errors import InvalidInput, ModelNotFound, NotFound, Precondition

logger = logging.getLogger(__name__)


class Host:
    """Finds models, and changes which versions of them answer.

    Changes of one model happen one after another, those of several side by side; calls go on
    meanwhile, and each is answered by one version.
    """

    def __init__(self, options: HostOptions, opener: Opener, metrics: InferenceMetrics) -> None:
        self.models: dict[str, HostedModel] = {}
        self.default_model = options.default_model
        self._catalogue = Catalogue(options.roots, options.services)
        self._opener = opener
        self._metrics = metrics
        self._changing = NameLocks()
        self._retirement = Retirement(opener, options.drain_seconds, self._gone)
        self._stamps: dict[Path, object] = {}

    def find(self, name: str, version: str) -> LoadedVersion:
        """The version that a caller asked for, by its name or a label; empty means the default.

        Raises ModelNotFound, or Unavailable for a version that is there but does not answer.
        """
        model = self.models.get(name or self.default_model)
        if model is None:
            raise ModelNotFound(unknown("model: there is", name or self.default_model, self.models))
        return model.find(version)

    def using(self, name: str, version: str) -> Hold:
        """The same as a context manager; inside the block the version is not unloaded."""
        return self.find(name, version).hold()

    async def load(self, name: str, version: str = "") -> None:
        """Load a version, or swap it for its changed copy; empty: every one that is not loaded.

        The version that answered under this name goes on until the new one is warm, and ends what
        it has begun. Raises ModelNotFound; Precondition when what was asked for cannot be loaded.
        """
        async with self._changing(name):
            found = await asyncio.to_thread(self._catalogue.versions_of, name)
            wanted = [stored for stored in found if version in ("", stored.version)]
            if not wanted:
                what = f"{name[:64]} {version[:64]}".strip()
                raise ModelNotFound(f"model: {what!r} is not in this service's repository")
            self._read_pointers(self._model(name))
            await self._load(wanted, again=True)
            await self._mark(name, [stored.version for stored in wanted], unloaded=False)
            self.models[name].refuse_failures([stored.version for stored in wanted])

    async def unload(self, name: str, version: str = "") -> None:
        """Let a version, or all of a model, answer no more; comes back when its memory is free.

        What it has begun it may end. What is not in the repository any more is forgotten. Raises
        ModelNotFound; Precondition for the version that was made the default, unless it goes with
        all.
        """
        async with self._changing(name):
            model = self._known(name)
            self._read_pointers(model)
            versions = [version] if version else list(model.versions)
            for one in versions:
                model.require_known(one)
            if version and version == model.pointers.default:
                raise Precondition(
                    f"version: {version} is the default of {name}; make another one the default "
                    "first, or unload the whole model"
                )
            found = await asyncio.to_thread(self._catalogue.versions_of, name)
            there = {stored.version for stored in found}
            await self._mark(name, [one for one in versions if one in there], unloaded=True)
            gone = [model.take(VersionState(one, "UNLOADED")) for one in versions]
            await self._retirement.free(gone)
            await self._forget_missing(found, [model])

    async def set_default(self, name: str, version: str) -> None:
        """Make a version answer callers that name none; raises as `set_label`."""
        async with self._changing(name):
            self._known(name).require_ready(version)
            await self._point(name, lambda said: said.model_copy(update={"default": version}))

    async def set_label(self, name: str, label: str, version: str) -> None:
        """Let `label` stand for a version. Raises ModelNotFound; InvalidInput for a label that
        cannot be one; Precondition for a version that does not answer."""
        async with self._changing(name):
            model = self._known(name)
            model.require_ready(version)
            try:
                check_label(label, [state.version for state in model.states()])
                check_room(label, model.labels)
            except BadPointers as error:
                raise InvalidInput("label", str(error).removeprefix("label: ")) from None
            await self._point(name, lambda said: _relabelled(said, {**said.labels, label: version}))

    async def remove_label(self, name: str, label: str) -> None:
        """Let a label stand for nothing any more; raises ModelNotFound or NotFound."""
        async with self._changing(name):
            model = self._known(name)
            if label not in model.labels:
                raise NotFound(unknown(f"label: {name} has", label, dict(model.labels)))
            await self._point(
                name,
                lambda said: _relabelled(
                    said, {key: value for key, value in said.labels.items() if key != label}
                ),
            )

    async def follow(self) -> None:
        """Make the host what its repositories say: load what is new or changed, unload what went.

        Versions that were unloaded stay so. Those that cannot be loaded are kept as failed, and
        tried again when their files change. A repository that is gone as a whole changes nothing.
        """
        found = await asyncio.to_thread(self._catalogue.versions)
        async with self._changing(*self.models, *(stored.model for stored in found)):
            if self._catalogue.all_there():
                await self._forget_missing(found, list(self.models.values()))
            for name in {stored.model for stored in found}:
                self._read_pointers(self._model(name))
            wanted = []
            for stored in found:
                model = self.models[stored.model]
                if stored.version not in model.pointers.unloaded:
                    wanted.append(stored)
                elif stored.version not in model.versions:
                    model.others[stored.version] = VersionState(stored.version, "UNLOADED")
            await self._load(wanted, again=False)

    async def close(self) -> None:
        """Unload everything without waiting for what is under way."""
        for model in self.models.values():
            for name in list(model.versions):
                if (version := model.take(VersionState(name, "UNLOADED"))) is not None:
                    await version.__aexit__(None, None, None)
        await self._retirement.finished()

    async def _load(self, wanted: Sequence[StoredVersion], *, again: bool) -> None:
        """Copy, try and open those that are not loaded as they are now.

        again: also those that failed as they are now.
        """
        copies: list[Copied] = []
        try:
            for stored in wanted:
                if await self._needs_loading(stored, again):
                    try:
                        copies.append(await self._opener.copy(stored))
                    except BadVersion as error:
                        self._fail(stored, str(error))
            reasons = await self._opener.tried(copies)
            for reason in reasons:
                await self._open(copies.pop(0), reason)
        except BaseException:
            for copied in copies:
                await self._opener.discard(copied)
            for stored in wanted:
                self.models[stored.model].give_up_loading(stored.version)
                self._stamps.pop(stored.folder, None)
            raise

    async def _needs_loading(self, stored: StoredVersion, again: bool) -> bool:
        model = self._model(stored.model)
        stamp = await asyncio.to_thread(self._catalogue.stamp, stored)
        seen = self._stamps.get(stored.folder) == stamp
        self._stamps[stored.folder] = stamp
        if stored.version in model.versions:
            return (again or not seen) and await asyncio.to_thread(self._changed, stored, model)
        if seen and not again and model.is_failed(stored.version):
            return False
        model.others[stored.version] = VersionState(stored.version, "LOADING")
        return True

    async def _open(self, copied: Copied, reason: str) -> None:
        try:
            if reason:
                raise BadVersion(reason)
            version = await self._opener.open(copied)
        except BaseException as error:
            await self._opener.discard(copied)
            if not isinstance(error, BadVersion | BadGraph):
                raise
            self._fail(copied.stored, str(error))
            return
        await version.__aenter__()
        stored = copied.stored
        replaced = self.models[stored.model].put(stored.version, version)
        seconds = time.monotonic() - copied.began
        self._metrics.loaded(stored.model, stored.version, version.provider, seconds)
        if replaced is not None:
            self._metrics.swapped(stored.model)
        await self._retirement.free([replaced])

    def states(self) -> list[State]:
        """The model, version and state of all; may be asked for from any thread."""
        return [
            (model.name, one.version, one.state)
            for model in list(self.models.values())
            for one in model.states()
        ]

    def _gone(self, version: LoadedVersion) -> None:
        name, number = version.manifest.name, version.manifest.version
        model = self.models.get(name)
        # After a swap another one answers under this name.
        if model is None or number not in model.versions:
            self._metrics.unloaded(name, number, version.provider)

    async def _forget_missing(
        self, found: Sequence[StoredVersion], models: Sequence[HostedModel]
    ) -> None:
        """Unload and forget the versions of these models that are not among those found."""
        there = {(stored.model, stored.version) for stored in found}
        for model in models:
            names = [state.version for state in model.states()]
            gone = [one for one in names if (model.name, one) not in there]
            await self._retirement.free([model.forget(one) for one in gone])
            if not model.states():
                del self.models[model.name]
                self._metrics.forgotten(model.name)

    def _changed(self, stored: StoredVersion, model: HostedModel) -> bool:
        return self._catalogue.digest(stored) != self._catalogue.digest_of(
            model.versions[stored.version].folder
        )

    def _model(self, name: str) -> HostedModel:
        return self.models.setdefault(name, HostedModel(name))

    def _known(self, name: str) -> HostedModel:
        if name not in self.models:
            raise ModelNotFound(unknown("model: there is", name, self.models))
        return self.models[name]

    def _fail(self, stored: StoredVersion, reason: str) -> None:
        names = {"model": stored.model, "version": stored.version}
        logger.error("model failed", extra={**names, "reason": reason})
        self.models[stored.model].fail(stored.version, reason)
        self._metrics.failed()

    def _read_pointers(self, model: HostedModel) -> None:
        try:
            model.pointers = self._catalogue.pointers(model.name)
        except BadPointers as error:
            # What they said last goes on: a broken file must not move callers to another version.
            logger.error("pointers not read", extra={"model": model.name, "reason": str(error)})

    async def _mark(self, name: str, versions: Sequence[str], *, unloaded: bool) -> None:
        """Remember over a restart which versions are not to be loaded."""

        def marked(said: Pointers) -> Pointers:
            before = set(said.unloaded)
            marks = before | set(versions) if unloaded else before - set(versions)
            return said.model_copy(update={"unloaded": tuple(sorted(marks))})

        pointers = self.models[name].pointers
        if marked(pointers).unloaded != pointers.unloaded:
            await self._point(name, marked)

    async def _point(self, name: str, change: Callable[[Pointers], Pointers]) -> None:
        """Change a model's pointers, on disk and then here.

        change: of what the disk says, which others write to, too; what is known here may be old.
        """
        model = self.models[name]
        try:
            model.pointers = await asyncio.to_thread(self._catalogue.change_pointers, name, change)
        except BadPointers as error:
            # A read-only repository must not keep an operator from acting.
            model.pointers = change(model.pointers)
            logger.warning(
                "change kept until the restart only", extra={"model": name, "reason": str(error)}
            )


def _relabelled(said: Pointers, labels: Mapping[str, str]) -> Pointers:
    return said.model_copy(update={"labels": labels})


@asynccontextmanager
async def open_host(options: HostOptions, metrics: InferenceMetrics) -> AsyncIterator[Host]:
    """Load and warm every version of the repositories; free them when the block ends.

    A version that cannot be loaded is kept as failed, with the reason.
    """
    with scratch_folder() as scratch:
        host = Host(options, Opener(options, scratch, metrics), metrics)
        metrics.read_states(host.states)
        try:
            await host.follow()
            yield host
        finally:
            metrics.forget_states(host.states)
            await host.close()

"""The repository extension: what is there, and what callers may ask to be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlmesh.inference.hosted_model import HostedModel, State
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput, Unsupported

UNLOAD_DEPENDENTS = "unload_dependents"

# Triton's words. A version that was unloaded and one that could not be loaded differ by reason.
_STATES: Mapping[State, str] = {
    "LOADING": "LOADING",
    "READY": "READY",
    "FAILED": "UNAVAILABLE",
    "UNLOADED": "UNAVAILABLE",
}


def index_of(
    models: Iterable[HostedModel], *, ready: bool
) -> Iterator[pb.RepositoryIndexResponse.ModelIndex]:
    """Every version of every model, by name; only those that answer, if `ready`."""
    for model in sorted(models, key=lambda model: model.name):
        for state in model.states():
            if state.state == "READY" or not ready:
                yield pb.RepositoryIndexResponse.ModelIndex(
                    name=model.name,
                    version=state.version,
                    state=_STATES[state.state],
                    reason=state.reason or ("unloaded" if state.state == "UNLOADED" else ""),
                )


def refuse_repository(name: str) -> None:
    """Raise Unsupported for a repository by name."""
    if name:
        raise Unsupported("repository_name: there is one repository here, leave its name out")


def model_to_load(request: pb.RepositoryModelLoadRequest) -> str:
    """The model that a request is about; raises InvalidInput or Unsupported."""
    for name in request.parameters:
        if name == "config" or name.startswith("file:"):
            raise Unsupported(
                f'parameters["{name[:64]}"]: models are loaded from the repository as they are '
                "there, not from requests"
            )
        raise InvalidInput(f'parameters["{name[:64]}"]', "is not known")
    return _model_of(request)


def model_to_unload(request: pb.RepositoryModelUnloadRequest) -> str:
    """The model that a request is about; raises InvalidInput or Unsupported."""
    for name, value in request.parameters.items():
        if name != UNLOAD_DEPENDENTS:
            raise InvalidInput(f'parameters["{name[:64]}"]', "is not known")
        if value.WhichOneof("parameter_choice") != "bool_param":
            raise InvalidInput(f'parameters["{name}"]', "expected a bool_param")
    return _model_of(request)


def _model_of(
    request: pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest,
) -> str:
    if request.model_name:
        refuse_repository(request.repository_name)
    # KServe's clients send the model's name in the first field.
    name = request.model_name or request.repository_name
    if not name:
        raise InvalidInput("model_name", "name the model")
    return name

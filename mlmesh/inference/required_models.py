"""The models that a service must not begin without."""

from __future__ import annotations

from collections.abc import Iterable

from mlmesh.inference.host import Host
from mlmesh.inference.settings import ModelServiceSettings
from mlmesh.runtime.program import BadConfiguration


def require_models(host: Host, settings: ModelServiceSettings, named_by: Iterable[str]) -> None:
    """Raise BadConfiguration for the first model without a version.

    named_by: the settings that name one each, or none where they are empty.
    """
    for setting in named_by:
        name = getattr(settings, setting)
        if name and (name not in host.models or not host.models[name].versions):
            raise BadConfiguration(
                f"MLMESH_{setting.upper()}: no version of {name!r} could be loaded "
                f"from {settings.models}; leave the setting empty to serve without it"
            )

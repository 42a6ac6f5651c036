from __future__ import annotations

from pathlib import Path

import pytest

from mlmesh.inference.host import Host
from mlmesh.inference.required_models import require_models
from mlmesh.inference.settings import ModelServiceSettings
from mlmesh.runtime.program import BadConfiguration


class Settings(ModelServiceSettings):
    models: Path = Path("models")
    own_model: str = "tiny"
    other_model: str = ""


async def test_a_model_that_is_there_is_enough_and_an_empty_name_asks_for_none(host: Host) -> None:
    require_models(host, Settings(), ("own_model", "other_model"))


async def test_a_model_that_is_not_there_is_named_with_its_setting(host: Host) -> None:
    with pytest.raises(BadConfiguration) as refused:
        require_models(host, Settings(other_model="tinny"), ("own_model", "other_model"))

    assert str(refused.value) == (
        "MLMESH_OTHER_MODEL: no version of 'tinny' could be loaded from models; "
        "leave the setting empty to serve without it"
    )

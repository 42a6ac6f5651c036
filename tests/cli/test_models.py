"""`mlmesh models` where no mesh runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlmesh.registry.manifest import MODEL_FILE, read_manifest
from mlmesh.registry.pointers import Pointers, read_pointers
from mlmesh.registry.signature import SIGNATURE_FILE
from tests.cli.conftest import Models
from tests.registration import graphs

REFUSED = 1
USAGE = 2


def test_register_says_what_it_found_and_that_no_mesh_runs(models: Models, here: Path) -> None:
    result = models(
        "register", graphs.network(here / "net.onnx"), "--metrics", '{"accuracy": 0.95}'
    )

    assert result.exit_code == 0
    for text in ("net v1.0", "classification", "accuracy 0.95", "float32", "No mesh answers at"):
        assert text in result.stdout
    assert "done trying it as a server does" in result.stderr
    manifest = read_manifest(here / "var" / "models" / "net" / "v1.0")
    assert manifest.evaluation.metrics == {"accuracy": 0.95}
    assert (here / "var" / "keys" / "development.pub").is_file()


def test_every_option_of_register_reaches_the_card(models: Models, here: Path) -> None:
    (here / "labels.txt").write_text("first\nsecond\nthird\n")
    (here / "card.json").write_text('{"limits": ["only for tests"], "licence": "none"}')
    names = ",".join(f"f{column}" for column in range(32))

    result = models(
        "register", graphs.network(here / "net.onnx"), "--name", "other", "--version", "v3.1",
        "--labels", "@labels.txt", "--features", names, "--range", "f0=10:20",
        "--description", "a net", "--card", "card.json", "--golden-rows", "3", "--seed", "7",
        "--tolerance", "0.5", "--apart", "--service", "mlmesh.v1.OtherService", "--scores", "p",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    manifest = read_manifest(here / "var" / "models" / "other" / "v3.1")
    assert manifest.labels == ("first", "second", "third")
    assert (manifest.features[0].name, manifest.features[0].maximum) == ("f0", 20)
    assert (manifest.description, manifest.licence) == ("a net", "none")
    assert manifest.service == "mlmesh.v1.OtherService"
    assert not manifest.batching.together
    assert manifest.golden is not None
    assert (len(manifest.golden.inputs["x"]), manifest.golden.tolerance) == (3, 0.5)


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--metrics", "accuracy=0.95", "--metrics: not JSON"),
        ("--metrics", "[1]", "--metrics: expected an object"),
        ("--metrics", '{"accuracy": "good"}', "accuracy is no number"),
        ("--metrics", '{"accuracy": NaN}', "accuracy is no number"),
        ("--metrics", f'{{"accuracy": 1{"0" * 400}}}', "accuracy is no number"),
        ("--metrics", "[" * 100_000, "--metrics: not JSON"),
        ("--share", "inf", "--share"),
        ("--memory-gib", "inf", "--memory-gib"),
        ("--range", "f0", "is not NAME=LOW:HIGH"),
        ("--range", "f0=2:1", "is not NAME=LOW:HIGH"),
        ("--range", "f0=a:b", "is not NAME=LOW:HIGH"),
        ("--size", "tokens=many", "is not NAME=NUMBER"),
        ("--size", "tokens=0", "is not NAME=NUMBER"),
        ("--size", f"tokens={'9' * 5000}", "--size"),
        ("--labels", "@nothing.txt", "nothing.txt"),
        ("--card", "nothing.json", "--card: nothing.json"),
        ("--golden-rows", "0", "golden-rows"),
        ("--nonsense", "1", "No such option"),
    ],
)
def test_a_wrong_option_is_a_matter_of_usage(
    option: str, value: str, reason: str, models: Models, here: Path
) -> None:
    result = models("register", graphs.network(here / "net.onnx"), option, value)

    assert result.exit_code == USAGE
    assert reason in result.stderr.replace("\n", "")
    assert not (here / "var").exists()


def test_a_refusal_ends_with_1_and_its_reason(models: Models, here: Path) -> None:
    (here / "text.onnx").write_text("not a model")

    result = models("register", "text.onnx")

    assert result.exit_code == REFUSED
    assert "mlmesh: text.onnx: not an ONNX model" in result.stderr
    assert result.stdout == ""


def test_list_shows_everything_and_what_is_wrong_with_it(models: Models, registered: Path) -> None:
    (registered / "net" / "v1.0" / SIGNATURE_FILE).unlink()

    result = models("list")

    assert result.exit_code == 0
    net, shipped = (line for line in result.stdout.splitlines() if "v1.0" in line)
    assert "manifest.sig: missing" in net
    assert "accuracy" not in net
    assert "shipped" in shipped
    assert "yes" in shipped
    assert "No mesh answers" in result.stdout


def test_an_empty_repository_says_how_to_begin(models: Models, here: Path) -> None:
    shutil.rmtree(here / "predictor")

    assert "mlmesh models register model.onnx" in models("list").stdout


def test_show_prints_the_card(models: Models, registered: Path) -> None:
    result = models("show", "net")

    assert result.exit_code == 0
    for text in ("net v1.0", "classification", "a, b, c", "any x 32", "feature_31", "sha256:"):
        assert text in result.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("show", "nte"), "model: there is no 'nte'; there is net"),
        (("show", "net", "v2.0"), "version: net has no 'v2.0'; there is v1.0"),
        (("promote", "net", "v2.0"), "version: net has no 'v2.0'"),
        (("label", "net", "v1", "v1.0"), "label: 'v1' is or looks like a version"),
        (("label", "net", "Stable", "v1.0"), "label: 'Stable' is none"),
        (("label", "net", "stable", "--remove"), "label: net has no label 'stable'"),
        (("remove", "shipped", "v1.0", "--yes"), "is shipped with the mesh"),
        (("sign", "shipped", "v1.0"), "it needs no signature"),
        (("sign", "net", "v1.0", "--key", "release"), "mlmesh models key release"),
        (("quantize", "net", "--least-agreement", "1", "--method", "dynamic"), "neighbours: "),
        (("load", "net"), "no mesh answers at"),
        (("unload", "net"), "no mesh answers at"),
    ],
)
def test_refusals_name_the_remedy(
    arguments: tuple[str, ...], reason: str, models: Models, registered: Path
) -> None:
    result = models(*arguments)

    assert result.exit_code == REFUSED
    assert reason in result.stderr


def test_verify_finds_what_was_changed(models: Models, registered: Path) -> None:
    assert models("verify").exit_code == 0

    with (registered / "net" / "v1.0" / MODEL_FILE).open("ab") as file:
        file.write(b"x")
    everything, one = models("verify"), models("verify", "shipped", "v1.0")

    assert everything.exit_code == REFUSED
    assert "sha256 differs" in " ".join(everything.stdout.split())
    assert one.exit_code == 0


def test_a_release_key_makes_a_version_fit_for_production(models: Models, registered: Path) -> None:
    refused = models("verify", "--production")
    assert refused.exit_code == REFUSED
    assert "production does not accept" in " ".join(refused.stdout.split())

    made, signed = models("key", "release"), models("sign", "net", "v1.0", "--key", "release")

    assert (made.exit_code, signed.exit_code) == (0, 0)
    assert "release key" in signed.stdout
    assert models("verify", "--production").exit_code == 0


def test_what_was_tampered_with_is_not_signed_again(models: Models, registered: Path) -> None:
    manifest = registered / "net" / "v1.0" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("classification", "regression"))

    result = models("sign", "net", "v1.0")

    assert result.exit_code == REFUSED
    assert "does not fit the manifest" in result.stderr


def test_without_a_mesh_pointers_are_written_here(models: Models, registered: Path) -> None:
    for arguments in (
        ("promote", "net", "v1.0"),
        ("label", "net", "stable", "v1.0"),
        ("label", "shipped", "good", "v1.0"),
    ):
        result = models(*arguments)
        assert result.exit_code == 0, result.output
        assert "counts when one starts" in result.stdout

    assert read_pointers(registered, "net") == Pointers(default="v1.0", labels={"stable": "v1.0"})
    assert read_pointers(registered, "shipped").labels == {"good": "v1.0"}
    assert "default, stable" in models("list", "net").stdout
    assert models("show", "net", "stable").exit_code == 0
    assert models("label", "net", "stable", "--remove").exit_code == 0
    assert read_pointers(registered, "net").labels == {}


def test_removing_asks_first_and_takes_what_pointed_there_along(
    models: Models, registered: Path, here: Path
) -> None:
    models("register", here / "net.onnx")
    models("promote", "net", "v2.0")
    models("label", "net", "old", "v1.0")

    asked = models("remove", "net", "v1.0", sent="n\n")
    assert asked.exit_code == REFUSED
    assert (registered / "net" / "v1.0").is_dir()
    refused = models("remove", "net", "v2.0", "--yes")
    assert refused.exit_code == REFUSED
    assert "promote another version first" in refused.stderr

    removed = models("remove", "net", "v1.0", sent="y\n")

    assert removed.exit_code == 0
    assert "Removed net v1.0" in removed.stdout
    assert not (registered / "net" / "v1.0").exists()
    assert read_pointers(registered, "net") == Pointers(default="v2.0")
    assert models("remove", "net", "v2.0", "-y").exit_code == 0


def test_a_shared_file_goes_with_the_last_version_that_needs_it(models: Models, here: Path) -> None:
    graph = graphs.with_external_data(here / "from" / "net.onnx")
    for _ in range(2):
        assert models("register", graph, "--share", "0").exit_code == 0
    [blob] = (here / "var" / "models" / "blobs").iterdir()

    models("remove", "net", "v1.0", "--yes")
    assert blob.exists()
    models("remove", "net", "v2.0", "--yes")

    assert not blob.exists()


def test_quantize_shows_both_versions_side_by_side(models: Models, registered: Path) -> None:
    result = models("quantize", "net", "--precision", "fp16")

    assert result.exit_code == 0, result.output
    for text in ("v1.0-fp16", "kB", "same answers, 8 rows", "100.00%", "To make it the default"):
        assert text in result.stdout
    assert read_manifest(registered / "net" / "v1.0-fp16").labels == ("a", "b", "c")


def test_a_shipped_model_can_be_quantized(models: Models, here: Path) -> None:
    result = models("quantize", "shipped")

    assert result.exit_code == REFUSED
    assert "large enough" in result.stderr


def test_names_that_would_command_a_terminal_do_not(models: Models, registered: Path) -> None:
    evil = registered / "\x1b[31mevil[bold]" / "v1.0"
    shutil.copytree(registered / "net" / "v1.0", evil)

    result = models("list")

    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "?[31mevil[bold]" in result.stdout


def test_a_smaller_install_says_what_to_add(here: Path) -> None:
    block = "import sys; sys.modules['cryptography'] = None"
    code = f"{block}; from mlmesh.cli.main import main; main()"
    command = [sys.executable, "-c", code, "models", "list"]

    ran = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ran.returncode == USAGE
    assert "pip install 'mlmesh[registry]'" in ran.stderr

"""What the hub does not give: a repository behind a licence, one that is not there, one without safetensors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import ModelNotFound
from captioner.models import registry, sources
from tests.hub_server import HubServer
from tests.test_sources import answer

FIND = """
found = []
for name in {names!r}:
    try:
        source = sources.find_model(name, "vlm", "hub")
        found.append(["found", sorted(os.listdir(source.folder))])
    except CaptionerError as error:
        found.append([error.code, str(error)])
print(json.dumps(found))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HubServer]:
    for name in ("gated", "pickle"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text('{"model_type": "llava"}')
        (folder / "tokenizer_config.json").write_text("{}")
        (folder / ("model.safetensors" if name == "gated" else "pytorch_model.bin")).write_bytes(b"weights")
    with HubServer({"ann/gated": tmp_path / "gated", "ann/pickle": tmp_path / "pickle"}) as server:
        server.gated.add("ann/gated")
        yield server


def told(server: HubServer, home: Path, *names: str, **environment: str) -> Any:
    return answer(FIND.format(names=names), home, server, **environment)


def test_what_the_hub_does_not_give_is_told_in_a_sentence(server: HubServer, tmp_path: Path) -> None:
    gated, unknown, strange, pickle = told(
        server, tmp_path / "home", "ann/gated", "Qwen/Qwen3-VL-2B-Instrukt", "zzz/qqq", "ann/pickle"
    )
    assert gated == [
        "gated_model",
        f"ann/gated is given only to those who accepted its licence: accept it at {server.url}/ann/gated, make a token "
        f"for reading at {server.url}/settings/tokens, put it into the environment variable HF_TOKEN (or run `hf auth "
        "login`), and start again.",
    ]
    assert unknown[0] == strange[0] == "unknown_model"
    assert unknown[1].startswith("there is no model Qwen/Qwen3-VL-2B-Instrukt on the hub, or it is private")
    assert "; the nearest known ones are Qwen/Qwen3-VL-2B-Instruct" in unknown[1]
    assert strange[1].endswith("; look its name up there.")
    assert pickle[0] == "bad_model" and "ann/pickle has no weights as safetensors; pickles" in pickle[1]
    assert not [path for _, path, _ in server.requests if path.endswith(".bin")]


def test_the_token_in_the_environment_opens_a_gated_repository(server: HubServer, tmp_path: Path) -> None:
    [found] = told(server, tmp_path / "home", "ann/gated", HF_TOKEN="accepted")
    assert found == ["found", ["config.json", "model.safetensors", "tokenizer_config.json"]]


def test_a_name_that_nobody_knows_is_told_the_nearest_ones() -> None:
    with pytest.raises(ModelNotFound, match=r"no blip model is called 'qwen3-vl-2'.*; did you mean qwen3-vl-2b or"):
        sources.find_model("qwen3-vl-2", "blip")
    with pytest.raises(ModelNotFound, match=r"there is no such folder; the names are blip-base"):
        sources.find_model("zzzzzz", "blip")
    assert registry.near_names("JoyCaption_Beta", "captioner")[0] == "joycaption-beta-one"

"""Model folders that would run code, read elsewhere, fetch or swell: all are refused, and nothing of theirs runs.

They are loaded in one process of their own, which has an answer "y" waiting for whoever asks on the terminal, and may
not use the network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import captioner
from tests.tiny_clip import tiny_clip
from tests.tiny_models import save_tiny_blip
from tests.tiny_onnx import tiny_wd14

ROOT = Path(captioner.__file__).resolve().parent.parent

LOADER = """
import json, os, sys
from pathlib import Path
def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        os.write(2, f"asks the network: {arguments}".encode())
        os._exit(99)
sys.addaudithook(guard)
from captioner.models import registry
from captioner.errors import CaptionerError
for family, folder in json.loads(sys.argv[1]):
    try:
        registry.family_class(family).load(Path(folder), device="cpu")
        outcome = ["loaded", ""]
    except CaptionerError as error:
        outcome = [error.code, str(error)]
    print(json.dumps([folder, *outcome]), flush=True)
"""

Make = Callable[[Path], None]


def edit(name: str, change: Callable[[dict[str, Any]], None]) -> Make:
    """Change a JSON file of the folder, which is made where there is none."""

    def make(folder: Path) -> None:
        path = folder / name
        values = json.loads(path.read_text()) if path.is_file() else {}
        change(values)
        path.write_text(json.dumps(values))

    return make


def write(name: str, text: str) -> Make:
    return lambda folder: (folder / name).write_text(text) and None


def link(name: str, target: str) -> Make:
    def make(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return make


def with_text(**values: Any) -> Make:
    return edit("open_clip_config.json", lambda config: config["model_cfg"]["text_cfg"].update(values))


def with_vision(**values: Any) -> Make:
    return edit("open_clip_config.json", lambda config: config["model_cfg"]["vision_cfg"].update(values))


def with_tokenizer_code(**text: Any) -> Make:
    """open_clip hands the folder to AutoTokenizer, which imports the module that the folder names."""

    def make(folder: Path) -> None:
        with_text(**text)(folder)
        values = {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}
        (folder / "tokenizer_config.json").write_text(json.dumps(values))

    return make


def graph(nodes: list[Any], weights: list[Any], edge_px: int = 16, batch: int | str = "batch") -> onnx.ModelProto:
    made = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, edge_px, edge_px, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, 11])],
        weights,
    )
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("evil.domain", 1)]
    return helper.make_model(made, opset_imports=domains, ir_version=10)


def with_custom_operator(folder: Path) -> None:
    onnx.save(graph([helper.make_node("Evil", ["input"], ["output"], domain="evil.domain")], []), folder / "model.onnx")


def with_external_weights(location: str) -> Make:
    def make(folder: Path) -> None:
        (folder.parent / "elsewhere.bin").write_bytes(bytes(3 * 11 * 4))
        weights = numpy_helper.from_array(np.zeros((3, 11), np.float32), "weights")
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location.format(parent=folder.parent)), ("offset", "0"), ("length", "132")):
            entry = weights.external_data.add()
            entry.key, entry.value = key, value
        nodes = [
            helper.make_node("ReduceMean", ["input", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["output"]),
        ]
        axes = numpy_helper.from_array(np.array([1, 2], np.int64), "axes")
        (folder / "model.onnx").write_bytes(graph(nodes, [axes, weights]).SerializeToString())

    return make


def with_input(edge_px: int, batch: int | str) -> Make:
    node = helper.make_node("Identity", ["input"], ["output"])
    return lambda folder: onnx.save(graph([node], [], edge_px, batch), folder / "model.onnx")


DEEP = "[" * 100_000
LONG = '{"model_cfg": {"embed_dim": 1' + "0" * 5000 + "}}"
CODE = {"AutoConfig": "evil.Evil", "AutoImageProcessor": "evil.Evil", "AutoTokenizer": ["evil.Evil", "evil.Evil"]}
PICTURES = "preprocessor_config.json"

HOSTILE: dict[str, tuple[str, Make, str]] = {
    # BLIP
    "blip config code": ("blip", edit("config.json", lambda c: c.update(auto_map=CODE)), "code of its own"),
    "blip text code": (
        "blip",
        edit("config.json", lambda c: c["text_config"].update(auto_map=CODE)),
        "code of its own",
    ),
    "blip pictures code": (
        "blip",
        edit(PICTURES, lambda c: c.update(auto_map=CODE, image_processor_type="Evil", trust_remote_code=True)),
        r"names code of its own \(auto_map, trust_remote_code\).* take a model that needs none",
    ),
    "blip pictures class": (
        "blip",
        edit(PICTURES, lambda c: c.update(image_processor_type="evil.Evil")),
        r'image_processor_type "evil\.Evil", but it must be .*BlipImageProcessor',
    ),
    "blip processor code": (
        "blip",
        edit("processor_config.json", lambda c: c.update(auto_map={"AutoProcessor": "evil.Evil"})),
        "code of its own",
    ),
    "blip tokenizer code": (
        "blip",
        edit("tokenizer_config.json", lambda c: c.update(auto_map=CODE, tokenizer_class="Evil")),
        "code of its own",
    ),
    "blip tokenizer class": (
        "blip",
        edit("tokenizer_config.json", lambda c: c.update(tokenizer_class="evil.Evil")),
        'tokenizer_class "evil.Evil", but it must be',
    ),
    "blip other vocabulary": (
        "blip",
        edit("tokenizer.json", lambda c: c["model"].update(type="BPE")),
        "no WordPiece vocabulary",
    ),
    "blip large layers": (
        "blip",
        edit("config.json", lambda c: c["text_config"].update(num_hidden_layers=10**9)),
        "num_hidden_layers 1000000000, but it must be a whole number from 1 to 128",
    ),
    "blip large width": (
        "blip",
        edit("config.json", lambda c: c["text_config"].update(hidden_size=16_384, intermediate_size=65_536)),
        r"has shape .* but config\.json makes it",
    ),
    "blip many layers": (
        "blip",
        edit("config.json", lambda c: c["vision_config"].update(num_hidden_layers=128)),
        r"config\.json asks for a model of .* numbers but",
    ),
    "blip large pictures": (
        "blip",
        edit(PICTURES, lambda c: c.update(size={"height": 10**9, "width": 10**9})),
        "height 1000000000, but it must be a whole number from 8 to 4,096",
    ),
    "blip other pictures": (
        "blip",
        edit(PICTURES, lambda c: c.update(size={"height": 4096, "width": 4096})),
        r"makes pictures 4096 x 4096, but its config\.json says that the model sees 32 x 32",
    ),
    "blip not numbers": ("blip", write(PICTURES, '{"image_mean": [NaN, 0, 0]}'), "image_mean a list, but it must be"),
    "blip deep": ("blip", write("config.json", DEEP), "nested too deeply.* Copy or download"),
    "blip deep tokenizer": ("blip", write("tokenizer_config.json", DEEP), "nested too deeply"),
    "blip long number": ("blip", write("config.json", LONG), "cannot be read as JSON"),
    "blip long text": ("blip", write("config.json", '{"a": "' + "a" * 1_000_001 + '"}'), "over 1,000,000 bytes"),
    "blip long vocabulary": ("blip", write("tokenizer.json", " " * 20_000_001), "over 20,000,000 bytes"),
    "blip device": ("blip", link("tokenizer.json", "/dev/zero"), "has no tokenizer.json and no vocab.txt"),
    # CLIP
    "clip tokenizer code": (
        "clip",
        with_tokenizer_code(hf_tokenizer_name="x", tokenizer_kwargs={"trust_remote_code": True}),
        "names code of its own",
    ),
    "clip tokenizer asks": ("clip", with_tokenizer_code(hf_tokenizer_name="x"), "has hf_tokenizer_name, which is none"),
    "clip tokenizer folder": ("clip", with_tokenizer_code(hf_tokenizer_name="."), "take the model from somewhere else"),
    "clip text model": ("clip", with_text(hf_model_name="evil/evil", hf_model_pretrained=True), "hf_model_name"),
    "clip word list": ("clip", with_text(tokenizer_kwargs={"bpe_path": "/etc/passwd"}), "tokenizer_kwargs"),
    "clip tower of the hub": (
        "clip",
        with_vision(timm_model_name="hf-hub:evil/evil"),
        r'timm_model_name "hf-hub:evil/evil", but it must be a tower that one of open_clip\'s own',
    ),
    "clip tower of a folder": ("clip", with_vision(timm_model_name="local-dir:."), "timm_model_name"),
    "clip tower downloads": (
        "clip",
        with_vision(timm_model_name="convnext_tiny", timm_model_pretrained=True),
        "timm_model_pretrained true, but it must be false",
    ),
    "clip other weights": (
        "clip",
        edit("open_clip_config.json", lambda c: c["model_cfg"].update(pretrained_image_path="evil.pt")),
        "pretrained_image_path",
    ),
    "clip activation": ("clip", with_vision(act_kwargs={"approximate": "tanh", "evil": 1}), "act_kwargs has evil"),
    "clip large": ("clip", with_text(width=10**9), "width 1000000000, but it must be a whole number from 1 to 16,384"),
    "clip large tower": ("clip", with_text(width=16_384, layers=128), r"has shape .* but open_clip_config\.json makes"),
    "clip second text model": (
        "clip",
        edit(
            "open_clip_config.json",
            lambda c: c["model_cfg"].update(custom_text=True, multimodal_cfg={"layers": 128, "width": 16_384}),
        ),
        r"open_clip_config\.json asks for a model of .* numbers but",
    ),
    "clip large pictures": ("clip", with_vision(image_size=10**9), "image_size 1000000000, but it must be"),
    "clip not a number": ("clip", with_vision(mlp_ratio=float("nan")), "mlp_ratio NaN, but it must be a number"),
    "clip deep": ("clip", write("open_clip_config.json", DEEP), "nested too deeply"),
    "clip long number": ("clip", write("open_clip_config.json", LONG), "cannot be read as JSON"),
    "clip device": ("clip", link("open_clip_model.safetensors", "/dev/zero"), "has no open_clip_model.safetensors"),
    # ONNX taggers
    "wd14 operator": ("wd14", with_custom_operator, "model.onnx cannot be read .*evil.*; download it again"),
    "wd14 absolute weights": ("wd14", with_external_weights("{parent}/elsewhere.bin"), "model.onnx cannot be read"),
    "wd14 weights outside": ("wd14", with_external_weights("../elsewhere.bin"), "model.onnx cannot be read"),
    "wd14 device for weights": ("wd14", with_external_weights("/dev/zero"), "model.onnx cannot be read"),
    "wd14 large pictures": ("wd14", with_input(10**9, "batch"), "takes pictures of 1,000,000,000 pixels"),
    "wd14 large batch": ("wd14", with_input(2048, 10**9), "takes 1,000,000,000 pictures at once"),
    "wd14 long labels": (
        "wd14",
        write("selected_tags.csv", "name,category\n" + "a,0\n" * 2_500_001),
        "over 10,000,000 bytes",
    ),
    "wd14 long label": ("wd14", write("selected_tags.csv", f"name,category\n{'a' * 1001},0\n"), "at most 1,000"),
    "wd14 device for labels": ("wd14", link("selected_tags.csv", "/dev/zero"), "has no selected_tags.csv"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[str, str]]]:
    """Case -> what loading it came to. Each folder has an evil.py, which writes a file called RAN."""
    root = tmp_path_factory.mktemp("folders")
    sound = {
        "blip": save_tiny_blip(root / "blip"),
        "clip": tiny_clip(root / "clip", {"mediums": ["a photo"]}),
        "wd14": tiny_wd14(root / "wd14"),
    }
    asked = []
    for number, (family, make, _) in enumerate(HOSTILE.values()):
        folder = shutil.copytree(sound[family], root / f"hostile-{number}")
        (folder / "evil.py").write_text(f"open({str(root / 'RAN')!r}, 'w').close()\nclass Evil: pass\n")
        make(folder)
        asked.append((family, str(folder)))
    asked += [(family, str(folder)) for family, folder in sound.items()]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    result = subprocess.run(
        [sys.executable, "-c", LOADER, json.dumps(asked)],
        input=b"y\n" * 999,
        capture_output=True,
        timeout=300,
        cwd=root,
        env={**kept, "PYTHONPATH": str(ROOT), "HF_HOME": str(root / "home"), "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    found = {folder: (code, message) for folder, code, message in rows}
    assert not (root / "RAN").exists()
    yield {name: found[folder] for name, (_, folder) in zip([*HOSTILE, *sound], asked, strict=True)}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_folder_is_refused_and_says_why(outcomes: dict[str, tuple[str, str]], name: str) -> None:
    code, message = outcomes[name]
    assert code == "bad_model", message
    assert "\n" not in message
    assert len(message) < 1000
    assert re.search(HOSTILE[name][2], message), message


@pytest.mark.parametrize("family", ["blip", "clip", "wd14"])
def test_the_folders_they_were_made_of_load(outcomes: dict[str, tuple[str, str]], family: str) -> None:
    assert outcomes[family] == ("loaded", "")

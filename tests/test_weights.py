"""captioner.models.weights: what a weights file must be before a library opens it."""

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from captioner.errors import BadModel
from captioner.models import weights as weights_module
from captioner.models.weights import check_shapes, check_weights, fingerprint, fingerprinting, tensor_shapes


def weights(folder: Path, data: bytes | None = None, name: str = "model.safetensors") -> Path:
    path = folder / name
    if data is None:
        save_file({"weight": torch.zeros(100)}, path)
    else:
        path.write_bytes(data)
    return path


def test_a_whole_file_passes(tmp_path: Path) -> None:
    check_weights(weights(tmp_path))
    check_weights(weights(tmp_path, b"\x08\x07", "model.onnx"))


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; download it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer.*git lfs pull"),
        (pickle.dumps({"weight": 1}), "is a pickle under another name"),
    ],
)
def test_what_is_no_weights_file_is_refused(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(BadModel, match=message):
        check_weights(weights(tmp_path, data, name))


def test_a_zipped_pickle_is_refused_by_content(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.safetensors", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(BadModel, match="run code"):
        check_weights(tmp_path / "model.safetensors")


def test_a_pickle_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="convert it to safetensors"):
        check_weights(tmp_path / "pytorch_model.bin")


@pytest.mark.parametrize("keep", [1, 7, 8, 30, -1])
def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, keep: int) -> None:
    path = weights(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadModel, match=r"cut short|damaged"):
        check_weights(path)


@pytest.mark.parametrize(
    "header", [b"[]", b'{"a": 1}', b'{"a": {"data_offsets": []}}', b"\xff\xfe", b'{"a": {"data_offsets": [0, "9"]}}']
)
def test_a_header_of_another_shape_is_refused(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(BadModel, match="damaged"):
        check_weights(weights(tmp_path, len(header).to_bytes(8, "little") + header))


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="holds no tensors"):
        check_weights(weights(tmp_path, (2).to_bytes(8, "little") + b"{}"))


def test_a_missing_file_says_what_is_there_instead(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"has no model\.safetensors; copy"):
        check_weights(tmp_path / "model.safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(BadModel, match=r"has no model\.safetensors but pytorch_model\.bin"):
        check_weights(tmp_path / "model.safetensors")


def test_the_fingerprint_is_the_start_of_the_sha256(tmp_path: Path) -> None:
    path = weights(tmp_path, b"abc")
    assert fingerprint(path) == "ba7816bf8f01"
    blob = tmp_path / ("f" * 64)
    blob.write_bytes(b"as the cache stores it")
    (tmp_path / "link.safetensors").symlink_to(blob)
    assert fingerprint(tmp_path / "link.safetensors") == "f" * 12


def with_header(folder: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return weights(folder, len(text).to_bytes(8, "little") + text + data)


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        b'{"a": {"shape": [1' + b"0" * 5000 + b'], "data_offsets": [0, 4]}}',
        {"a": {"dtype": "F32", "shape": [10**400], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1.5], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": "12", "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, float("nan")]}},
        {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "ab"},
    ],
)
def test_a_header_that_cannot_be_true_is_refused(tmp_path: Path, header: Any) -> None:
    with pytest.raises(BadModel, match="damaged; download it again"):
        check_weights(with_header(tmp_path, header, bytes(4)))


def test_a_header_beyond_its_limit_is_not_read(tmp_path: Path) -> None:
    path = weights(tmp_path, (10_000_001).to_bytes(8, "little"))
    with path.open("r+b") as file:
        file.truncate(20_000_000)
    with pytest.raises(BadModel, match="damaged"):
        check_weights(path)


def test_a_device_is_no_weights_file_even_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to("/dev/zero")
    with pytest.raises(BadModel, match=r"has no model\.safetensors"):
        check_weights(tmp_path / "model.safetensors")


def test_shapes_are_read_from_the_header(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(())}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert tensor_shapes(tmp_path / "model.safetensors") == {"a": (2, 3), "b": ()}


def test_weights_that_fit_their_description_pass(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2, 3), "scale": torch.zeros(1)}, tmp_path / "model.safetensors")
    check_shapes(tmp_path / "model.safetensors", {"a": (2, 3), "scale": (), "tied": (2, 3)}, "config.json")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"a": (3, 2)}, r"a has shape \[2, 3\] but config\.json makes it \[3, 2\]; .* Download both again"),
        ({"b": (10**9, 10**9)}, r"config\.json asks for a model of 1,000,000,000,000,000,000 numbers but .* holds 6;"),
    ],
)
def test_weights_of_another_model_than_described_are_refused(
    tmp_path: Path, wanted: dict[str, tuple[int, ...]], message: str
) -> None:
    save_file({"a": torch.zeros(2, 3)}, tmp_path / "model.safetensors")
    with pytest.raises(BadModel, match=message):
        check_shapes(tmp_path / "model.safetensors", wanted, "config.json")


def test_a_fingerprint_made_meanwhile_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"abc")
    with fingerprinting(path) as revision:
        assert revision() == fingerprint(path)


def test_a_fingerprint_that_nobody_asks_for_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_module, "_PIECE_BYTES", 1)
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(3_000_000))
    with pytest.raises(ValueError, match="damaged"), fingerprinting(path) as revision:
        raise ValueError("damaged")
    with pytest.raises(InterruptedError):
        revision()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_no_fingerprint_is_made_of_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    with fingerprinting(tmp_path / "model.safetensors") as revision, pytest.raises(FileNotFoundError):
        revision()

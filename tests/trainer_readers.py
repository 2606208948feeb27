"""How trainers read sets, each in a few lines of our own, to hold what we export against. No trainer's code is here.

`CAPTION_READERS` read the bytes of one caption file; `SET_READERS` a whole set, from its config on, and give the
caption of each picture by its path below the set.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import toml
import yaml

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def _text(data: bytes) -> str:
    """As Python's open() in text mode: UTF-8 without mercy, every kind of line end one line break."""
    return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def sd_scripts(data: bytes, stem: str = "") -> str:
    lines = _text(data).split("\n")
    assert lines != [""], "the caption file is empty"
    return lines[0].strip()


def sd_scripts_wildcard(data: bytes, stem: str = "") -> list[str]:
    assert data, "the caption file is empty"
    return [line.strip() for line in _text(data).split("\n") if line.strip()] or [""]


def musubi(data: bytes, stem: str = "") -> str:
    return _text(data).strip()


def ai_toolkit(data: bytes, stem: str = "") -> str:
    return ", ".join(_text(data).split(","))


def onetrainer(data: bytes, stem: str = "") -> list[str]:
    return [line.strip() for line in _text(data).split("\n") if line.strip()] or [""]


def simpletuner(data: bytes, stem: str = "") -> list[str]:
    """What may be sampled in training. Raises: IndexError: nothing may."""
    text = data.decode("utf-8")
    found = [line for line in text.split("\n") if line] if "\n" in text else [text]
    if not found:
        raise IndexError("no caption to choose from")
    return found


def diffusion_pipe(data: bytes, stem: str = "") -> str:
    return _text(data).strip()


def everydream2(data: bytes, stem: str = "") -> str:
    try:
        text = _text(data)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    chunks = [chunk.strip() for chunk in text.split(",")]
    prompt = chunks[0] or stem.split("_")[0]
    if not prompt:
        raise StopIteration("no caption and no name")
    return ", ".join([prompt, *dict.fromkeys(chunks[1:])])


CAPTION_READERS: Mapping[str, Callable[[bytes, str], Any]] = {
    "sd-scripts": sd_scripts,
    "wildcard": sd_scripts_wildcard,
    "musubi": musubi,
    "ai-toolkit": ai_toolkit,
    "simpletuner": simpletuner,
    "onetrainer": onetrainer,
    "diffusion-pipe": diffusion_pipe,
    "everydream2": everydream2,
}

Captions = dict[str, Any]


def _toml(path: Path) -> Any:
    """A config as the trainers' own parser and the standard library read it, which must be the same."""
    text = path.read_text(encoding="utf-8")
    read = tomllib.loads(text)
    assert toml.loads(text) == read
    return read


def _pictures(folder: Path, read: Callable[[bytes, str], Any], top: Path, *, deep: bool = False) -> Captions:
    found = {}
    for path in sorted(folder.rglob("*") if deep else folder.iterdir()):
        if path.suffix in PICTURES:
            found[path.relative_to(top).as_posix()] = read(path.with_suffix(".txt").read_bytes(), path.stem)
    return found


def read_kohya(top: Path) -> Captions:
    config = _toml(top / "dataset.toml")
    assert set(config) == {"general", "datasets"} and config["general"] == {"caption_extension": ".txt"}
    found = {}
    for dataset in config["datasets"]:
        assert set(dataset) <= {"resolution", "batch_size", "enable_bucket", "subsets"}
        for subset in dataset["subsets"]:
            assert set(subset) == {"image_dir", "num_repeats"}
            folder = Path(subset["image_dir"])
            assert folder.parent == top / "img"
            assert int(folder.name.split("_")[0]) == subset["num_repeats"]  # --train_data_dir says the same
            found |= _pictures(folder, sd_scripts, top)
    return found


def read_musubi(top: Path) -> Captions:
    config = _toml(top / "dataset.toml")
    assert set(config["general"]) <= {"resolution", "caption_extension", "batch_size", "enable_bucket"}
    caches = [dataset["cache_directory"] for dataset in config["datasets"]]
    assert len(set(caches)) == len(caches)
    found = {}
    for dataset in config["datasets"]:
        assert set(dataset) == {"image_directory", "cache_directory", "num_repeats"}
        found |= _pictures(Path(dataset["image_directory"]), musubi, top)
    return found


def read_ai_toolkit(top: Path) -> Captions:
    text = (top / "ai-toolkit.yaml").read_bytes().decode("ascii")
    assert "${" not in text
    process = yaml.safe_load(text)["config"]["process"][0]
    found = {}
    for dataset in process["datasets"]:
        found |= _pictures(Path(dataset["folder_path"]), ai_toolkit, top, deep=True)
    return found


def read_onetrainer(top: Path) -> Captions:
    config = json.loads((top / "onetrainer.json").read_bytes().decode("ascii"))
    found = {}
    for concept in json.loads(Path(config["concept_file_name"]).read_bytes().decode("ascii")):
        assert concept["text"] == {"prompt_source": "sample"}
        found |= _pictures(Path(concept["path"]), onetrainer, top)
    assert not [name for name in found if name.rpartition(".")[0].endswith(("-masklabel", "-condlabel"))]
    return {name: _one(texts) for name, texts in found.items()}


def read_simpletuner(top: Path) -> Captions:
    config = json.loads((top / "config/config.json").read_bytes().decode("ascii"))
    backends = json.loads(Path(config["data_backend_config"]).read_bytes().decode("ascii"))
    assert [backend.get("default") for backend in backends if backend["dataset_type"] == "text_embeds"] == [True]
    found = {}
    for backend in backends:
        if backend["dataset_type"] == "image":
            found |= _pictures(Path(backend["instance_data_dir"]), simpletuner, top, deep=True)
    return {name: _one(texts) for name, texts in found.items()}


def read_diffusion_pipe(top: Path) -> Captions:
    train = _toml(top / "train.toml")
    found = {}
    for directory in _toml(Path(train["dataset"]))["directory"]:
        found |= _pictures(Path(directory["path"]), diffusion_pipe, top)
    return found


def read_everydream2(top: Path) -> Captions:
    config = json.loads((top / "train.json").read_bytes())
    return _pictures(Path(config["data_root"]), everydream2, top, deep=True)


def read_diffusers(top: Path) -> Captions:
    assert not list((top / "train").rglob("*.txt"))  # it would be a set of texts
    lines = (top / "train/metadata.jsonl").read_bytes().decode("ascii").splitlines()
    found = {f"train/{row['file_name']}": row["text"] for row in map(json.loads, lines)}
    assert all((top / name).is_file() for name in found)
    return found


def read_diffsynth(top: Path) -> Captions:
    lines = (top / "metadata.jsonl").read_bytes().decode("ascii").splitlines()
    return {row["image"]: row["prompt"] for row in map(json.loads, lines)}


def read_webdataset(top: Path) -> Captions:
    found: Captions = {}
    for shard in sorted((top / "shards").glob("*.tar")):
        with tarfile.open(shard) as archive:
            members = archive.getmembers()
            for picture, caption in zip(members[::2], members[1::2], strict=True):
                folder, _, name = picture.name.rpartition("/")
                key = "/".join(part for part in (folder, name.partition(".")[0]) if part)
                assert caption.name == f"{key}.txt"
                file = archive.extractfile(caption)
                assert file is not None
                found[picture.name] = file.read().decode()
    return found


def read_joepenna(top: Path) -> Captions:
    names = {path.relative_to(top).as_posix(): path.stem.split("@")[1] for path in _files(top / "img")}
    return {name: " ".join(text.replace("_", " ").split()) for name, text in names.items()}


def read_filename(top: Path) -> Captions:
    return {path.relative_to(top).as_posix(): path.stem.split("_")[0] for path in _files(top / "img")}


def read_csv(top: Path) -> Captions:
    rows = csv.DictReader(io.StringIO((top / "metadata.csv").read_bytes().decode()))
    return {row["file_name"]: row["text"] for row in rows}


def read_jsonl(top: Path) -> Captions:
    lines = (top / "metadata.jsonl").read_bytes().decode("ascii").splitlines()
    return {row["file_name"]: row["text"] for row in map(json.loads, lines)}


def read_json(top: Path) -> Captions:
    rows = json.loads((top / "metadata.json").read_bytes().decode("ascii"))
    return {name: row["caption"].split("\n")[0] for name, row in rows.items()}


SET_READERS: Mapping[str, Callable[[Path], Captions]] = {
    "kohya": read_kohya,
    "musubi": read_musubi,
    "ai-toolkit": read_ai_toolkit,
    "onetrainer": read_onetrainer,
    "simpletuner": read_simpletuner,
    "diffusion-pipe": read_diffusion_pipe,
    "everydream2": read_everydream2,
    "diffusers": read_diffusers,
    "diffsynth": read_diffsynth,
    "webdataset": read_webdataset,
    "joepenna": read_joepenna,
    "filename": read_filename,
    "csv": read_csv,
    "jsonl": read_jsonl,
    "json": read_json,
}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _one(texts: list[str]) -> str:
    assert len(texts) == 1
    return texts[0]

"""Every model the product knows by name: what class runs it, where its files come from, what they weigh.

A new captioner or tagger is one new file and its lines here; sliders, flags, sweep axes, API fields and export
manifests follow from the class's settings. Models of installed packages come in by `captioner.models.plug_ins`, through
the same door. Loads no model and imports model classes only when asked for one.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, cast

from captioner.contract import Captioner, Kind, Model, ModelSpec, Tagger
from captioner.errors import ModelNotFound
from captioner.models.vision_language.captioner import FILES
from captioner.models.vision_language.florence import FLORENCE_FILES

_BLIP_FILES = (
    "model.safetensors",
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)
_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_config.json")
_WD14_FILES = ("model.onnx", "selected_tags.csv")


def _blip(name: str, repo: str | None, download_mb: int, about: str, licence: str = "BSD-3-Clause") -> ModelSpec:
    return ModelSpec(
        name=name,
        kind="captioner",
        family="blip",
        entry="captioner.models.blip:BlipCaptioner",
        repo=repo,
        files=_BLIP_FILES,
        licence=licence,
        download_mb=download_mb,
        about=about,
        is_demo=repo is None,
    )


def _clip(
    name: str, repo: str | None, download_mb: int, about: str, tag: tuple[str, str] | None, licence: str = "MIT"
) -> ModelSpec:
    return ModelSpec(
        name=name,
        kind="tagger",
        family="clip",
        entry="taggers.clip:ClipTagger",
        repo=repo,
        files=_CLIP_FILES,
        licence=licence,
        download_mb=download_mb,
        about=about,
        tag=tag,
        is_demo=repo is None,
    )


def _florence(name: str, repo: str, download_mb: int, stored_bytes: int = 4) -> ModelSpec:
    is_tuned = "PromptGen" in repo
    return ModelSpec(
        name=name,
        kind="captioner",
        family="florence",
        entry="captioner.models.vision_language.florence:FlorenceCaptioner",
        repo=repo,
        files=FLORENCE_FILES,
        licence="MIT",
        download_mb=download_mb,
        stored_bytes=stored_bytes,
        about="captions, tags or both, for training" if is_tuned else "captions of three lengths, quickly",
    )


def _vision_language(
    name: str, repo: str, download_mb: int, about: str, licence: str, stored_bytes: int = 2, **defaults: Any
) -> ModelSpec:
    return ModelSpec(
        name=name,
        kind="captioner",
        family="vlm",
        entry="captioner.models.vision_language:VisionLanguageCaptioner",
        repo=repo,
        files=FILES,
        licence=licence,
        download_mb=download_mb,
        stored_bytes=stored_bytes,
        about=about,
        defaults=defaults,
    )


def _wd14(name: str, general_threshold: float, download_mb: int) -> ModelSpec:
    return ModelSpec(
        name=name,
        kind="tagger",
        family="wd14",
        entry="taggers.wd14:Wd14Tagger",
        repo=f"SmilingWolf/{name}",
        files=_WD14_FILES,
        licence="Apache-2.0",
        download_mb=download_mb,
        about="anime and illustration tags",
        defaults={"general_threshold": general_threshold},
    )


def _onnx(
    name: str, repo: str, files: tuple[str, str], licence: str, about: str, thresholds: tuple[float, float]
) -> ModelSpec:
    """thresholds: of general and character tags, as the authors' own demo or card has them."""
    return ModelSpec(
        name=name,
        kind="tagger",
        family="onnx",
        entry="taggers.described:DescribedTagger",
        repo=repo,
        files=files,
        licence=licence,
        about=about,
        defaults={"general_threshold": thresholds[0], "character_threshold": thresholds[1]},
    )


MODELS: tuple[ModelSpec, ...] = (
    _blip("blip-base", "Salesforce/blip-image-captioning-base", 990, "BLIP ViT-B, what EveryDream's auto_caption used"),
    _blip("blip-large", "Salesforce/blip-image-captioning-large", 1880, "BLIP ViT-L, what Smart Pre-Process used"),
    _florence("florence-2-base", "florence-community/Florence-2-base-ft", 1_080),
    _florence("florence-2-large", "florence-community/Florence-2-large-ft", 3_290),
    _florence("florence-2-base-microsoft", "microsoft/Florence-2-base-ft", 464, stored_bytes=2),
    _florence("florence-2-large-microsoft", "microsoft/Florence-2-large-ft", 1_554, stored_bytes=2),
    _florence("promptgen-base-v1.5", "MiaoshouAI/Florence-2-base-PromptGen-v1.5", 1_080),
    _florence("promptgen-large-v1.5", "MiaoshouAI/Florence-2-large-PromptGen-v1.5", 3_290),
    _florence("promptgen-base-v2.0", "MiaoshouAI/Florence-2-base-PromptGen-v2.0", 1_080),
    _florence("promptgen-large-v2.0", "MiaoshouAI/Florence-2-large-PromptGen-v2.0", 3_290),
    _vision_language(
        "joycaption-beta-one",
        "fancyfeast/llama-joycaption-beta-one-hf-llava",
        17_000,
        "long captions of anything, made for training image generators; 8B",
        "Llama 3.1",
        system="You are a helpful image captioner.",
        method="nucleus",
        temperature=0.6,
        top_p=0.9,
        max_new_tokens=512,
    ),
    _vision_language(
        "qwen3-vl-2b", "Qwen/Qwen3-VL-2B-Instruct", 5_000, "follows instructions; 2B, for small cards", "Apache-2.0"
    ),
    _vision_language("qwen3-vl-4b", "Qwen/Qwen3-VL-4B-Instruct", 9_000, "follows instructions; 4B", "Apache-2.0"),
    _vision_language("qwen3-vl-8b", "Qwen/Qwen3-VL-8B-Instruct", 18_000, "follows instructions; 8B", "Apache-2.0"),
    _vision_language("gemma-4-e4b", "google/gemma-4-E4B-it", 16_000, "follows instructions", "Apache-2.0"),
    # Older ones, whose sizes are their numbers times four bytes; an empty prompt lets them describe what they see.
    _vision_language("git-base-coco", "microsoft/git-base-coco", 710, "short captions; tiny", "MIT", 4, prompt=""),
    _vision_language("git-large-coco", "microsoft/git-large-coco", 1_580, "short captions; small", "MIT", 4, prompt=""),
    _vision_language(
        "blip2-opt-2.7b", "Salesforce/blip2-opt-2.7b", 15_000, "short captions; 3.7B", "MIT", 4, prompt="a photo of"
    ),
    _vision_language(
        "blip2-flan-t5-xl", "Salesforce/blip2-flan-t5-xl", 15_800, "short captions; 3.9B", "MIT", 4, prompt="a photo of"
    ),
    _vision_language(
        "instructblip-flan-t5-xl",
        "Salesforce/instructblip-flan-t5-xl",
        16_100,
        "answers questions, at some length; 4B",
        "MIT",
        4,
        prompt="Describe this picture in detail.",
    ),
    _vision_language(
        "kosmos-2",
        "microsoft/kosmos-2-patch14-224",
        6_660,
        "continues a sentence; 1.7B",
        "MIT",
        4,
        prompt="Describe this image in detail:",
    ),
    _clip(
        "clip-v2",
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        3944,
        "for Stable Diffusion 2.x",
        ("ViT-H-14", "laion2b_s32b_b79k"),
    ),
    _clip(
        "clip-v1",
        "timm/vit_large_patch14_clip_224.openai",
        1711,
        "for Stable Diffusion 1.x",
        ("ViT-L-14-quickgelu", "openai"),
    ),
    # Thresholds: where precision equals recall on the authors' own validation set, as their model cards publish them.
    _wd14("wd-vit-tagger-v3", 0.2614, 379),
    _wd14("wd-swinv2-tagger-v3", 0.2653, 467),
    _wd14("wd-convnext-tagger-v3", 0.2682, 395),
    _wd14("wd-vit-large-tagger-v3", 0.2606, 1260),
    _wd14("wd-eva02-large-tagger-v3", 0.5296, 1260),
    _wd14("wd-v1-4-vit-tagger-v2", 0.3537, 373),
    _wd14("wd-v1-4-convnext-tagger-v2", 0.3685, 388),
    _wd14("wd-v1-4-convnextv2-tagger-v2", 0.3710, 388),
    _wd14("wd-v1-4-swinv2-tagger-v2", 0.3771, 467),
    _wd14("wd-v1-4-moat-tagger-v2", 0.3771, 326),
    _wd14("wd-v1-4-vit-tagger", 0.35, 373),  # v1: no threshold was published; tools use .35
    ModelSpec(
        name="deepdanbooru",
        kind="tagger",
        family="deepdanbooru",
        entry="taggers.deepdanbooru:DeepDanbooruTagger",
        repo="deepghs/imgutils-models",
        files=("deepdanbooru/deepdanbooru.onnx", "deepdanbooru/deepdanbooru_tags.csv"),
        licence="MIT",
        download_mb=644,
        about="anime tags, older than WD14",
    ),
    _onnx(
        "joytag",
        "fancyfeast/joytag",
        ("model.onnx", "top_tags.txt"),
        "Apache-2.0",
        "photos and drawings by Danbooru's tags, without categories",
        (0.4, 0.4),
    ),
    _onnx(
        "camie-tagger-v2",
        "Camais03/camie-tagger-v2",
        ("camie-tagger-v2.onnx", "camie-tagger-v2-metadata.json"),
        "GPL-3.0",
        "anime tags, 70,000 of them, artists and series too",
        (0.614, 0.614),
    ),
    _onnx(
        "cl-tagger-1.02",
        "cella110n/cl_tagger",
        ("cl_tagger_1_02/model.onnx", "cl_tagger_1_02/tag_mapping.json"),
        "Apache-2.0",
        "anime tags, quality and artists too",
        (0.55, 0.6),
    ),
    ModelSpec(
        name="blip-itm-base",
        kind="tagger",
        family="matching",
        entry="captioner.models.blip:BlipMatcher",
        repo="Salesforce/blip-itm-base-coco",
        files=_BLIP_FILES,
        licence="BSD-3-Clause",
        download_mb=895,
        about="compares captions in CLIP's place, gives no tags",
    ),
    _blip("blip-demo", None, 0, "tiny, trained on drawn scenes", "MIT"),
    _clip("clip-demo", None, 0, "tiny, trained on drawn scenes", None),
    ModelSpec(
        name="wd14-demo",
        kind="tagger",
        family="wd14",
        entry="taggers.wd14:Wd14Tagger",
        files=_WD14_FILES,
        licence="MIT",
        about="tiny, trained on drawn scenes",
        is_demo=True,
    ),
)
UNPREFIXED_FAMILIES = frozenset({"blip", "clip", "wd14", "deepdanbooru"})


def find(name: str) -> ModelSpec:
    """The model of this name.

    Raises: ModelNotFound: nobody knows it; the message lists the names.
    """
    for spec in MODELS:
        if spec.name == name:
            return spec
    raise ModelNotFound(f"no model is called {name!r}; the names are {', '.join(spec.name for spec in MODELS)}.")


def named_in_family(name: str, family: str) -> ModelSpec | None:
    """What a name that is not registered stands for, by the family's own names (`Model.spec_for`); else None.

    Raises: ModelNotFound, MissingPackage: as `spec_for`.
    """
    spec = family_class(family).spec_for(name) if of_family(family) else None
    return dataclasses.replace(spec, near=_near_repos(spec.repo)) if spec and spec.repo else spec


def near_names(name: str, kind: Kind) -> list[str]:
    """The registered names of a kind that a name which nobody knows may have meant, the nearest first."""
    known = {spec.name: spec.name for spec in MODELS if spec.kind == kind}
    return _near(name, known)


def _near_repos(repo: str) -> tuple[str, ...]:
    known = {spec.repo: spec.repo for spec in MODELS if spec.repo}
    return tuple(_near(repo, known | {key.partition("/")[2]: value for key, value in known.items()}))


def _near(text: str, known: Mapping[str, str]) -> list[str]:
    """At most three of the values whose keys are like a text."""
    lowered = {key.lower(): value for key, value in known.items()}
    found = difflib.get_close_matches(text.lower(), lowered, n=6, cutoff=0.6)
    return list(dict.fromkeys(lowered[key] for key in found))[:3]


def names_in_words(family: str) -> str:
    """The names of a family's models, fit for a sentence: the registered ones, then its own kind of names."""
    names = [spec.name for spec in of_family(family)]
    other = family_class(family).other_names if names else ""
    return ", ".join([*names, *([other] if other else [])]) or "none"


def families(kind: Kind | None = None) -> tuple[str, ...]:
    """Family names in registry order, all or of one kind."""
    return tuple(dict.fromkeys(spec.family for spec in MODELS if kind in (None, spec.kind)))


def of_family(family: str) -> tuple[ModelSpec, ...]:
    """The models of one family, in registry order: the first is its default, the demo model is last."""
    return tuple(spec for spec in MODELS if spec.family == family)


def family_class(family: str) -> type[Model]:
    """The class that runs a family, as its first model names it. Raises: KeyError: no model is of that family."""
    for spec in MODELS:
        if spec.family == family:
            return spec.load_class()
    raise KeyError(family)


def model_class(name: str, family: str) -> type[Model]:
    """The class that runs a model of a family, registered or not. Raises: KeyError: as `family_class`."""
    named = next((spec for spec in of_family(family) if spec.name == name), None)
    return named.load_class() if named else family_class(family)


def captioner_class(family: str) -> type[Captioner]:
    """As `family_class`, of a family of captioners."""
    return cast("type[Captioner]", family_class(family))


def tagger_class(family: str) -> type[Tagger]:
    """As `family_class`, of a family of taggers."""
    return cast("type[Tagger]", family_class(family))


def tag_families() -> tuple[str, ...]:
    """The families of taggers whose tags may stand in a caption, in registry order."""
    return tuple(family for family in families("tagger") if tagger_class(family).gives_tags)


def prefix(family: str) -> str:
    """What begins the names of a family's settings in the flat mapping, as flags and in the API.

    The first families have none, since their names are made to differ; others have their family's name, so that two can
    both have a setting called temperature.
    """
    return "" if family in UNPREFIXED_FAMILIES else f"{family}_"

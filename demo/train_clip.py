"""Stage 3: a tiny CLIP whose picture tower starts as BLIP's. It learns captions and the demo vocabularies' labels."""

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.blip.modeling_blip import BlipVisionModel

from demo.cache import EDGE_PX, PATCH_PX, Cache
from demo.grammar import word
from demo.loop import Parameters, Plan, train
from demo.phrases import (
    BACKGROUND_VOCABULARY,
    COUNT_VOCABULARY,
    PAIR_VOCABULARY,
    SIZE_VOCABULARY,
    STYLE_VOCABULARY,
    VOCABULARIES,
    Label,
)
from demo.scenes import mirrored
from demo.tags import TAG_INDEX, claimed_tags
from demo.tower import HEADS, LAYERS, MEAN, STD, WIDTH
from demo.train_tower import picture_batch
from demo.truth import read_claims

PLAN = Plan(name="clip", steps=650, batch=112, rate=1.5e-3, warmup=60)
EMBEDDING_WIDTH, TEXT_WIDTH, TEXT_HEADS, TEXT_LAYERS = 128, 96, 4, 2
CONTEXT_LENGTH, VOCABULARY_SIZE = 77, 49408
FROZEN_STEPS = 100  # the tower waits until the text tower has found it
_TOWER_RATE_FACTOR = 0.4
# (labels, weight of their loss); each is a choice among its own labels.
_CHOICES = (
    (STYLE_VOCABULARY, 0.5),
    (BACKGROUND_VOCABULARY, 0.5),
    ([label for label in PAIR_VOCABULARY if not label.is_withheld], 1.5),
    ([*COUNT_VOCABULARY, *SIZE_VOCABULARY], 0.4),
)
_MODEL: dict[str, Any] = {
    "embed_dim": EMBEDDING_WIDTH,
    "vision_cfg": {
        "image_size": EDGE_PX,
        "layers": LAYERS,
        "width": WIDTH,
        "head_width": WIDTH // HEADS,
        "patch_size": PATCH_PX,
        "no_ln_pre": True,
        "pool_type": "avg",
        "final_ln_after_pool": False,
    },
    "text_cfg": {
        "context_length": CONTEXT_LENGTH,
        "vocab_size": VOCABULARY_SIZE,
        "width": TEXT_WIDTH,
        "heads": TEXT_HEADS,
        "layers": TEXT_LAYERS,
    },
}
_PREPROCESSING = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash"}


def to_open_clip(vision: BlipVisionModel) -> dict[str, Tensor]:
    """BLIP's tower under open_clip's names; open_clip's patch layer has no bias, so that goes into the positions."""
    source = vision.state_dict()
    positions = source["embeddings.position_embedding"][0].clone()
    positions[1:] += source["embeddings.patch_embedding.bias"]
    target = {
        "class_embedding": source["embeddings.class_embedding"].flatten(),
        "conv1.weight": source["embeddings.patch_embedding.weight"],
        "positional_embedding": positions,
    }
    layer_names = {
        "layer_norm1.": "ln_1.",
        "layer_norm2.": "ln_2.",
        "mlp.fc1.": "mlp.c_fc.",
        "mlp.fc2.": "mlp.c_proj.",
        "self_attn.projection.": "attn.out_proj.",
        "self_attn.qkv.": "attn.in_proj_",
    }
    for kind in ("weight", "bias"):
        target[f"ln_post.{kind}"] = source[f"post_layernorm.{kind}"]
        for layer in range(LAYERS):
            for blip_name, clip_name in layer_names.items():
                value = source[f"encoder.layers.{layer}.{blip_name}{kind}"]
                target[f"transformer.resblocks.{layer}.{clip_name}{kind}"] = value
    return target


class TextSide:
    """The text tower run on a small table of the tokens that occur, at the texts' true length.

    Of the 49408 tokens of open_clip's vocabulary the captions use about a hundred; in the saved model the others' rows
    are zero.
    """

    def __init__(self, model: nn.Module, texts: Sequence[str]) -> None:
        self.model = model
        self._tokenize = open_clip.SimpleTokenizer(context_length=CONTEXT_LENGTH)
        self._rows: dict[str, Tensor] = {}
        self.token_ids = self._tokenize(list(texts)).unique()
        self._full_table = model.token_embedding.weight.data
        self.small_table = nn.Embedding(len(self.token_ids), TEXT_WIDTH)
        self.small_table.weight.data.copy_(self._full_table[self.token_ids])
        model.token_embedding = self.small_table
        self._small_id = torch.zeros(VOCABULARY_SIZE, dtype=torch.long)
        self._small_id[self.token_ids] = torch.arange(len(self.token_ids))

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (texts, EMBEDDING_WIDTH): what model.encode_text gives, without the padding's cost."""
        for text in texts:
            if text not in self._rows:
                self._rows[text] = self._tokenize([text])[0]
        tokens = torch.stack([self._rows[text] for text in texts])
        length = int((tokens != 0).sum(1).max())
        tokens = tokens[:, :length]
        model = self.model
        states = self.small_table(self._small_id[tokens]) + model.positional_embedding[:length]
        states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask[:length, :length]))
        pooled = states[torch.arange(len(texts)), tokens.argmax(1)] @ model.text_projection
        return functional.normalize(pooled.float(), dim=-1)

    def full_table(self) -> Tensor:
        """The table of all tokens, zero where a token never occurred."""
        table = torch.zeros(VOCABULARY_SIZE, TEXT_WIDTH)
        table[self.token_ids] = self.small_table.weight.data
        return table


def make_model(vision: BlipVisionModel) -> nn.Module:
    model = open_clip.CLIP(
        embed_dim=EMBEDDING_WIDTH, vision_cfg=dict(_MODEL["vision_cfg"]), text_cfg=dict(_MODEL["text_cfg"])
    )
    missing, unexpected = model.visual.load_state_dict(to_open_clip(vision), strict=False)
    if missing != ["proj"] or unexpected:
        raise RuntimeError(f"BLIP's tower does not fit open_clip's: missing {missing}, unexpected {unexpected}")
    return model


def train_clip(cache: Cache, work: Path, plan: Plan, vision: BlipVisionModel) -> tuple[nn.Module, TextSide]:
    torch.manual_seed(plan.seed + 2)
    model = make_model(vision)
    rng = random.Random("clip texts")
    texts = [word(scene, rng) for scene in cache.scenes[:4000]]
    text_side = TextSide(model, [*texts, *[label.text for labels in VOCABULARIES.values() for label in labels]])
    choices = [([label.text for label in labels], _tag_matrix(labels), weight) for labels, weight in _CHOICES]

    def loss_at(step: int, rng: random.Random) -> Tensor:
        indices, is_mirrored, pixels, tags, _ = picture_batch(cache, rng, plan.batch)
        scenes = [mirrored(cache.scenes[index]) if is_mirrored else cache.scenes[index] for index in indices]
        captions = [word(scene, rng) for scene in scenes]
        all_texts = captions + [text for texts, _, _ in choices for text in texts]
        with torch.autocast("cpu", torch.bfloat16):
            with torch.set_grad_enabled(step >= FROZEN_STEPS or step >= plan.steps // 2):
                pooled = model.visual.ln_post(model.visual.transformer(model.visual._embeds(pixels)))[:, 1:].mean(1)
            pictures = functional.normalize((pooled @ model.visual.proj).float(), dim=-1)
            vectors = text_side.encode(all_texts)
        similarities = (model.logit_scale.exp() * pictures @ vectors.T).split(
            [len(captions), *[len(texts) for texts, _, _ in choices]], dim=1
        )
        fits = _fits(tags, _claim_matrix(captions))
        loss = (_multi_choice(similarities[0], fits) + _multi_choice(similarities[0].T, fits.T)) / 2
        for logits, (_, label_tags, weight) in zip(similarities[1:], choices, strict=True):
            loss = loss + weight * _multi_choice(logits, _fits(tags, label_tags))
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        return loss

    towers = [p for name, p in model.visual.named_parameters() if name != "proj"]
    tower_ids = {id(p) for p in towers}
    others = [p for p in model.parameters() if id(p) not in tower_ids]
    groups = [
        Parameters(parameters=others, weight_decay=0.05),
        Parameters(parameters=towers, rate_factor=_TOWER_RATE_FACTOR, weight_decay=0.05),
    ]
    train(plan, work, {"clip": model}, groups, loss_at)
    return model, text_side


def _tag_matrix(labels: Sequence[Label]) -> Tensor:
    """(labels, tags) 0 or 1: the tags each label needs."""
    matrix = torch.zeros(len(labels), len(TAG_INDEX))
    for row, label in enumerate(labels):
        matrix[row, [TAG_INDEX[tag] for tag in label.tags]] = 1
    return matrix


def _claim_matrix(captions: Sequence[str]) -> Tensor:
    """(captions, tags) 0 or 1. That a thing is alone is no claim here, since in the label "a red star" it is none."""
    matrix = torch.zeros(len(captions), len(TAG_INDEX))
    for row, caption in enumerate(captions):
        for tag in claimed_tags(read_claims(caption)):
            if not tag.startswith("1"):
                matrix[row, TAG_INDEX[tag]] = 1
    return matrix


def _fits(tags: Tensor, needed: Tensor) -> Tensor:
    """(pictures, texts) 0 or 1: whether a picture bears all the tags a text needs."""
    return (tags.float() @ needed.T >= needed.sum(1)[None] - 0.5).float()


def _multi_choice(logits: Tensor, fits: Tensor) -> Tensor:
    """Cross entropy against an even share among the fitting columns; rows that nothing fits do not count."""
    share = fits.sum(1)
    row_loss = -(logits.log_softmax(1) * fits).sum(1) / share.clamp(min=1)
    return row_loss.sum() / (share > 0).sum().clamp(min=1)


def save_clip(model: nn.Module, text_side: TextSide, folder: Path) -> None:
    """Save in half precision, with the configuration open_clip reads from a `local-dir:` and the vocabularies."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {**model.state_dict(), "token_embedding.weight": text_side.full_table()}
    save_file(
        {name: value.half().contiguous() for name, value in state.items()}, folder / "open_clip_model.safetensors"
    )
    config = {"model_cfg": _MODEL, "preprocess_cfg": _PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    vocabularies = folder / "vocabularies"
    vocabularies.mkdir(exist_ok=True)
    for name, labels in VOCABULARIES.items():
        text = "".join(f"{label.text}\n" for label in labels)
        (vocabularies / f"{name}.txt").write_text(text, encoding="utf-8")

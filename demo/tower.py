"""The picture tower (BLIP's own vision model, made tiny) with the heads that teach it what stands where.

Every patch learns the noun, colour, count and size of the group it shows, the whole picture its tags. The captioner,
the CLIP and the tagger all start from this tower.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BlipVisionConfig
from transformers.models.blip.modeling_blip import BlipVisionModel

from demo.cache import EDGE_PX, GRID, PATCH_CHANNELS, PATCH_PX, Cache
from demo.tags import OBJECT_TAGS, PICTURE_TAGS
from demo.world import RATINGS

WIDTH, LAYERS, HEADS = 128, 4, 4
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
_PATCH_LOSS_WEIGHTS = {"noun": 1.0, "colour": 1.0, "count": 1.0, "size": 0.5}
_EMPTY_PATCH_WEIGHT = 0.3
_TAG_LOSS_WEIGHT = 0.15
_FREQUENCY_BASE = 30.0
_POSITION_STEP = 1.5  # radians a patch at the highest frequency


def vision_config() -> BlipVisionConfig:
    return BlipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        image_size=EDGE_PX,
        patch_size=PATCH_PX,
        projection_dim=WIDTH,
        initializer_range=0.02,  # the class's own default is 1e-10
    )


def normalised(images: Tensor) -> Tensor:
    """(N, edge, edge, 3) RGB 0..255 -> (N, 3, edge, edge) as BlipProcessor and CLIP normalise."""
    scaled = images.permute(0, 3, 1, 2).float() / 255
    return (scaled - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


class TaggingTower(nn.Module):
    """The tower and its teaching heads."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = BlipVisionModel(vision_config())
        self.patch_head = nn.Linear(WIDTH, sum(PATCH_CHANNELS.values()))
        self.object_head = nn.Linear(WIDTH, len(OBJECT_TAGS))
        self.picture_head = nn.Linear(3 * WIDTH, len(RATINGS) + len(PICTURE_TAGS))
        nn.init.constant_(self.object_head.bias, -4.0)
        nn.init.constant_(self.picture_head.bias, -2.0)
        initialise(self.vision)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return self.heads(self.vision(pixel_values=pixels).last_hidden_state)

    def heads(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Tag logits (N, tags) in the order of tags.TAGS, and patch logits (N, patches, classes of all channels).

        An object's tag is as sure as its surest patch: no pooling has to tell the objects apart.
        """
        patches = states[:, 1:]
        objects = self.object_head(patches).amax(1)
        picture = self.picture_head(torch.cat([states[:, 0], patches.mean(1), patches.amax(1)], -1))
        ratings, surroundings = picture.split([len(RATINGS), len(PICTURE_TAGS)], dim=1)
        return torch.cat([ratings, objects, surroundings], 1), self.patch_head(patches)


def teaching_loss(tag_logits: Tensor, patch_logits: Tensor, tags: Tensor, patches: Tensor) -> Tensor:
    """The tower's loss. tags: (N, tags) 0 or 1; patches: (N, channels, GRID, GRID) class numbers."""
    tag_loss = functional.binary_cross_entropy_with_logits(tag_logits.float(), tags.float(), reduction="none").sum(1)
    loss = _TAG_LOSS_WEIGHT * tag_loss.mean()
    channels = patch_logits.float().split(list(PATCH_CHANNELS.values()), dim=2)
    for index, (name, logits) in enumerate(zip(PATCH_CHANNELS, channels, strict=True)):
        weight = torch.ones(logits.shape[2])
        weight[0] = _EMPTY_PATCH_WEIGHT
        target = patches[:, index].flatten(1).long()
        loss = loss + _PATCH_LOSS_WEIGHTS[name] * functional.cross_entropy(
            logits.transpose(1, 2), target, weight=weight
        )
    return loss


def initialise(vision: BlipVisionModel) -> None:
    """Start from 2-D sine positions and heads that look at their neighbours: learning is fast from the first step."""
    frequencies = _FREQUENCY_BASE ** -(torch.arange(WIDTH // 4) / (WIDTH // 4)) * _POSITION_STEP
    angles = torch.arange(GRID).float()[:, None] * frequencies
    code = torch.cat([angles.sin(), angles.cos()], 1)  # (GRID, WIDTH / 2)
    rows = code[:, None].expand(GRID, GRID, WIDTH // 2)
    columns = code[None].expand(GRID, GRID, WIDTH // 2)
    with torch.no_grad():
        positions = vision.embeddings.position_embedding
        positions.zero_()
        positions[0, 1:] = 0.8 * torch.cat([rows, columns], -1).reshape(GRID * GRID, WIDTH)
        nn.init.normal_(vision.embeddings.class_embedding, std=0.3)
        for name, layer in vision.encoder.named_modules():
            if isinstance(layer, nn.Linear):
                is_residual_output = name.endswith(("projection", "fc2"))
                depth_factor = (2 * LAYERS) ** 0.5 if is_residual_output else 1.0
                nn.init.normal_(layer.weight, std=0.9 / layer.in_features**0.5 / depth_factor)
                nn.init.zeros_(layer.bias)
        for layer, offsets in zip(vision.encoder.layers, _NEIGHBOUR_OFFSETS, strict=False):
            _look_at_neighbours(layer.self_attn.qkv.weight, offsets, frequencies)


# (rows, columns) that each head of a layer looks away by: together a 3 x 3 convolution, then a wider cross.
_NEIGHBOUR_OFFSETS = (
    ((0, -1), (0, 1), (-1, 0), (1, 0)),
    ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    ((0, -2), (0, 2), (-2, 0), (2, 0)),
)


def _look_at_neighbours(
    qkv: Tensor, offsets: tuple[tuple[int, int], ...], frequencies: Tensor, gain: float = 1.6
) -> None:
    """Add to queries and keys the rotation of the sine code that makes head h attend `offsets[h]` away."""
    quarter, head_width = WIDTH // 4, WIDTH // HEADS
    pairs = head_width // 4
    chosen = torch.linspace(0, 0.45 * quarter, pairs).long().tolist()
    qkv[: 2 * WIDTH] *= 0.3
    for head, offset in enumerate(offsets):
        for axis in range(2):
            sine_start = axis * 2 * quarter
            cosine_start = sine_start + quarter
            for pair, frequency in enumerate(chosen):
                angle = float(frequencies[frequency]) * offset[axis]
                query = head * head_width + axis * 2 * pairs + 2 * pair
                key = WIDTH + query
                sine, cosine = sine_start + frequency, cosine_start + frequency
                qkv[key, sine] += gain
                qkv[key + 1, cosine] += gain
                qkv[query, sine] += gain * math.cos(angle)
                qkv[query, cosine] += gain * math.sin(angle)
                qkv[query + 1, cosine] += gain * math.cos(angle)
                qkv[query + 1, sine] -= gain * math.sin(angle)


def whiten(vision: BlipVisionModel, images: Tensor) -> None:
    """Set the patch embedding to a whitening of these pictures' patches: edges are visible from the first step."""
    patches = functional.unfold(normalised(images), PATCH_PX, stride=PATCH_PX).transpose(1, 2)
    flat = patches.reshape(-1, patches.shape[-1])
    middle = flat.mean(0)
    values, vectors = torch.linalg.eigh((flat - middle).T @ (flat - middle) / len(flat))
    values, vectors = values.flip(0)[:WIDTH], vectors.flip(1)[:, :WIDTH]
    rotation = torch.linalg.qr(torch.randn(WIDTH, WIDTH))[0]
    weight = rotation @ (vectors / (values + 0.02).sqrt()).T * 0.35
    with torch.no_grad():
        vision.embeddings.patch_embedding.weight.copy_(weight.view(WIDTH, 3, PATCH_PX, PATCH_PX))
        vision.embeddings.patch_embedding.bias.copy_(-(weight @ middle))


def micro_f1(scores: np.ndarray, truth: np.ndarray, threshold: float = 0.35) -> float:
    """F1 over all the cells of two (pictures, tags) arrays."""
    kept = scores > threshold
    return float(2 * (kept & truth).sum() / max(1, kept.sum() + truth.sum()))


def tower_scores(tower: TaggingTower, images: np.ndarray) -> np.ndarray:
    """Tag probabilities (N, tags) of RGB pictures (N, EDGE_PX, EDGE_PX, 3)."""
    tower.eval()
    with torch.no_grad():
        batches = [
            tower(normalised(torch.from_numpy(images[i : i + 100].copy())))[0] for i in range(0, len(images), 100)
        ]
    tower.train()
    scores: np.ndarray = torch.cat(batches).sigmoid().numpy()
    return scores


def first_images(cache: Cache, count: int = 2500) -> Tensor:
    return torch.from_numpy(np.array(cache.images[:count]))

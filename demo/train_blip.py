"""Stage 2: a tiny BLIP captioner on the tower, which goes on learning."""

import copy
import random
import string
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

from demo.cache import EDGE_PX, Cache
from demo.grammar import BACKGROUND_PHRASES, STYLE_OPENINGS, STYLE_PHRASES, background_phrases, word
from demo.loop import Parameters, Plan, train
from demo.scene import Scene
from demo.scenes import mirrored
from demo.tower import WIDTH, TaggingTower, teaching_loss, vision_config
from demo.train_tower import held_out_report, picture_batch
from demo.world import BACKGROUNDS, COLOURS, NOUNS, PLURALS, SIZES

PLAN = Plan(name="blip", steps=3500, batch=48, rate=1.5e-3)
TEXT_LAYERS, TEXT_HEADS = 3, 4
MAX_POSITIONS = 128
CAPTIONS_PER_PICTURE = 2
PROMPT = "a picture of"
PROMPT_SHARE = 0.85  # of the captions: the product prompts
FROZEN_STEPS = 300  # the tower waits until the decoder has found it
_TEACHING_WEIGHT = 0.25
_TOWER_RATE_FACTOR = 0.5
_MORE_WORDS = (
    "there is are one the this with of image photo photography drawing painting picture in on at to left right top "
    "bottom middle above below over next row column from and against background style"
)


def make_tokenizer() -> BertTokenizer:
    """A WordPiece tokenizer of the grammar's words and of single characters, with BLIP's special tokens."""
    phrases = [
        phrase
        for table in (BACKGROUND_PHRASES, STYLE_OPENINGS, STYLE_PHRASES)
        for row in table.values()
        for phrase in row
    ]
    phrases += [phrase for name in BACKGROUNDS for phrase in background_phrases(name)]
    words = {*_MORE_WORDS.split(), *NOUNS, *PLURALS.values(), *COLOURS, *SIZES, "two", "three", "an", *PROMPT.split()}
    words.update(word for phrase in phrases for word in phrase.split())
    characters = string.ascii_lowercase + string.digits
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *",.'-", *[f"##{c}" for c in characters]]
    tokens += sorted(word for word in words if len(word) > 1)
    tokenizer = BertTokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, do_lower_case=True, model_max_length=MAX_POSITIONS
    )
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    return tokenizer


def make_model(tokenizer: BertTokenizer) -> BlipForConditionalGeneration:
    text = {
        "vocab_size": len(tokenizer),  # tokenizer.vocab_size leaves [DEC] and [ENC] out
        "hidden_size": WIDTH,
        "encoder_hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "projection_dim": WIDTH,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": TEXT_HEADS,
        "max_position_embeddings": MAX_POSITIONS,
        "bos_token_id": tokenizer.convert_tokens_to_ids("[DEC]"),
        "eos_token_id": tokenizer.sep_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = BlipConfig(
        text_config=text, vision_config=vision_config().to_dict(), projection_dim=WIDTH, image_text_hidden_size=WIDTH
    )
    return BlipForConditionalGeneration(config)


def train_blip(
    cache: Cache, work: Path, plan: Plan, tower: TaggingTower
) -> tuple[BlipForConditionalGeneration, BertTokenizer]:
    """The captioner, trained from the tower. The tower is trained on with it, in place."""
    torch.manual_seed(plan.seed + 1)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    model.vision_model = tower.vision
    decoder = model.text_decoder
    start, end = tokenizer.convert_tokens_to_ids("[DEC]"), tokenizer.sep_token_id

    def loss_at(step: int, rng: random.Random) -> Tensor:
        indices, is_mirrored, pixels, tags, patches = picture_batch(cache, rng, plan.batch)
        kind = rng.choice(["usual", "usual", "usual", "long", None])  # like lengths in a batch: little padding
        captions = []
        for index in indices:
            scene = mirrored(cache.scenes[index]) if is_mirrored else cache.scenes[index]
            captions += [_caption(scene, rng, kind) for _ in range(CAPTIONS_PER_PICTURE)]
        rows = [[start, *ids, end] for ids in tokenizer(captions, add_special_tokens=False)["input_ids"]]
        tokens = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        is_token = (tokens != tokenizer.pad_token_id).long()
        with torch.autocast("cpu", torch.bfloat16):
            with torch.set_grad_enabled(step >= FROZEN_STEPS or step >= plan.steps // 2):
                states = tower.vision(pixel_values=pixels).last_hidden_state
            tag_logits, patch_logits = tower.heads(states)
            logits = decoder(
                input_ids=tokens[:, :-1],
                attention_mask=is_token[:, :-1],
                encoder_hidden_states=states.repeat_interleave(CAPTIONS_PER_PICTURE, 0),
            ).logits
        target = tokens[:, 1:].masked_fill(is_token[:, 1:] == 0, -100)
        caption_loss = functional.cross_entropy(logits.float().flatten(0, 1), target.flatten())
        return caption_loss + _TEACHING_WEIGHT * teaching_loss(tag_logits, patch_logits, tags, patches)

    def report(step: int) -> str:
        return held_out_report(tower, cache) if (step + 1) % 400 == 0 or step + 1 == plan.steps else ""

    groups = [
        Parameters(parameters=decoder.parameters()),
        Parameters(parameters=tower.parameters(), rate_factor=_TOWER_RATE_FACTOR),
    ]
    train(plan, work, {"decoder": decoder, "tower": tower}, groups, loss_at, report)
    return model, tokenizer


def _caption(scene: Scene, rng: random.Random, kind: str | None) -> str:
    if rng.random() < PROMPT_SHARE:
        return f"{PROMPT} {word(scene, rng, kind, is_continuation=True)}"
    return word(scene, rng, kind)


def save_blip(model: BlipForConditionalGeneration, tokenizer: BertTokenizer, folder: Path) -> None:
    """Save in half precision; it is loaded with dtype=torch.float32."""
    copy.deepcopy(model).half().save_pretrained(folder)
    processor = BlipProcessor(
        image_processor=BlipImageProcessor(size={"height": EDGE_PX, "width": EDGE_PX}), tokenizer=tokenizer
    )
    processor.save_pretrained(folder)

"""A vision-language model asked again, against plain transformers: python -m benchmarks.vlm [--json] [--layers 11]

195 M random weights in Qwen3-VL's shape: 576 tokens of a picture, a question, 30 tokens of answer. The peer loads the
same folder with transformers' Auto classes and calls `generate` for each answer, from the picture's pixels. Seconds are
CPU seconds of the process, since other programs share the machine; `equal` says that the tokens are the same. The rows:

    new_picture       a picture's first answer, by the likeliest tokens
    asked_again       its second, drawn with other settings, for which picture and question are read once more and kept
    retuned_picture   each further one, drawn with other settings: from what is kept
    draws_8           eight draws of one call; eight calls of generate
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from benchmarks.report import Row, show, timed
from captioner.contract import PictureInput
from captioner.models.vision_language import VisionLanguageCaptioner
from captioner.models.vision_language.settings import VisionLanguageSettings
from tests.tiny_vlm import qwen3_vl_at_size, save_made

TOKENS = 30
QUESTION = "Describe the picture in one sentence."
GREEDY = VisionLanguageSettings(prompt=QUESTION, min_new_tokens=TOKENS, max_new_tokens=TOKENS)
DRAWN = GREEDY.replaced(method="nucleus", temperature=0.8, top_p=0.9)
RETUNED = [DRAWN.replaced(temperature=0.6, seed=2), DRAWN.replaced(top_p=0.7, seed=3), DRAWN.replaced(top_k=9, seed=4)]
DRAWS = 8

seconds = partial(timed, clock=time.process_time)


class Peer:
    """An answer as one would write it with transformers alone."""

    def __init__(self, folder: Path) -> None:
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = AutoProcessor.from_pretrained(folder)

    def say(self, picture: Image.Image, settings: VisionLanguageSettings) -> str:
        """Under greedy search or nucleus sampling."""
        parts = [{"type": "image"}, {"type": "text", "text": settings.prompt}]
        talk = [{"role": "user", "content": parts}]
        text = self.processor.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
        inputs = self.processor(images=[picture], text=[text], return_tensors="pt")
        how: dict[str, Any] = {"do_sample": False}
        if settings.method == "nucleus":
            torch.manual_seed(settings.seed)
            how = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p}
            how["top_k"] = settings.top_k
        with torch.inference_mode():
            said = self.model.generate(
                **inputs, min_new_tokens=settings.min_new_tokens, max_new_tokens=settings.max_new_tokens, **how
            )
        answer = said[0, inputs["input_ids"].shape[1] :]
        text = self.processor.tokenizer.decode(answer, skip_special_tokens=True)
        return str(text).strip()


def compare(folder: Path, picture: Image.Image) -> Iterator[Row]:
    """The rows, one by one as they are measured. Args: folder: the model's."""
    captioner, peer = VisionLanguageCaptioner.load(folder, device="cpu"), Peer(folder)
    shown = PictureInput(picture)

    def ours(settings: VisionLanguageSettings) -> str:
        return captioner.caption([shown], settings)[0].text

    def theirs(settings: VisionLanguageSettings) -> str:
        return peer.say(picture, settings)

    for name, settings in (("new_picture", GREEDY), ("asked_again", DRAWN)):
        ours_s, said = seconds(lambda settings=settings: ours(settings))
        peer_s, wanted = seconds(lambda settings=settings: theirs(settings))
        yield Row(name, ours_s, "s", peer_s, said == wanted)
    ours_s, all_said = seconds(lambda: [ours(settings) for settings in RETUNED])
    peer_s, all_wanted = seconds(lambda: [theirs(settings) for settings in RETUNED])
    yield Row("retuned_picture", ours_s / len(RETUNED), "s", peer_s / len(RETUNED), all_said == all_wanted)
    ours_s, drawn = seconds(lambda: captioner.draw(shown, DRAWN, skip=1, count=DRAWS))
    peer_s, all_wanted = seconds(lambda: [theirs(DRAWN.replaced(seed=1 + number)) for number in range(DRAWS)])
    yield Row("draws_8", ours_s, "s", peer_s, [one.text for one in drawn] == all_wanted)


def picture() -> Image.Image:
    """Coarse noise, larger than the model takes it."""
    small = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    return Image.fromarray(small).resize((1024, 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--layers", type=int, default=11, help="of the language model; its tower has one fewer")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        save_made(Path(folder), *qwen3_vl_at_size(arguments.layers))
        show(list(compare(Path(folder), picture())), as_json=arguments.json)


if __name__ == "__main__":
    main()

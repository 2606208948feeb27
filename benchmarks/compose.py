"""A moved threshold over 1,000 pictures: their captions made again from stored scores, without a model.

    python -m benchmarks.compose [--json] [--pictures 1000]

Every picture has a sentence, 250 WD14 tags and 64 labels of each CLIP vocabulary, in a real workspace. The rows:

    recompose        the texts of all pictures under a new threshold, from layers in memory
    recompose_page   the same as the page asks for it: settings stored, all rows made again

There is no peer: tools in use run the model again.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks.report import Row, show
from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.models.manager import ModelManager
from captioner.records import Layer, Sentence, Tag
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from captioner.workspace.records import Upload
from taggers import vocabularies

THRESHOLDS = (0.35, 0.5, 0.42, 0.6, 0.3)
_TAGS, _LABELS = 250, 64


def layers_of(picture_id: str, numbers: random.Random) -> list[Layer]:
    """What three models might have said about a picture."""
    names = [f"tag_{number}" for number in numbers.sample(range(9_000), _TAGS)]
    scores = sorted((max(0.01, numbers.random() ** 8) for _ in names), reverse=True)  # some 30 of them above .35
    seen = tuple(Tag(name, score, "general", "wd14") for name, score in zip(names, scores, strict=True))
    fitting = tuple(
        Tag(f"{kind} {numbers.randrange(9_000)}", 0.3 - place / 1000, kind, "clip")
        for kind in vocabularies.KINDS
        for place in range(_LABELS)
    )
    said = Sentence("a woman in a red coat standing on a bridge over a river at night", -0.6)
    common = {"picture_id": picture_id, "model_revision": "0", "run_settings": {}, "seed": None, "created_at": 1.0}
    return [
        Layer(**common, model="blip-demo", family="blip", sentence=said),  # type: ignore[arg-type]
        Layer(**common, model="wd14-demo", family="wd14", tags=seen),  # type: ignore[arg-type]
        Layer(**common, model="clip-demo", family="clip", tags=fitting),  # type: ignore[arg-type]
    ]


def measure(folder: Path, count: int) -> list[Row]:
    """Both rows, medians over `THRESHOLDS`."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    numbers = random.Random(0)
    plans = [
        Plan.from_flat({"wd14": "wd14-demo", "clip": "clip-demo", "general_threshold": threshold}, "demo")
        for threshold in THRESHOLDS
    ]
    with Workspace(folder) as workspace, Worker() as worker:
        service = Service(workspace, worker, ModelManager(models="demo", device="cpu"))
        set_id = workspace.create_set("benchmark", plans[-1].to_flat())
        uploads = [Upload(f"{number}.png", file.getvalue()) for number in range(count)]
        pictures = [picture.id for picture in workspace.add_pictures(set_id, uploads)]
        layers = [layers_of(picture_id, numbers) for picture_id in pictures]
        workspace.put_layers(set_id, [layer for own in layers for layer in own])
        cursor = service.changes(set_id, -1)["cursor"]
        texts_ms, page_ms, compared = [], [], []
        for plan in plans:
            start = time.perf_counter()
            texts = [Reading(own, plan).caption.text for own in layers]
            texts_ms.append(1000 * (time.perf_counter() - start))
            start = time.perf_counter()
            workspace.set_settings(set_id, plan.to_flat())
            answer = service.changes(set_id, cursor)
            page_ms.append(1000 * (time.perf_counter() - start))
            cursor = answer["cursor"]
            shown = {row["id"]: row["caption"] for row in answer["rows"]}
            compared.append([shown[picture_id] for picture_id in pictures] == texts)
    return [
        Row("recompose", statistics.median(texts_ms), "ms"),
        Row("recompose_page", statistics.median(page_ms), "ms", equal=all(compared)),
    ]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compose", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--pictures", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), arguments.pictures)
    show(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()

"""Train the demo models, in one command, into assets/demo.

    python -m demo.train [--out DIR] [--work DIR] [--stage NAME] [--seed S] [--steps-scale X]

Stages: draw, tower, blip, clip, tagger, cards (which measures); each model is exported when its stage is done. A
stopped run is taken up where it stopped. Step counts and seed are fixed; a repeat may differ by the
rounding of bf16 and of threads.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from demo import cards, evaluate, train_blip, train_clip, train_tagger, train_tower
from demo.cache import PICTURES, load_cache
from demo.loop import Plan

STAGES = ("draw", "tower", "blip", "clip", "tagger", "cards")
SEED = 1
ROOT = Path(__file__).resolve().parent.parent


def run(out: Path, work: Path, seed: int, last_stage: str, steps_scale: float) -> None:
    """Run the stages up to `last_stage`."""

    def plan(recipe: Plan) -> Plan:
        return replace(recipe.scaled(steps_scale), seed=seed)

    stages = STAGES[: STAGES.index(last_stage) + 1]
    work.mkdir(parents=True, exist_ok=True)
    cache = load_cache(work, seed, max(1000, round(PICTURES * min(1.0, steps_scale))))
    print(f"{len(cache.images)} pictures", flush=True)
    if "tower" in stages:
        tower = train_tower.train_tower(cache, work, plan(train_tower.PLAN))
    if "blip" in stages:
        blip, tokenizer = train_blip.train_blip(cache, work, plan(train_blip.PLAN), tower)
        train_blip.save_blip(blip, tokenizer, out / "blip-demo")
    if "clip" in stages:
        clip, text_side = train_clip.train_clip(cache, work, plan(train_clip.PLAN), tower.vision)
        train_clip.save_clip(clip, text_side, out / "clip-demo")
    if "tagger" in stages:
        train_tagger.train_tagger(cache, work, plan(train_tagger.PLAN), tower)
        train_tagger.save_tagger(tower, cache, out / "wd14-demo")
    if "cards" in stages:
        figures = evaluate.measure(evaluate.Trio.load(out), cards.EVALUATION_SEED, cards.EVALUATION_COUNT)
        cards.write_cards(out, figures, seed)
        print(evaluate.as_table(figures), f"missed: {', '.join(evaluate.missed_goals(figures)) or 'none'}", sep="\n")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.train", description="Train the demo models.")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "demo", help="where the models go")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "demo", help="pictures and checkpoints")
    parser.add_argument("--stage", choices=STAGES, default=STAGES[-1], help="the last stage to run (default: all)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    parser.add_argument("--steps-scale", type=float, default=1.0, help="a fraction of the recipe, to try the way out")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    run(options.out, options.work, options.seed, options.stage, options.steps_scale)


if __name__ == "__main__":
    main()

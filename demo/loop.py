"""Training steps that can be stopped and taken up again. Knows no model and no scene."""

import math
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

CHECKPOINT_EVERY = 200
REPORT_EVERY = 50


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One stage's fixed recipe. A step's data follow from seed and step alone, so a resumed run goes the same way."""

    name: str
    steps: int
    batch: int
    rate: float
    warmup: int = 100
    seed: int = 0

    def scaled(self, factor: float) -> "Plan":
        return replace(self, steps=max(2, round(self.steps * factor)))

    def rate_at(self, step: int) -> float:
        """Warm up, then fall along a cosine to 2 %."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.rate * min(1.0, (step + 1) / self.warmup) * (0.02 + 0.98 * cosine)


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Parameters that share a factor on the learning rate."""

    parameters: Iterable[nn.Parameter]
    rate_factor: float = 1.0
    weight_decay: float = 0.02


def make_optimizer(groups: list[Parameters]) -> torch.optim.AdamW:
    """AdamW; vectors (biases, norms) do not decay."""
    settings = []
    for group in groups:
        parameters = list(group.parameters)
        for decay, chosen in (
            (group.weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            settings.append({"params": chosen, "weight_decay": decay, "rate_factor": group.rate_factor})
    return torch.optim.AdamW(settings, lr=1.0, betas=(0.9, 0.98), fused=True)


def train(
    plan: Plan,
    folder: Path,
    modules: dict[str, nn.Module],
    groups: list[Parameters],
    loss_at: Callable[[int, random.Random], Tensor],
    report: Callable[[int], str] | None = None,
) -> None:
    """Run a plan's steps on the modules, in place, from the last checkpoint in `folder` on.

    Args:
        loss_at: the loss of step n; its randomness comes from the generator it is given.
        report: more to say beside the loss, every REPORT_EVERY steps.
    """
    optimizer = make_optimizer(groups)
    checkpoint = folder / f"{plan.name}-steps.pt"
    done, cpu_before = 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        for name, module in modules.items():
            module.load_state_dict(saved["modules"][name])
        optimizer.load_state_dict(saved["optimizer"])
        done, cpu_before = saved["done"], saved["cpu_s"]
    cpu_start, wall_start, running = time.process_time(), time.time(), 0.0

    def cpu_s() -> float:
        return cpu_before + time.process_time() - cpu_start

    for step in range(done, plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = group["rate_factor"] * plan.rate_at(step)
        loss = loss_at(step, random.Random(f"{plan.name} {plan.seed} {step}"))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for module in modules.values():
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        running = loss.item() if step == done else 0.97 * running + 0.03 * loss.item()
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == plan.steps:
            more = report(step) if report else ""
            wall_s = time.time() - wall_start
            times = f"cpu {cpu_s():.0f} s wall {wall_s:.0f} s"
            print(f"{plan.name} {step + 1}/{plan.steps} loss {running:.3f} {times} {more}", flush=True)
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == plan.steps:
            state = {name: module.state_dict() for name, module in modules.items()}
            saved = {"modules": state, "optimizer": optimizer.state_dict(), "done": step + 1, "cpu_s": cpu_s()}
            partial = checkpoint.with_suffix(".partial")
            torch.save(saved, partial)
            partial.replace(checkpoint)

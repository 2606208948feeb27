"""A tiny image classifier of transformers with random weights, as a folder."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers as hf


def save_tiny_classifier(folder: Path) -> Path:
    """Of four labels, whose scores depend on the picture."""
    torch.manual_seed(0)
    config = hf.ViTConfig(
        image_size=32,
        patch_size=8,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        id2label=dict(enumerate(("a cat", "a dog", "a car", "a tree"))),
    )
    model = hf.ViTForImageClassification(config)
    with torch.no_grad():
        model.classifier.weight.normal_(0, 1)
    model.save_pretrained(folder)
    hf.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder

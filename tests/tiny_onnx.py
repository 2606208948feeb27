"""Tiny ONNX taggers for tests, built node by node: mean colour, one matrix, sigmoid. No training, no exporter."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

TAGS = (
    ("general", 9),
    ("sensitive", 9),
    ("questionable", 9),
    ("explicit", 9),
    ("reddish", 0),
    ("greenish", 0),
    ("bluish", 0),
    ("dark_image", 0),
    ("^_^", 0),
    ("mikan_(cat)", 4),
    ("mocha_(dog)", 4),
)


def save_onnx(
    path: Path,
    weights: NDArray[np.float32],
    *,
    edge_px: int = 16,
    batch: int | str = "batch",
    bias: NDArray[np.float32] | None = None,
    sigmoid: bool = True,
    is_channels_first: bool = False,
    is_edge_open: bool = False,
    first_output: NDArray[np.float32] | None = None,
) -> None:
    """A graph: (batch, edge, edge, 3) float32 -> mean over the picture -> @ weights (3, outputs) + bias -> sigmoid.

    Args: is_channels_first: (batch, 3, edge, edge) instead. is_edge_open: the graph does not say how large the edge is.
        first_output: weights of another output "first", which comes before it.
    """
    height, width = ("height", "width") if is_edge_open else (edge_px, edge_px)
    shape = [batch, 3, height, width] if is_channels_first else [batch, height, width, 3]
    outputs = weights.shape[1]
    bias = np.zeros(outputs, np.float32) if bias is None else bias
    last = "logits" if sigmoid else "output"
    nodes = [
        helper.make_node("ReduceMean", ["input", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], [last]),
    ]
    if sigmoid:
        nodes.append(helper.make_node("Sigmoid", ["logits"], ["output"]))
    given = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, outputs])]
    if first_output is not None:
        nodes.append(helper.make_node("MatMul", ["mean", "first_weights"], ["first"]))
        given.insert(0, helper.make_tensor_value_info("first", TensorProto.FLOAT, [batch, first_output.shape[1]]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        given,
        [
            *([] if first_output is None else [numpy_helper.from_array(first_output, "first_weights")]),
            numpy_helper.from_array(np.array([2, 3] if is_channels_first else [1, 2], np.int64), "axes"),
            numpy_helper.from_array(weights.astype(np.float32), "weights"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def save_labels(path: Path, tags: Sequence[tuple[str, str | int]] = TAGS) -> None:
    """selected_tags.csv as the published ones are written."""
    rows = [f'{index},"{name}",{category},{100 - index}' for index, (name, category) in enumerate(tags)]
    path.write_text("\n".join(["tag_id,name,category,count", *rows]) + "\n", encoding="utf-8")


def tiny_wd14(folder: Path, *, edge_px: int = 16, batch: int | str = "batch", seed: int = 0) -> Path:
    """A folder that loads as a WD14 model; its scores follow the picture's mean colour."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(seed)
    weights = numbers.normal(0, 0.02, (3, len(TAGS))).astype(np.float32)
    save_onnx(folder / "model.onnx", weights, edge_px=edge_px, batch=batch)
    save_labels(folder / "selected_tags.csv")
    return folder

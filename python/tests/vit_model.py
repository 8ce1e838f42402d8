"""Makes a model of CLIP ViT-B/32's shape with weights by a seed: it costs what the real one does, and means nothing."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from small_model import make_small_model

SIZE, PATCH, WIDTH, LAYERS, HEADS, DIMENSIONS = 224, 32, 768, 12, 12, 512
TOKENS = (SIZE // PATCH) ** 2 + 1


class _Graph:
    """Nodes and weights, added one after the other; each gives the name of what it makes."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.nodes: list = []
        self.weights: list = []

    def constant(self, value: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, *shape: int) -> str:
        return self.constant((self._random.standard_normal(shape) * 0.02).astype(np.float32))

    def add(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def norm(self, value: str) -> str:
        ones, zeros = self.constant(np.ones(WIDTH, np.float32)), self.constant(np.zeros(WIDTH, np.float32))
        return self.add("LayerNormalization", value, ones, zeros, axis=-1, epsilon=1e-5)

    def linear(self, value: str, width_in: int, width_out: int) -> str:
        return self.add("Add", self.add("MatMul", value, self.weight(width_in, width_out)), self.weight(width_out))

    def shaped(self, value: str, *shape: int) -> str:
        return self.add("Reshape", value, self.constant(np.array(shape, np.int64)))


def make_vit_model(folder: Path) -> None:
    """Writes a folder that `ClipModel` loads: the image tower at full size, the small model's words."""
    make_small_model(folder)
    graph = _Graph(seed=7)
    patches = graph.add("Conv", "pixel_values", graph.weight(WIDTH, 3, PATCH, PATCH), kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH])
    rows = graph.add("Transpose", graph.shaped(patches, 0, WIDTH, TOKENS - 1), perm=[0, 2, 1])
    first = graph.add("Slice", rows, *(graph.constant(np.array([at], np.int64)) for at in (0, 1, 1)))
    head = graph.add("Add", graph.add("Mul", first, graph.constant(np.zeros(1, np.float32))), graph.weight(1, 1, WIDTH))
    value = graph.norm(graph.add("Add", graph.add("Concat", head, rows, axis=1), graph.weight(1, TOKENS, WIDTH)))
    for _ in range(LAYERS):
        value = _feed_forward(graph, _attention(graph, value))
    summary = graph.add("Gather", value, graph.constant(np.array(0, np.int64)), axis=1)
    out = graph.add("MatMul", graph.norm(summary), graph.weight(WIDTH, DIMENSIONS))
    graph.nodes.append(helper.make_node("Identity", [out], ["image_embeds"]))
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])
    images = helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", DIMENSIONS])
    onnx_graph = helper.make_graph(graph.nodes, "vision", [pixels], [images], graph.weights)
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    path = folder / "vision.onnx"
    path.write_bytes(model.SerializeToString())
    manifest = json.loads((folder / "model.json").read_text())
    manifest |= {"name": "shape-of-vit-b-32", "dimensions": DIMENSIONS, "imageSize": SIZE}
    manifest["files"]["vision"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(manifest))


def _attention(graph: _Graph, value: str) -> str:
    inner = graph.norm(value)
    size = WIDTH // HEADS

    def heads(order: list[int]) -> str:
        return graph.add("Transpose", graph.shaped(graph.linear(inner, WIDTH, WIDTH), 0, TOKENS, HEADS, size), perm=order)

    queries, keys, values = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
    scores = graph.add("Mul", graph.add("MatMul", queries, keys), graph.constant(np.array(size**-0.5, np.float32)))
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), values)
    joined = graph.shaped(graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), 0, TOKENS, WIDTH)
    return graph.add("Add", value, graph.linear(joined, WIDTH, WIDTH))


def _feed_forward(graph: _Graph, value: str) -> str:
    wide = graph.linear(graph.norm(value), WIDTH, 4 * WIDTH)
    # CLIP's quick GELU.
    gate = graph.add("Sigmoid", graph.add("Mul", wide, graph.constant(np.array(1.702, np.float32))))
    return graph.add("Add", value, graph.linear(graph.add("Mul", wide, gate), 4 * WIDTH, WIDTH))


if __name__ == "__main__":
    make_vit_model(Path(sys.argv[1]))

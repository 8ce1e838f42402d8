"""Makes a small model with CLIP's interface: its towers agree on colour and brightness. `small_model.py FOLDER`."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

# Rows: red, green and blue, from -1 to 1. Columns: how red, green, blue and bright it is.
COLOURS = np.array([[1, -0.5, -0.5, 0.3], [-0.5, 1, -0.5, 0.3], [-0.5, -0.5, 1, 0.3]], np.float32)
WORDS = {"red": [1, -0.5, -0.5, 0], "green": [-0.5, 1, -0.5, 0], "blue": [-0.5, -0.5, 1, 0], "bright": [0, 0, 0, 1], "dark": [0, 0, 0, -1]}
SIZE = 32


def make_small_model(folder: Path) -> None:
    """Writes the folder that `ClipModel` loads."""
    folder.mkdir(parents=True, exist_ok=True)
    dims = len(COLOURS[0])
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])
    images = helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", dims])
    vision = [
        helper.make_node("GlobalAveragePool", ["pixel_values"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "colours"], ["image_embeds"]),
    ]
    _save(folder / "vision.onnx", vision, [pixels], [images], {"colours": COLOURS})
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])
    texts = helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["batch", dims])
    table = np.array([[0] * dims, *WORDS.values()], np.float32)
    text = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "axes"], ["text_embeds"], keepdims=0),
    ]
    _save(folder / "text.onnx", text, [ids], [texts], {"table": table, "axes": np.array([1], np.int64)})
    tokenizer = Tokenizer(models.WordLevel({"?": 0, **{word: index + 1 for index, word in enumerate(WORDS)}}, unk_token="?"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    files = {"vision": "vision.onnx", "text": "text.onnx", "tokenizer": "tokenizer.json"}
    manifest = {
        **{"name": "colours", "version": "1", "dimensions": dims, "imageSize": SIZE, "contextLength": 8},
        **{"thresholds": {"text": 0.7, "picture": 0.9}},
        **{"mean": [0.5] * 3, "std": [0.5] * 3},
        "likeness": {"similarPercent": 75, "nearDuplicatePercent": 95},
        "files": {name: {"path": path, "sha256": hashlib.sha256((folder / path).read_bytes()).hexdigest()} for name, path in files.items()},
    }
    (folder / "model.json").write_text(json.dumps(manifest))


def _save(path: Path, nodes: list, inputs: list, outputs: list, weights: dict) -> None:
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    make_small_model(Path(sys.argv[1]))

"""Writes a checkpoint of a published shape with random weights, and the graph that torch's exporter makes of it.

Runs in an environment with torch and transformers; Naiad serves the checkpoint, bare ONNX Runtime runs the graph. Texts
are tokenised by MiniLM's tokenizer: its ids are inside every vocabulary here.

    python make_exported.py deberta-v3-small FOLDER TOKENIZER.json
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
import transformers

DEBERTA_V3_SMALL = {
    "vocab_size": 128100, "hidden_size": 768, "num_hidden_layers": 6, "num_attention_heads": 12,
    "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 0, "relative_attention": True,
    "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": True, "pos_att_type": ["p2c", "c2p"],
    "max_relative_positions": -1, "position_biased_input": False, "layer_norm_eps": 1e-7,
}  # fmt: skip
MODERNBERT_BASE = {
    "vocab_size": 50368, "hidden_size": 768, "num_hidden_layers": 22, "num_attention_heads": 12,
    "intermediate_size": 1152, "max_position_embeddings": 8192, "pad_token_id": 0, "bos_token_id": 101,
    "eos_token_id": 102, "cls_token_id": 101, "sep_token_id": 102,
}  # fmt: skip
VIT_SMALL = {
    "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "intermediate_size": 1536,
    "image_size": 224, "patch_size": 16, "num_labels": 1000,
}  # fmt: skip
SHAPES = {
    "deberta-v3-small": ("DebertaV2Config", "DebertaV2Model", DEBERTA_V3_SMALL),
    "modernbert-base": ("ModernBertConfig", "ModernBertModel", MODERNBERT_BASE),
    "vit-small": ("ViTConfig", "ViTForImageClassification", VIT_SMALL),
}
"""Sizes as the checkpoints' config.json on the Hub has them."""

PREPROCESSOR = {
    "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 224, "width": 224},
    "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tokenizer", type=Path)
    options = parser.parse_args()
    config, model, sizes = SHAPES[options.shape]
    torch.manual_seed(0)
    made = getattr(transformers, model)(getattr(transformers, config)(**sizes, attn_implementation="eager")).eval()
    checkpoint = options.folder / "checkpoint"
    made.save_pretrained(checkpoint)
    if options.shape.startswith("vit"):
        (checkpoint / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
        inputs, dynamic = {"pixel_values": torch.zeros(2, 3, 224, 224)}, {"pixel_values": {0: "batch"}}
    else:
        shutil.copy(options.tokenizer, checkpoint / "tokenizer.json")
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 256}
        (checkpoint / "tokenizer_config.json").write_text(json.dumps(settings))
        inputs = {name: torch.ones(2, 9, dtype=torch.int64) for name in ("input_ids", "attention_mask")}
        dynamic = {name: {0: "batch", 1: "tokens"} for name in inputs}
    output = "logits" if options.shape.startswith("vit") else "last_hidden_state"
    torch.onnx.export(
        made, (), str(options.folder / "graph.onnx"), kwargs=inputs, dynamic_shapes=dynamic, dynamo=True,
        output_names=[output], external_data=True, verbose=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()

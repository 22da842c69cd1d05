"""A class written for ClearML-Serving, after its Hugging Face example: a manifest says what it stands in front of.

.venv/bin/python examples/migrate/clearml_huggingface.py      # needs transformers, whose tokenizer the class uses
"""
# ruff: noqa: ARG002, D101, D102, INP001, T201 - a script as people have it; it prints

import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

MANIFEST = """
models:
  - {{source: {checkpoint}, name: sst2}}
endpoints:
  - endpoint: transformer_model
    version: 1
    model: sst2.tensors
    model_file: {checkpoint}
    preprocess: {here}
    input_name: [input_ids, token_type_ids, attention_mask]
    metrics: {{variable_scalar: ["tokens=0/64/8"]}}
"""


class Preprocess:
    def load(self, local_file_name: str) -> None:
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(local_file_name)

    def preprocess(self, body: dict, state: dict, collect_custom_statistics_fn=None) -> Any:
        tokens = self.tokenizer(body["text"], return_tensors="np", padding=True, truncation=True)
        if collect_custom_statistics_fn:
            collect_custom_statistics_fn({"tokens": tokens["input_ids"].size})
        return [tokens["input_ids"], tokens["token_type_ids"], tokens["attention_mask"]]

    def postprocess(self, data: Any, state: dict, collect_custom_statistics_fn=None) -> dict:
        return {"data": data.argmax(-1).tolist()}


def main() -> None:
    """Serve it, and ask as ClearML's clients do."""
    import naiad
    from naiad.testing import tiny_checkpoint  # stands in for philschmid/MiniLM-L6-H384-uncased-sst2

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = tiny_checkpoint(Path(folder) / "sst2", head="sequence-classification")
        manifest = Path(folder) / "naiad.yaml"
        manifest.write_text(MANIFEST.format(checkpoint=checkpoint, here=Path(__file__).resolve()))
        with naiad.Server(manifest=manifest, http_port=0) as server:
            body = json.dumps({"text": ["a good movie", "a bad movie, hello world"]}).encode()
            url = f"http://{server.http_address}/serve/transformer_model/1"
            print(json.load(urlopen(Request(url, body, {"Content-Type": "application/json"}))))


if __name__ == "__main__":
    main()

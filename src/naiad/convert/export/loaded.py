"""A model in transformers: loaded without guesses, and asked one input at a time. Runs in the child process only."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from naiad.convert.export.models import Exportable, exportable
from naiad.repository.checkpoint import Checkpoint

TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
LEAST_RUNS = 5
"""Measured, however long they take."""

HARMLESS = ("position_ids", "pooler.", "num_batches_tracked")
"""Parts of names of weights whose absence changes none of the outputs."""

DROPPED = ("distance_embedding",)
"""Parts of names of weights that transformers computed with once, and leaves out with only a report today."""


class Refused(Exception):
    """The model is not loaded or exported, for a reason that the user should read as it is."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in evaluation mode, float32."""

    model: Any
    row: Exportable
    config: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()

    @classmethod
    def load(cls, call: Mapping[str, Any], progress: Callable[[str], None]) -> Self:
        """Load a folder for a head. call: folder, head, pickles. Raises Refused."""
        import torch
        import transformers

        warnings.filterwarnings("ignore")
        messages: Any = transformers.logging
        messages.set_verbosity_error()
        torch.manual_seed(0)
        row = exportable(call["head"])
        checkpoint = Checkpoint(Path(call["folder"]))
        folder, config = checkpoint.body, read_config(checkpoint)
        progress(f"loading the model with transformers {transformers.__version__}")
        model = load_model(folder, config, row, pickles=bool(call.get("pickles")))
        if getattr(config, "is_encoder_decoder", False) and row.loader == "AutoModel" and hasattr(model, "get_encoder"):
            model = model.get_encoder()
        return cls(model.eval(), row, config, text_inputs(model, config) if row.kind == "text" else main_input(row))

    def facts(self) -> dict[str, Any]:
        """What the parent wants to know."""
        import torch
        import transformers

        return {
            "class": type(self.model).__name__,
            "inputs": list(self.inputs),
            "transformers": transformers.__version__,
            "torch": torch.__version__.partition("+")[0],
        }

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by name for tensors by name, batch axis and all."""
        import torch

        with torch.no_grad():
            given = self.model(**feeds)
        return pick_outputs(self.row, given)

    def answer(self, samples: str, into: str, progress: Callable[[str, int, int], None]) -> None:
        """Answer each sample of an .npz file (`NUMBER/NAME`), alone, into another. Raises Refused where it cannot."""
        with np.load(samples) as file:
            wanted = read_samples(file)
        answers: dict[str, Any] = {}
        for number, sample in enumerate(wanted):
            try:
                outputs = self.run(self.feeds(sample))
            except Exception as error:
                shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in sample.items())
                raise Refused(
                    f"transformers' own model fails on an input that it is checked with ({shapes}): "
                    f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                ) from error
            for name, tensor in outputs.items():
                array = tensor[0].float().numpy()
                rows = sample.get("rows")
                answers[f"{number}/{name}"] = array[rows] if rows is not None else array
            progress("asking transformers", number + 1, len(wanted))
        np.savez(into, **answers)

    def feeds(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """A sample as a batch of one."""
        import torch

        arrays = {name: sample[name] for name in sample if name in self.inputs}
        if "attention_mask" in self.inputs and "input_ids" in sample:
            arrays["attention_mask"] = np.ones_like(sample["input_ids"])
        if "token_type_ids" in self.inputs and "token_type_ids" not in arrays:
            arrays["token_type_ids"] = np.zeros_like(sample["input_ids"])
        return {name: torch.from_numpy(np.ascontiguousarray(array))[None] for name, array in arrays.items()}

    def time(self, feeds: str, warmup: int, measures: int, most_s: float) -> list[float]:
        """Seconds of each run on the batches of an .npz file, in turn; at most so many in all, after five."""
        import torch

        with np.load(feeds) as file:
            batches = [{name: torch.from_numpy(array) for name, array in one.items()} for one in read_samples(file)]
        taken: list[float] = []
        for number in range(warmup + measures):
            began_s = time.perf_counter()
            self.run({name: tensor for name, tensor in batches[number % len(batches)].items() if name in self.inputs})
            taken.append(time.perf_counter() - began_s)
            if len(taken) >= warmup + LEAST_RUNS and sum(taken) > most_s:
                break
        return taken[warmup:]


def pick_outputs(row: Exportable, given: Any) -> dict[str, Any]:
    """The outputs that a graph gets. A convolution's pooled vector loses its two axes of one, its map is left out."""
    outputs = {name: given[name] for name in row.outputs if name in given and given[name] is not None}
    if row.kind == "image" and "pooler_output" in outputs:
        outputs["pooler_output"] = outputs["pooler_output"].flatten(1)
        return {name: tensor for name, tensor in outputs.items() if tensor.dim() < 4}
    return outputs


def read_config(checkpoint: Checkpoint) -> Any:
    """config.json by transformers. Raises Refused for architectures that it does not have."""
    import transformers

    content = checkpoint.needed_config
    try:
        return transformers.AutoConfig.from_pretrained(checkpoint.body, trust_remote_code=False, local_files_only=True)
    except (ValueError, KeyError) as error:
        kind = content.get("model_type")
        if "auto_map" in content:
            raise Refused(
                f"the architecture {kind!r} is not in transformers {transformers.__version__}; the checkpoint brings "
                "Python code of its own (auto_map in config.json), which Naiad does not run. Export it yourself where "
                "you trust that code, and serve the ONNX file"
            ) from error
        raise Refused(f"transformers {transformers.__version__} does not know the architecture {kind!r}") from error


def load_model(folder: Path, config: Any, row: Exportable, *, pickles: bool) -> Any:
    """The model with every weight from the checkpoint. Raises Refused where one would have to be made up."""
    import torch
    import transformers

    loader = getattr(transformers, row.loader)
    names = config.architectures or [""]
    if row.loader == "AutoModel" and names[0].endswith("EncoderModel") and hasattr(transformers, names[0]):
        loader = getattr(transformers, names[0])
    arguments: dict[str, Any] = {"use_safetensors": None if pickles else True, "dtype": torch.float32}
    try:
        model, loading = loader.from_pretrained(
            folder,
            config=config,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            attn_implementation="eager",
            **arguments,
        )
    except (ValueError, OSError) as error:
        raise Refused(f"transformers cannot load it as {row.loader}: {' '.join(str(error).split())[:400]}") from error
    missing = [name for name in loading["missing_keys"] if not any(part in name for part in HARMLESS)]
    if missing or loading["mismatched_keys"]:
        wrong = sorted(map(str, missing or loading["mismatched_keys"]))
        raise Refused(
            f"the checkpoint lacks weights that {type(model).__name__} needs, or has them in another shape: "
            f"{', '.join(wrong[:4])}{' …' if len(wrong) > 4 else ''}; set another task"
        )
    if dropped := sorted(name for name in loading["unexpected_keys"] if any(part in name for part in DROPPED)):
        raise Refused(
            f"transformers {transformers.__version__} leaves out weights that the model was trained with: "
            f"{dropped[0]}; export it with transformers 4, and serve the ONNX file"
        )
    return model


def text_inputs(model: Any, config: Any) -> tuple[str, ...]:
    """Which of the usual inputs the model's forward takes; type ids only where there is more than one."""
    taken = inspect.signature(model.forward).parameters
    types = int(getattr(config, "type_vocab_size", 0) or 0)
    return tuple(name for name in TEXT_INPUTS if name in taken and (name != "token_type_ids" or types > 1))


def main_input(row: Exportable) -> tuple[str, ...]:
    """The one input of models of images and sound."""
    return ("pixel_values",) if row.kind == "image" else ("input_values",)


def read_samples(file: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arrays `NUMBER/NAME` of an .npz file, by number and name."""
    samples: list[dict[str, Any]] = []
    for key in file:
        number, _, name = key.partition("/")
        while len(samples) <= int(number):
            samples.append({})
        samples[int(number)][name] = file[key]
    return samples

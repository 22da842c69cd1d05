"""Prompts that a checkpoint puts before texts: which there are, and which one a request means.

As in sentence-transformers: a prompt given as text wins over a name, a name over the kind of the texts, and all of them
over the checkpoint's default. `query` takes the prompt of that name and `document` the first of `document`, `passage`
and `corpus`, without a prompt where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.core.json_values import shown
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.parameters import ParameterSpec, one_of, text
from naiad.tasks.tokenizing.tokenizer import Tokenizer

KINDS: dict[str, tuple[str, ...]] = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""Kind of texts → names under which its prompt is looked for."""


class Prompts:
    """The prompts of one checkpoint, from config_sentence_transformers.json."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Raises LoadFailed for prompts that are no strings, and for a default that there is not."""
        settings = checkpoint.sentence_settings
        prompts = settings.get("prompts") or {}
        if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
            raise LoadFailed(f"{checkpoint.folder}: `prompts` must map names to texts", folder=str(checkpoint.folder))
        self._texts: dict[str, str] = {name: text or "" for name, text in prompts.items()}
        default = settings.get("default_prompt_name")
        if default is not None and default not in tuple(self._texts):
            raise LoadFailed(
                f"{checkpoint.folder}: default_prompt_name is {shown(default)}, but the prompts are: "
                + (", ".join(self._texts) or "none"),
                folder=str(checkpoint.folder),
            )
        self._default: str = self._texts.get(str(default), "")

    def specs(self, *, kinds: bool = True) -> list[ParameterSpec]:
        """The parameters that choose a prompt. kinds: whether texts may be of one of KINDS."""
        specs = [text("prompt", None), one_of("prompt_name", None, tuple(self._texts))]
        return [*specs, one_of("input_type", None, tuple(KINDS))] if kinds else specs

    def chosen(self, parameters: Mapping[str, Any]) -> str:
        """The prompt that the parameters mean; empty for none."""
        if parameters["prompt"] is not None:
            return str(parameters["prompt"])
        if parameters["prompt_name"] is not None:
            return self._texts[parameters["prompt_name"]]
        if parameters.get("input_type") is not None:
            return self.of_kind(parameters["input_type"])
        return self._default

    def of_kind(self, kind: str) -> str:
        """The prompt for one of KINDS; empty for none."""
        return next((self._texts[name] for name in KINDS[kind] if name in self._texts), "")


def prompt_tokens(tokenizer: Tokenizer, prompt: str) -> int:
    """How many tokens a prompt takes up at the begin of a row: all that it has alone, but a special one at its end."""
    row = tokenizer.encode_with_offsets([prompt])[0]
    return len(row.ids) - bool(row.is_special[-1])

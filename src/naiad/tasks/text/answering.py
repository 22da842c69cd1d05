"""question-answering: the passage of each context that answers its question.

    inputs   question   BYTES [n] or [1]   one each, or one for all contexts
             context    BYTES [n] or [1]
    outputs  answer     BYTES [n]          the best answer's text
             score      FP32  [n]
             start      INT64 [n]          where it begins in the context, in characters
             end        INT64 [n]          where it ends
             answers    BYTES [n]          the top_k answers of each as a JSON array of {score, start, end, answer}

    parameters and options
        top_k                      how many answers to give; default 1
        max_answer_len             longest answer, in tokens; default 15
        max_seq_len                tokens of the longest window, with the question; the model's maximum, at most 384
        doc_stride                 tokens that a window shares with the previous one; default 128, at most half a window
        handle_impossible_answer   whether the answer may be "", if the model finds none; default false
        align_to_words             whether answers are extended to whole words; default true

Long contexts are read in overlapping windows, so nothing is ever cut. Answers equal those of the pipeline in
transformers before version 5. The arithmetic of one window is in `spans.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, TextTokens
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.parameters import Parameters, flag, whole_number
from naiad.tasks.parts import TaskParts
from naiad.tasks.response import respond
from naiad.tasks.strings import read_texts, text_array
from naiad.tasks.text.spans import best_spans, characters_of
from naiad.tasks.tokenizing.rows import Window
from naiad.tasks.tokenizing.tokenizer import Tokenizer

WANTED = ("logits",)

DEFAULT_WINDOW_TOKENS, DEFAULT_OVERLAP_TOKENS = 384, 128

MAX_WINDOWS = 10_000
"""Windows that one request may ask for: a large overlap makes many of a short text."""

_Answer = dict[str, Any]
"""score, start, end, answer."""


@dataclass(frozen=True, slots=True)
class _Asked:
    contexts: list[str]
    windows: list[list[Window]]
    """One list for each context."""
    parameters: Mapping[str, Any]


class AnsweringTask:
    """Questions and contexts to answers."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed for a head without two logits."""
        parts.width("logits")
        self.name = parts.name
        self.max_tokens = parts.tokenizer.max_tokens
        self.inputs: tuple[TensorConfig, ...] = (
            TensorConfig("question", "BYTES", (-1,)),
            TensorConfig("context", "BYTES", (-1,)),
        )
        self.outputs: tuple[TensorConfig, ...] = (
            TensorConfig("answer", "BYTES", (-1,)),
            TensorConfig("score", "FP32", (-1,)),
            TensorConfig("start", "INT64", (-1,)),
            TensorConfig("end", "INT64", (-1,)),
            TensorConfig("answers", "BYTES", (-1,)),
        )
        self._tokenizer = parts.tokenizer
        self._cls_id = parts.tokenizer.special_id("cls")
        specs = [
            whole_number("top_k", 1),
            whole_number("max_answer_len", 15),
            whole_number("max_seq_len", min(parts.tokenizer.max_tokens, DEFAULT_WINDOW_TOKENS)),
            whole_number("doc_stride", None, minimum=0),
            flag("handle_impossible_answer", False),
            flag("align_to_words", True),
        ]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise each question with each window of its context. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        questions, contexts = _matched(read_texts(request, "question"), read_texts(request, "context"))
        size, overlap = _window_size(parameters, self._tokenizer)
        windows: list[list[Window]] = []
        for index, (question, context) in enumerate(zip(questions, contexts, strict=True)):
            found = self._tokenizer.encode_windows(question, context, size, overlap)
            if not question or found[0].context.start == found[0].context.stop:
                raise InvalidRequest(f"question {index} or its context has no words", element=index)
            windows.append(found)
            if sum(map(len, windows)) > MAX_WINDOWS:
                raise InvalidRequest(f"the contexts make more than {MAX_WINDOWS} windows; send fewer, or less overlap")
        tokenized = [TextTokens(window.ids, WANTED, window.type_ids) for found in windows for window in found]
        return Preparation(tokenized, _Asked(contexts, windows, parameters))

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Find the best answers over the windows of each context."""
        asked: _Asked = preparation.state
        remaining = iter(results)
        answers = [
            self._answers(context, [(window, next(remaining)["logits"]) for window in windows], asked.parameters)
            for context, windows in zip(asked.contexts, asked.windows, strict=True)
        ]
        first = [found[0] for found in answers]
        documents = [json.dumps(found, ensure_ascii=False) for found in answers]
        tensors = (
            Tensor("answer", "BYTES", text_array(answer["answer"] for answer in first)),
            Tensor("score", "FP32", np.array([answer["score"] for answer in first], dtype=np.float32)),
            Tensor("start", "INT64", np.array([answer["start"] for answer in first], dtype=np.int64)),
            Tensor("end", "INT64", np.array([answer["end"] for answer in first], dtype=np.int64)),
            Tensor("answers", "BYTES", text_array(documents)),
        )
        return respond(request, preparation, tensors)

    def _answers(self, context: str, scored: list[tuple[Window, Any]], parameters: Mapping[str, Any]) -> list[_Answer]:
        """The best answers from the windows of one context; the same words found again add to their score."""
        top_k, aligns = parameters["top_k"], parameters["align_to_words"]
        # Growing to words can make two candidates one, so more are looked at than are wanted.
        candidates = 2 * top_k + 10 if aligns else top_k
        by_words: dict[str, _Answer] = {}
        least_empty_score = 1.0
        for window, logits in scored:
            spans, empty_score = best_spans(window, logits, self._cls_id, candidates, parameters["max_answer_len"])
            least_empty_score = min(least_empty_score, empty_score)
            for first, last, score in spans:
                start, end = characters_of(window, first, last, aligns)
                words = context[start:end]
                found = by_words.setdefault(words.lower(), {"score": 0.0, "start": start, "end": end, "answer": words})
                found["score"] += score
        answers = list(by_words.values())
        if parameters["handle_impossible_answer"]:
            answers.append({"score": least_empty_score, "start": 0, "end": 0, "answer": ""})
        return sorted(answers, key=lambda answer: -answer["score"])[:top_k]


def _matched(questions: list[str], contexts: list[str]) -> tuple[list[str], list[str]]:
    """One question for each context; a single one of either kind goes with all of the other."""
    count = max(len(questions), len(contexts))
    if {len(questions), len(contexts)} - {1, count}:
        raise InvalidRequest(
            f"'question' has {len(questions)} elements and 'context' {len(contexts)}: send as many of both, or one"
        )
    return questions * (count // len(questions)), contexts * (count // len(contexts))


def _window_size(parameters: Mapping[str, Any], tokenizer: Tokenizer) -> tuple[int, int]:
    """Tokens of a window and of the overlap."""
    size: int = parameters["max_seq_len"]
    if size > tokenizer.max_tokens:
        raise InvalidRequest(f"parameter 'max_seq_len' is {size}, the model takes {tokenizer.max_tokens} at most")
    overlap: int | None = parameters["doc_stride"]
    return size, min(size // 2, DEFAULT_OVERLAP_TOKENS) if overlap is None else overlap

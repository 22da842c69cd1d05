"""The function that turns a classifier's logits into scores, as its checkpoint says.

Two libraries write such checkpoints, and each has its rule. A CrossEncoder of sentence-transformers names a class of
torch: in config_sentence_transformers.json (version 5.4 and later), in config.json's `sentence_transformers` (4 and 5)
or in its `sbert_ce_default_activation_function` (2 and 3); one that names none has sigmoid for one label and gives the
logits of several as they are. Everything else follows transformers' pipeline: by `problem_type` first, then by how many
labels there are.
"""

from __future__ import annotations

from naiad.core.errors import InvalidConfiguration
from naiad.repository.checkpoint import Checkpoint

_FUNCTIONS = {
    f"torch.nn.{package}{name}": function
    for package in ("", "modules.activation.", "modules.linear.")
    for name, function in (("Identity", "none"), ("Sigmoid", "sigmoid"), ("Tanh", "tanh"), ("Softmax", "softmax"))
}
"""torch's class to our word."""


def default_function(checkpoint: Checkpoint, label_count: int, *, ranks: bool = False) -> str:
    """softmax, sigmoid, tanh or none. Raises InvalidConfiguration for an activation that is not known.

    ranks: the classifier is used as a cross-encoder, whoever saved it: without a word of its own, it has sigmoid.
    """
    named = named_activation(checkpoint)
    if named is not None:
        if named not in _FUNCTIONS:
            raise InvalidConfiguration(
                f"the checkpoint names the activation '{named}'; known of torch.nn are Identity, Sigmoid, Tanh and "
                "Softmax. Set the option function_to_apply",
                activation=named,
            )
        return _FUNCTIONS[named]
    if ranks:
        return "sigmoid"
    if checkpoint.kind == "CrossEncoder":
        return "sigmoid" if label_count == 1 else "none"
    problem = checkpoint.config.get("problem_type")
    if problem == "regression":
        return "none"
    return "sigmoid" if problem == "multi_label_classification" or label_count == 1 else "softmax"


def named_activation(checkpoint: Checkpoint) -> str | None:
    """The class that a CrossEncoder's checkpoint names, in the place that wins in sentence-transformers 6."""
    settings = checkpoint.config.get("sentence_transformers")
    places = (
        checkpoint.sentence_settings.get("activation_fn"),
        settings.get("activation_fn") if isinstance(settings, dict) else None,
        checkpoint.config.get("sbert_ce_default_activation_function"),
    )
    return next((str(place) for place in places if place), None)

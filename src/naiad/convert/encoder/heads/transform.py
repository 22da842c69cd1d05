"""What stands between states and logits of labels: dense, activation and norm, as a family's `Classifier` says."""

from __future__ import annotations

from naiad.convert.encoder.bodies.body import Body


def transform(body: Body, x: str) -> str:
    """The states (…, hidden) as the classifier's last product takes them; same shape."""
    hidden, classifier = body.sizes.hidden, body.classifier
    if not classifier.dense:
        return x
    dense = (body.weights.prefix if classifier.in_body else "") + classifier.dense
    x = body.exact_dense(x, dense, hidden, hidden, bias=classifier.bias)
    x = body.activation(x, classifier.activation or body.sizes.activation)
    return body.norm(x, classifier.norm, hidden) if classifier.norm else x

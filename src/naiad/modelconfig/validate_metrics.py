"""What `model_metrics` leaves out; called by `validate`. Whether buckets can be used is asked where they are."""

from __future__ import annotations

from naiad.modelconfig.refusing import refuse
from naiad.modelconfig.schema import Document


def validate_metrics(document: Document) -> None:
    """Check `model_metrics`. Raises InvalidConfiguration."""
    model = document["name"]
    for control in document.get("model_metrics", {}).get("metric_control", ()):
        if "metric_identifier" not in control:
            refuse(model, "metric control must specify 'metric_identifier'", f"in model_metrics of {model}")
        if not control["metric_identifier"]["family"]:
            refuse(model, "metric identifier must specify non-empty 'family'", f"in model_metrics of {model}")
        if "histogram_options" not in control:
            refuse(model, "metric control must specify 'histogram_options'", f"in model_metrics of {model}")
        if not control["histogram_options"]["buckets"]:
            refuse(model, "histogram options must specify non-empty 'buckets'", f"in model_metrics of {model}")

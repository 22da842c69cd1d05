"""Takes the schemas in this folder from packages that were made from the operators' own definitions (CRDs).

python take.py keda | prometheus-operator | kserve

Each wants an environment with its package and PyYAML: cloudcoil-models-keda, cloudcoil-models-prometheus-operator or
kserve. Only names, types and what must be there are taken, made strict: a key that is not in a schema is an error. What
is Kubernetes' own is referred to, and checked with its schemas of the version at hand.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KUBERNETES = "https://kubernetes.io/api/_definitions.json#/$defs/"
META = KUBERNETES + "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
NOT_TAKEN = ("title", "default", "description")
SCALARS = {"str": "string", "int": "integer", "bool": "boolean", "float": "number"}
ELSEWHERE = {
    "V1ObjectMeta": META,
    "ResourceQuantity": KUBERNETES + "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "K8sIoApiAppsV1DeploymentStrategy": KUBERNETES + "io.k8s.api.apps.v1.DeploymentStrategy",
}
"""Names of the Python clients for what is Kubernetes' own."""


def main() -> None:
    """Write the schemas of one operator."""
    {"keda": keda, "prometheus-operator": prometheus_operator, "kserve": kserve}[sys.argv[1]]()


def keda() -> None:
    module = import_module("cloudcoil.models.keda.v1alpha1")
    write("ScaledObject", "keda.sh/v1alpha1", of_pydantic(module.ScaledObject), "cloudcoil-models-keda")


def prometheus_operator() -> None:
    module = import_module("cloudcoil.models.prometheus_operator.v1")
    for kind in ("PodMonitor", "PrometheusRule"):
        schema = of_pydantic(getattr(module, kind))
        write(kind, "monitoring.coreos.com/v1", schema, "cloudcoil-models-prometheus-operator")


def kserve() -> None:
    for kind, name, group in (
        ("ClusterServingRuntime", "V1alpha1ClusterServingRuntime", "v1alpha1"),
        ("InferenceService", "V1beta1InferenceService", "v1beta1"),
    ):
        definitions: dict[str, Any] = {}
        _of_client(name, definitions)
        schema = {**definitions.pop(name), "$defs": definitions}
        write(kind, f"serving.kserve.io/{group}", schema, "kserve")


def write(kind: str, group: str, schema: dict[str, Any], package: str) -> None:
    """Write one schema, one definition a line."""
    properties = schema["properties"]
    properties |= {"apiVersion": {"const": group}, "kind": {"const": kind}, "metadata": {"$ref": META}}
    properties.pop("status", None)
    definitions = _reached(schema)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Taken by take.py from {package} {version(package)} (Apache-2.0).",
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": properties,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in head.items()]
    lines.append(
        ' "$defs": {\n'
        + ",\n".join(
            f"  {json.dumps(name)}: {json.dumps(value, sort_keys=True)}" for name, value in sorted(definitions.items())
        )
        + "\n }"
    )
    (HERE / f"{kind}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _reached(schema: dict[str, Any]) -> dict[str, Any]:
    """The definitions that are referred to from what is kept."""
    found: dict[str, Any] = {}
    waiting = [schema["properties"]]
    while waiting:
        for name in re.findall(r'"#/\$defs/([^"]+)"', json.dumps(waiting.pop())):
            if name not in found:
                found[name] = schema["$defs"][name]
                waiting.append(found[name])
    return found


def of_pydantic(model: Any) -> dict[str, Any]:
    """The schema of a pydantic model, by the names of the wire, without nulls, strict."""
    schema: dict[str, Any] = _strict(model.model_json_schema(by_alias=True))
    return schema


def _strict(value: Any) -> Any:
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "properties" in value:
        taken = {
            key: {name: _strict(each) for name, each in item.items()} if key == "properties" else _strict(item)
            for key, item in value.items()
            if key not in NOT_TAKEN
        }
        return {"additionalProperties": False, **taken}
    choices = [each for each in value.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1 and len(value["anyOf"]) == 2:
        return _strict(choices[0])
    return {key: _strict(item) for key, item in value.items() if key not in NOT_TAKEN}


def _of_client(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a reference to a type of the client, whose definition is added, with those that it needs."""
    if name in SCALARS:
        return {"type": SCALARS[name]}
    if name in ("object", "IntOrString"):
        return {}
    if listed := re.fullmatch(r"list\[(.+)\]", name):
        return {"type": "array", "items": _of_client(listed[1], definitions)}
    if mapped := re.fullmatch(r"dict\(str, (.+)\)", name):
        return {"type": "object", "additionalProperties": _of_client(mapped[1], definitions)}
    if name in ELSEWHERE:
        return {"$ref": ELSEWHERE[name]}
    cls = getattr(import_module("kserve"), name, None) or getattr(import_module("kserve.models"), name, None)
    if cls is None and re.match(r"V1[A-Z]", name):
        return {"$ref": f"{KUBERNETES}io.k8s.api.core.v1.{name[2:]}"}
    if cls is None:
        sys.stderr.write(f"{name} is not in the client: anything is taken for it\n")
        return {}
    if name not in definitions:
        definitions[name] = {}
        required = re.findall(r"Invalid value for `(\w+)`, must not be `None`", inspect.getsource(cls))
        definitions[name] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                cls.attribute_map[key]: _of_client(each, definitions) for key, each in cls.openapi_types.items()
            },
        } | ({"required": sorted({cls.attribute_map[key] for key in required})} if required else {})
    return {"$ref": f"#/$defs/{name}"}


if __name__ == "__main__":
    main()

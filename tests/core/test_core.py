"""Nouns: the datatype table, tensors, settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from naiad.core.datatypes import BY_CONFIG_NAME, BY_NAME, BY_NUMPY, TABLE
from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.settings.config import LogSettings, ModelSettings, RequestSettings, ServerSettings, options
from naiad.core.settings.doors import GrpcSettings, HttpSettings
from naiad.core.tensor import Tensor, bytes_tensor


def test_the_datatype_table_is_consistent() -> None:
    assert len(BY_NAME) == len(BY_CONFIG_NAME) == len(TABLE) == 14
    assert [row.config_number for row in TABLE] == list(range(1, 15))
    for row in TABLE:
        if row.name != "BYTES":
            assert row.size_bytes == row.numpy.itemsize
    assert BY_CONFIG_NAME["TYPE_STRING"].name == "BYTES"


def test_every_numpy_type_has_one_datatype() -> None:
    for dtype, row in BY_NUMPY.items():
        assert Tensor.of("x", np.zeros(2, dtype)).datatype == row.name
    assert BY_NUMPY[np.dtype(np.uint16)].name == "UINT16"


def test_arrays_without_a_datatype_are_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="tensor 'x': no datatype for numpy dtype complex128"):
        Tensor.of("x", np.zeros(1, complex))


def test_bytes_tensors() -> None:
    tensor = bytes_tensor("x", [b"a", b"b"], (2, 1))
    assert (tensor.datatype, tensor.shape, tensor.data.tolist()) == ("BYTES", (2, 1), [[b"a"], [b"b"]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"http_port": 70000}, "--http-port must be between 0 and 65535"),
        ({"http_port": 8002}, "--http-port, --grpc-port and --metrics-port must differ"),
        ({"load_threads": 0}, "--load-threads must be at least 1"),
        ({"drain_timeout_s": -1.0}, "--drain-timeout-s must not be negative"),
        ({"log_level": "loud"}, "--log-level must be one of debug, info, warning, error, not 'loud'"),
        ({"log_format": "xml"}, "--log-format must be one of auto, text, json"),
        ({"quantize": "int4"}, "--quantize must be one of none, int8"),
    ],
)
def test_bad_settings_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        ServerSettings.of(**values)


def test_ports_chosen_by_the_system_may_be_equal() -> None:
    assert ServerSettings.of(http_port=0, grpc_port=0, metrics_port=0).http.port == 0


def test_settings_are_composed_from_the_names_of_the_flags() -> None:
    settings = ServerSettings.of(
        http_port=1, grpc_port=2, load_threads=3, log_verbose=4, max_tensors=5, server_name="me"
    )
    assert (settings.http.port, settings.grpc.port, settings.models.load_threads) == (1, 2, 3)
    assert (settings.log.verbose, settings.requests.max_tensors, settings.server_name) == (4, 5, "me")
    assert settings == ServerSettings(
        server_name="me", requests=RequestSettings(max_tensors=5), http=HttpSettings(port=1), grpc=GrpcSettings(port=2),
        models=ModelSettings(load_threads=3), log=LogSettings(verbose=4),
    )  # fmt: skip
    with pytest.raises(TypeError, match="there is no option http_prot"):
        ServerSettings.of(http_prot=1)


def test_doors_know_their_addresses() -> None:
    shared = ServerSettings.of(host=("[::1]", "127.0.0.1", "::1"))
    assert shared.http.hosts == shared.grpc.hosts == shared.metrics.hosts == ("::1", "127.0.0.1")
    own = ServerSettings.of(http_host="127.0.0.2", grpc_host="127.0.0.3")
    assert (own.http.hosts, own.grpc.hosts, own.metrics.hosts) == (("127.0.0.2",), ("127.0.0.3",), ("127.0.0.2",))


def test_every_option_has_help_and_names_of_one_pattern() -> None:
    for option in options():
        assert option.help.endswith(".")
        assert option.flag == "--" + option.name.replace("_", "-")
        assert option.variable == "NAIAD_" + option.name.upper()
    names = [option.name for option in options()]
    assert len(set(names)) == len(names) > 80
    assert "http_port" in names

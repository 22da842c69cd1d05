"""The differences that stay: their line on docs/reference/differences.md, and the cases that show each.

The reasons are on the page.
"""

from __future__ import annotations

LISTED: dict[str, tuple[str, ...]] = {
    # Safety
    "Requests that crash Triton are answered: a shape of 2⁶² elements, classification of BYTES, classification of an empty tensor.": (),
    "A number that its datatype cannot hold is an error; Triton takes its lower bits.": (
        "json/value: UINT8 above", "json/value: UINT16 above", "json/value: UINT32 above", "json/value: INT8 above",
        "json/value: INT16 above", "json/value: INT32 above", "json/value: INT8 below", "json/value: INT16 below",
        "json/value: INT32 below", "generate/generate: too large a number", "generate/generate_stream: too large a number",
        "grpc/contents: INT8 too large", "grpc/contents: INT16 too large", "grpc/contents: UINT8 too large",
        "outputs/classification 2**32", "settings/log, log_verbose_level 2**63",
    ),
    "Bytes for an input without rows are an error; Triton takes them for a row.": (
        "several faults/no rows of the last, bytes", "several faults/no rows of one, bytes",
        "grpc/contents: no rows of the last, bytes",
    ),
    "A negative `timeout` is an error.": ("grpc/parameter timeout -1",),
    "A `trace_rate` or `log_frequency` below zero is an error.": (
        "settings/trace, trace_rate negative text", "settings/trace, log_frequency negative text",
        "grpc others/trace, rate negative",
    ),
    "A shape of too many elements is reported before any other error.": (
        "json/value: an overflowing shape", "json/value: a dimension of 2**63",
    ),
    "JSON that is nested more than 100 levels deep is refused before it is parsed.": ("json/syntax: too deep",),
    "A broken compressed body is an error; Triton continues with what it could decompress.": (
        "transport/deflate without a container", "transport/not compressed at all", "transport/not compressed at all, deflate",
        "transport/gzip cut", "transport/gzip without its end", "transport/gzip with a wrong sum",
    ),
    "A body whose length is given in two ways, or in an unknown one, is refused.": (
        "transport/connection: a length twice, equal", "transport/broken: a length and chunks",
        "transport/broken: an unknown transfer coding",
    ),
    "A request that a browser sends for a web page of another origin is answered with 403, unless `--http-allowed-origin` names that origin; the same if it calls the server by a name that is not the server's. Triton answers every page.": (
        "transport/connection: a foreign page", "transport/connection: a rebound name",
    ),
    "It is an error to send more raw contents than inputs.": (
        "grpc/contents: one too many", "grpc/shared memory and raw for both",
    ),
    "It is an error to name an output twice.": ("outputs/twice", "grpc/outputs: same output twice"),
    "If one log setting of a request is wrong, none is changed.": ("settings/log, right and wrong",),
    "A wrong body in an unload request over HTTP is an error.": (
        "repository/unload with bad JSON", "explicit/unload with bad JSON", "explicit/unload, parameters null",
        "explicit/unload, unload_dependents null", "explicit/unload, unload_dependents 1",
        "explicit/unload, unload_dependents text", "explicit/unload, unload_dependents list",
        "explicit/unload, unload_dependents object",
    ),
    "A file that is not base64 is refused; Triton writes what it could decode.": ("explicit/load, a file that is not base64",),
    "A region of shared memory must have a name; over HTTP, the name in the path is decoded.": (
        "grpc others/register without a name", "shared memory/an encoded name",
    ),
    "A version must be a whole number; over gRPC, Triton reads only the leading digits.": (
        "grpc/tensors: version '1.0'", "grpc/tensors: version '1x'", "grpc/tensors: version ' 1'", "grpc/tensors: version '+1'",
    ),
    # JSON
    "NaN and infinity are not JSON, whether received or sent.": (
        "json/syntax: NaN", "json/syntax: Infinity", "json/syntax: 'NaN'", "json/syntax: 'Inf'", "json/syntax: '-Infinity'",
        "json/value: FP32 too large", "binary/NaN in, JSON out", "binary/inf in, JSON out",
    ),
    "JSON is UTF-8, whether received or sent.": (
        "json/syntax: bytes that are not UTF-8", "json/syntax: '\"\\\\udc00\"'", "binary/bytes in, JSON out",
    ),
    "A NUL does not end the text.": ("json/syntax: a NUL behind", "json/syntax: a NUL", "binary/no header length"),
    "If a key appears twice, the last one counts; in Triton, the first.": (
        "json/syntax: a key twice", "json/syntax: inputs twice",
    ),
    "FP32 is written with as many digits as FP32 has: 0.1, not 0.10000000149011612.": ("json/FP32",),
    # HTTP
    "Every error is `application/json`; Triton calls some of them `text/plain`.": (),
    "Clients get an exception of a Python model without its traceback.": (),
    "405 has an `Allow` header, and statuses have their standard phrases.": (),
    "503 has a `Retry-After` header.": (),
    "`/generate` answers with a `Content-Length`, not in chunks.": (),
    "Names in a path are decoded; Triton takes `%20` for three characters.": (
        "routing/GET /v2/models/simple%2Finfer", "routing/an encoded letter", "routing/a space in a name",
        "routing/a quote in a name", "routing/unicode in a name", "routing/a slash in a name",
    ),
    "Content codings are case-insensitive, may have spaces where the RFC allows them, and may be empty.": (
        "transport/an empty encoding", "transport/GZIP in capitals", "transport/accept 'GZIP'",
        "transport/accept 'gzip ;q=0.5'",
    ),
    "Answers smaller than a kilobyte are not compressed.": ("transport/answer gzip, binary", "transport/accept gzip, little"),
    "Pipelined requests are all answered; Triton drops all but the first.": (
        "transport/connection: two at once",
    ),
    "The last answer before the connection closes says so, also over HTTP/1.0.": (
        "transport/connection: HTTP/1.0", "transport/connection: HTTP/1.0 with a body", "transport/connection: HTTP/1.0, an error",
        "transport/connection: HTTP/1.0 kept",
    ),
    "A request of HTTP/1.1 without a `Host` header, or with two, is answered with 400.": (
        "transport/connection: no Host", "transport/connection: two Hosts",
    ),
    "A request line that names HTTP/2.0 is answered with 505.": ("transport/broken: HTTP/2.0",),
    "Empty lines before a request and chunk extensions are skipped, and a chunked body may have a trailer, which is checked and ignored.": (
        "transport/connection: chunks with an extension", "transport/connection: chunks with a trailer",
        "transport/connection: empty lines first",
    ),
    "The answer to HEAD has no body.": ("transport/connection: HEAD", "transport/connection: HEAD of nothing"),
    "Anything but HTTP/1 is answered with 400 before the connection closes; Triton closes it silently, or waits.": (
        "transport/connection: bare newlines", "transport/broken: nonsense", "transport/broken: an unknown version",
        "transport/broken: an unknown method", "transport/broken: a header without a colon",
        "transport/broken: a length of letters", "transport/broken: a negative length", "transport/broken: a chunk of letters",
        "transport/broken: a space in the target",
    ),
    "A request without an HTTP version is answered as HTTP/1; Triton waits forever.": ("transport/broken: no version",),
    # Sentences
    "The error for an unknown datatype names it and lists the valid ones.": (
        "json/type of datatype: text", "json/type of datatype: empty text", "json/value: an unknown datatype",
        "json/value: a datatype in lower case", "json/value: TYPE_INT32", "json/value: STRING",
        "grpc/tensors: unknown datatype", "grpc/tensors: no datatype",
    ),
    "An empty list of missing inputs is written `[]`, not `]`.": ("json/value: one input too many", "grpc/tensors: three inputs"),
    "The error for a `trace_count` that is too small has a space before the number over HTTP, as over gRPC.": (
        "settings/trace, trace_count negative text",
    ),
    "The error for an unknown gRPC method names it.": (
        "grpc/transport: an unknown method", "grpc/transport: an unknown service", "grpc/transport: not a path",
        "grpc/transport: health watched", "grpc/transport: health listed",
    ),
    "If a request has several errors, the one reported first may be that its bytes do not fill a shape.": (
        "several faults/size, shape", "several faults/size, unknown", "several faults/size, datatype",
        "several faults/size, batch",
    ),
    "Zero bytes of shared memory are too few for a tensor, but not an invalid range.": (
        "shared memory/an input of no bytes", "shared memory/no input size", "shared memory/an output without a size",
    ),
    # Newer
    "Version `-1` means the highest ready one.": (
        "grpc/tensors: version '-1'", "grpc others/ModelReady of version '-1'", "grpc others/ModelMetadata of version '-1'",
        "grpc others/ModelConfig of version '-1'",
    ),
    "Over gRPC, a negative dimension is reported as invalid.": (
        "grpc/tensors: dimension -1", "grpc/tensors: a negative batch",
    ),
    "`Inference-Header-Content-Length` must be a 32-bit whole number.": (
        "binary/header length ''", "binary/header length 'x'", "binary/header length '1x'", "binary/header length '+13'",
        "binary/header length '1.5'", "binary/header length '1e1'", "binary/header length '0x0d'",
        "binary/header length '99999999999'", "binary/header length '2147483648'", "binary/header length '-2147483649'",
        "binary/header length '999999999999999999999999'",
    ),
    "`ready` in an index request must be true or false.": (
        "repository/index ready null", "repository/index ready 1", "repository/index ready text", "repository/index ready list",
        "repository/index ready object", "explicit/index ready null", "explicit/index ready 1", "explicit/index ready text",
        "explicit/index ready list", "explicit/index ready object",
    ),
    "With `triton_grpc_error`, the first error of any kind ends the stream.": (
        "grpc streams/error mode, an error", "grpc streams/error mode, an unknown model", "grpc streams/error mode, no data",
    ),
    "Shared memory of Triton's Python backend cannot be registered as a region.": ("shared memory/a reserved key",),
    "A region of shared memory may begin at any byte; a region of zero bytes is an invalid argument.": (
        "shared memory/two regions", "shared memory/an offset within a page", "shared memory/size 0",
        "grpc others/register no bytes", "grpc others/register at 2**64-1",
    ),
    "A request must have every input that is not optional.": ("python/optional_inputs: b", "python/optional_inputs: bc"),
    "A Python model gets the errors of models that it asks as every client does, with their codes.": (
        "python/bls_sync: nobody", "python/bls_sync: square", "python/bls_decoupled_sync: -1",
        "python/bls_decoupled_async: -1", "python/bls_errors: all",
    ),
    "An error of a Python model with the code UNKNOWN has status 500.": ("python/error_codes: 0",),
    "A key of shared memory that is only a slash is an invalid argument.": (
        "shared memory/a key of a slash", "shared memory/a key of slashes", "grpc others/register a slash",
    ),
}  # fmt: skip

ELSEWHERE = (
    "An ensemble with a step that writes to one of its inputs is refused.",
    "A request that would run more than 4,096 models, through ensembles of ensembles, is refused at load.",
    "An ensemble gives each of its outputs alone.",
    "An ensemble needs no version folder.",
    "An ensemble that cannot serve is in the index with the reason, and keeps the server from being ready.",
    "If an ensemble is loaded again in a form that does not suit its parts, the old form goes on serving.",
    "If the error of an ensemble's step does not name the model, the number of the step and the model stand behind it.",
    "The answers of a stream leave an ensemble in the order in which the model gave them, and branches are joined answer by answer.",
    "The sequence parameters of an ensemble's answer are there once.",
    "A model name that is empty or leaves the repository is INVALID_ARGUMENT.",
    "If one version of a new model cannot be loaded, `naiad serve` serves the others.",
    "Files that can run code are not accepted over the network without `--allow-code-upload`.",
    "The index of ready models lists only ready ones.",
    "With `naiad serve`, clients cannot change log and trace settings unless `--allow-setting-changes` is given; `naiad triton` lets them, as Triton does, unless it is given `--allow-setting-changes=false`.",
    "The index also lists models that lie in no repository, or no longer do.",
    "A model that failed and was then unloaded, or is gone, does not keep the server from being ready.",
    "If two repositories have a model of the same name at start, the server is not ready.",
    "Metrics, like statistics, start at zero when a model is loaded again.",
    "A number in a trace setting must be a number as a whole.",
    "`generate` fails with 500 unless there is exactly one answer.",
    "A model's error has the same status over `generate` as over `infer`.",
    "`priority`, `timeout` and the sequence parameters also work over `generate`.",
    "A range of shared memory that exceeds 2^64 is reported as an overflow.",
    "With `counter_latencies=false`, requests are counted all the same; Triton's counters of requests stay at 0.",
    "An unknown setting of `--metrics-config`, or one with a wrong value, is an error.",
    "A summary's quantiles are within 0.2 % of their value, whatever error is asked for.",
    "A model that is being loaded for the first time is unavailable: 503 or UNAVAILABLE.",
    "`naiad serve` is not ready without any model, except in explicit mode; `naiad triton` is, as Triton.",
    "A server that stops is still live, but not ready.",
    "A model that is loaded while others run starts level with them in the rate limiter's line.",
    "Requests for a model with `max_batch_size` and without `dynamic_batching` are joined if they wait anyway; `naiad triton` does so only with `--join-waiting`.",
    "A model without a queue delay and preferred sizes waits for requests that are expected soon, if that answers all of them sooner; `naiad triton` does so only with `--adaptive-batching`.",
    "A configuration with more instances or threads than [the machine allows](limits.md#what-a-model-may-ask-for) is refused.",
    "Of a cached answer, a request gets the outputs that it lists, because these are part of what makes two requests equal.",
    "Inputs of the same bytes in other shapes make other requests.",
    "The request's parameters and the loaded copy of the model are also part of what makes requests equal.",
    "Requests whose hashes collide cannot be made.",
    "Steps of sequences (`oldest`) that become ready when a run ends are in the next run.",
    "A sequence is idle from its last answer on, and while a step waits or runs it is not.",
    "A sequence id must have the type of the model's `CORRID` control, and fit it.",
    "A sequence of an id never runs beside an earlier one of the same id, but after it.",
    "When an instance fails, the sequences of its batch end: their steps that wait are answered with an error that names the sequence.",
    "Without `initial_state`, a sequence's first state is zeros.",
    "Requests with sequence parameters are not cached.",
    "An unknown setting in `--cache-config` is an error.",
    "A configuration that names an input or an output twice, or ragged inputs without batches, is refused.",
    "A tensor without dimensions can also be declared without batches: `dims: [ 1 ]` and an empty `reshape`.",
    "An output of a Python model whose datatype or shape is not the declared one is an error.",
    "A Python model does not get environment variables that look like secrets.",
    "A Python model with one instance gets an error if it sends a request to itself.",
    "Coroutines of one Python model run at the same time, whether or not it is decoupled.",
)
"""Lines of the page that other tests keep: tests/wire/**/test_real_triton*.py, test_starting.py, tests/cli/test_stopping.py,
tests/loading/test_tensor_models.py, tests/loading/test_wrong_configurations.py, tests/serving/caching/,
tests/scheduling/sequences/, tests/scheduling/rate_limiter/test_limiter.py, tests/backends/python/,
tests/wire/test_python_models.py."""

RULES = {
    "json errors": "Every error is `application/json`; Triton calls some of them `text/plain`.",
    "405": "405 has an `Allow` header, and statuses have their standard phrases.",
    "503": "503 has a `Retry-After` header.",
    "traceback": "Clients get an exception of a Python model without its traceback.",
    "generate": "`/generate` answers with a `Content-Length`, not in chunks.",
}
"""Differences that are in so many answers that they are taken out before comparing; name → line of the page."""

OURS_ONLY = "Requests that crash Triton are answered: a shape of 2⁶² elements, classification of BYTES, classification of an empty tensor."


def line_of(case: str) -> str | None:
    """The line that speaks of a case."""
    for line, names in LISTED.items():
        if case in names:
            return line
    return None

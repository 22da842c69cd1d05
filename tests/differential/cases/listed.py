"""The differences that stay: their line on docs/reference/differences.md, and the cases that show each.

The reasons are on the page.
"""

from __future__ import annotations

LISTED: dict[str, tuple[str, ...]] = {
    # Safety
    "Requests that end Triton's process are answered: a shape of 2⁶² elements, classes of BYTES, classes of nothing.": (),
    "A number that its datatype cannot hold is an error; Triton takes its lower bits.": (
        "json/value: UINT8 above", "json/value: UINT16 above", "json/value: UINT32 above", "json/value: INT8 above",
        "json/value: INT16 above", "json/value: INT32 above", "json/value: INT8 below", "json/value: INT16 below",
        "json/value: INT32 below", "generate/generate: too large a number", "generate/generate_stream: too large a number",
        "grpc/contents: INT8 too large", "grpc/contents: INT16 too large", "grpc/contents: UINT8 too large",
        "outputs/classification 2**32", "settings/log, log_verbose_level 2**63",
    ),
    "A negative `timeout` is an error.": ("grpc/parameter timeout -1",),
    "A `trace_rate` or `log_frequency` below zero is an error.": (
        "settings/trace, trace_rate negative text", "settings/trace, log_frequency negative text",
        "grpc others/trace, rate negative",
    ),
    "A shape of more elements than can be is named as such before anything else is looked at.": (
        "json/value: an overflowing shape", "json/value: a dimension of 2**63",
    ),
    "JSON that is nested deeper than 100 levels is refused before it is looked at.": ("json/syntax: too deep",),
    "A compressed body that is broken is an error; Triton goes on with what it could decompress.": (
        "transport/deflate without a container", "transport/not compressed at all", "transport/not compressed at all, deflate",
        "transport/gzip cut", "transport/gzip without its end", "transport/gzip with a wrong sum",
    ),
    "A body whose end is said in two ways, or in an unknown one, is refused.": (
        "transport/connection: a length twice, equal", "transport/broken: a length and chunks",
        "transport/broken: an unknown transfer coding",
    ),
    "More raw contents than inputs are an error.": (
        "grpc/contents: one too many", "grpc/shared memory and raw for both",
    ),
    "An output that is named twice is an error.": ("outputs/twice", "grpc/outputs: same output twice"),
    "Log settings of which one is wrong change nothing.": ("settings/log, right and wrong",),
    "A wrong body of an unload over HTTP is an error.": (
        "repository/unload with bad JSON", "explicit/unload with bad JSON", "explicit/unload, parameters null",
        "explicit/unload, unload_dependents null", "explicit/unload, unload_dependents 1",
        "explicit/unload, unload_dependents text", "explicit/unload, unload_dependents list",
        "explicit/unload, unload_dependents object",
    ),
    "A file that is not base64 is refused; Triton writes what it could decode.": ("explicit/load, a file that is not base64",),
    "A region of shared memory must have a name, which over HTTP is decoded from its path.": (
        "grpc others/register without a name", "shared memory/an encoded name",
    ),
    "A version is a whole number and nothing else; Triton over gRPC reads as far as there are digits.": (
        "grpc/tensors: version '1.0'", "grpc/tensors: version '1x'", "grpc/tensors: version ' 1'", "grpc/tensors: version '+1'",
    ),
    # JSON
    "NaN and infinity are no JSON, neither received nor sent.": (
        "json/syntax: NaN", "json/syntax: Infinity", "json/syntax: 'NaN'", "json/syntax: 'Inf'", "json/syntax: '-Infinity'",
        "json/value: FP32 too large", "binary/NaN in, JSON out", "binary/inf in, JSON out",
    ),
    "JSON is UTF-8, received and sent.": (
        "json/syntax: bytes that are not UTF-8", "json/syntax: '\"\\\\udc00\"'", "binary/bytes in, JSON out",
    ),
    "A NUL does not end the text.": ("json/syntax: a NUL behind", "json/syntax: a NUL", "binary/no header length"),
    "Of a key that stands twice the last one counts; in Triton the first.": (
        "json/syntax: a key twice", "json/syntax: inputs twice",
    ),
    "FP32 is written with the digits that FP32 has: 0.1, not 0.10000000149011612.": ("json/FP32",),
    # HTTP
    "Every error is `application/json`; Triton calls some of them `text/plain`.": (),
    "405 has an `Allow` header, and statuses have their standard phrases.": (),
    "`/generate` answers with a `Content-Length`, not in chunks.": (),
    "Names in a path are decoded; Triton takes `%20` for three letters.": (
        "routing/GET /v2/models/simple%2Finfer", "routing/an encoded letter", "routing/a space in a name",
        "routing/a quote in a name", "routing/unicode in a name", "routing/a slash in a name",
    ),
    "Content codings are read in any case, and with spaces where they may be; an empty one is none.": (
        "transport/an empty encoding", "transport/GZIP in capitals", "transport/accept 'GZIP'",
        "transport/accept 'gzip ;q=0.5'",
    ),
    "Answers of less than a kilobyte are not compressed.": ("transport/answer gzip, binary", "transport/accept gzip, little"),
    "Requests that are sent without waiting for answers are all answered; Triton drops all but the first.": (
        "transport/connection: two at once",
    ),
    "An answer after which the connection closes says so, over HTTP/1.0 too.": (
        "transport/connection: HTTP/1.0", "transport/connection: HTTP/1.0 with a body", "transport/connection: HTTP/1.0, an error",
        "transport/connection: HTTP/1.0 kept",
    ),
    "Empty lines before a request and chunk extensions are read over, and a chunked body may have a trailer.": (
        "transport/connection: chunks with an extension", "transport/connection: chunks with a trailer",
        "transport/connection: empty lines first",
    ),
    "The answer to HEAD has no body.": ("transport/connection: HEAD", "transport/connection: HEAD of nothing"),
    "What is no HTTP/1 is answered with 400 before the connection closes; Triton closes without a word, or waits.": (
        "transport/connection: bare newlines", "transport/broken: nonsense", "transport/broken: an unknown version",
        "transport/broken: an unknown method", "transport/broken: a header without a colon",
        "transport/broken: a length of letters", "transport/broken: a negative length", "transport/broken: a chunk of letters",
        "transport/broken: a space in the target",
    ),
    "A request without a version is answered as HTTP/1; Triton waits for ever.": ("transport/broken: no version",),
    # Sentences
    "An unknown datatype is named, with those that there are.": (
        "json/type of datatype: text", "json/type of datatype: empty text", "json/value: an unknown datatype",
        "json/value: a datatype in lower case", "json/value: TYPE_INT32", "json/value: STRING",
        "grpc/tensors: unknown datatype", "grpc/tensors: no datatype",
    ),
    "That no input is missing is written `[]`, not `]`.": ("json/value: one input too many", "grpc/tensors: three inputs"),
    "A `trace_count` that is too small is said over HTTP as over gRPC, with a space before it.": (
        "settings/trace, trace_count negative text",
    ),
    "An unknown gRPC method is named.": (
        "grpc/transport: an unknown method", "grpc/transport: an unknown service", "grpc/transport: not a path",
        "grpc/transport: health watched", "grpc/transport: health listed",
    ),
    "That bytes do not fill a shape may be said before another fault of the same request.": (
        "several faults/size, shape", "several faults/size, unknown", "several faults/size, datatype",
        "several faults/size, batch", "several faults/both sizes",
    ),
    "No bytes of shared memory are too few for a tensor, but no wrong range.": (
        "shared memory/an input of no bytes", "shared memory/no input size", "shared memory/an output without a size",
    ),
    # Newer
    "`ready` of a model or version that there is not is NOT_FOUND or 404.": (
        "reading/unknown version/ready", "reading/unknown model/ready", "reading/unknown model and version/ready",
        "reading/a model called stats", "explicit/a model that is not loaded", "explicit/load a broken model",
        "grpc others/ModelReady nope", "grpc others/ModelReady ", "grpc others/ModelReady of version '9'",
        "grpc others/ModelReady of version '0'",
    ),
    "Version `-1` means the highest that is ready.": (
        "grpc/tensors: version '-1'", "grpc others/ModelReady of version '-1'", "grpc others/ModelMetadata of version '-1'",
        "grpc others/ModelConfig of version '-1'",
    ),
    "A negative dimension is called an invalid one.": (
        "json/type of dimension: negative", "json/value: a negative dimension", "json/value: dimension -1",
        "grpc/tensors: dimension -1", "grpc/tensors: a negative batch",
    ),
    "`Inference-Header-Content-Length` must be a whole number of 32 bits.": (
        "binary/header length ''", "binary/header length 'x'", "binary/header length '1x'", "binary/header length '+13'",
        "binary/header length '1.5'", "binary/header length '1e1'", "binary/header length '0x0d'",
        "binary/header length '99999999999'", "binary/header length '2147483648'", "binary/header length '-2147483649'",
        "binary/header length '999999999999999999999999'",
    ),
    "`ready` of the index must be true or false.": (
        "repository/index ready null", "repository/index ready 1", "repository/index ready text", "repository/index ready list",
        "repository/index ready object", "explicit/index ready null", "explicit/index ready 1", "explicit/index ready text",
        "explicit/index ready list", "explicit/index ready object",
    ),
    "Loading without a configuration reads the one on disk again.": ("explicit/load, another config",),
    "With `triton_grpc_error` the first error of any kind ends the stream.": (
        "grpc streams/error mode, an error", "grpc streams/error mode, an unknown model", "grpc streams/error mode, no data",
    ),
    "The objects of Triton's Python backend cannot be registered as shared memory.": ("shared memory/a reserved key",),
    "A region of shared memory may begin at any byte; one of no bytes has wrong arguments.": (
        "shared memory/two regions", "shared memory/an offset within a page", "shared memory/size 0",
        "grpc others/register no bytes", "grpc others/register at 2**64-1",
    ),
    "CUDA regions are refused, whatever is said of them: there is no GPU.": (
        "shared memory/CUDA register", "shared memory/CUDA register, no body", "grpc others/CudaSharedMemoryRegister",
    ),
    # Not yet
    "The extension `sequence` is not announced.": ("reading/server", "grpc others/ServerMetadata"),
}  # fmt: skip

ELSEWHERE = (
    "A model name that is empty or leads elsewhere is INVALID_ARGUMENT.",
    "Of a new model, the versions that can be loaded serve although another cannot.",
    "Files that can run code are not taken over the network unless `--allow-code-upload` says so.",
    "The index of ready models lists none that is not.",
    "Metrics begin anew when a model is loaded again, as its statistics do.",
    "A number in a trace setting is all of its text.",
    "`generate` with another number of answers than one is 500.",
    "An error of the model has the same status over `generate` as over `infer`.",
    "`priority`, `timeout` and the parameters of sequences take effect over `generate`, too.",
    "A range of shared memory that passes 2^64 is called an overflow.",
)
"""Lines of the page that other tests keep: tests/wire/**/test_real_triton*.py."""

RULES = {
    "json errors": "Every error is `application/json`; Triton calls some of them `text/plain`.",
    "405": "405 has an `Allow` header, and statuses have their standard phrases.",
    "generate": "`/generate` answers with a `Content-Length`, not in chunks.",
}
"""Differences that are in so many answers that they are taken out before comparing; name → line of the page."""

OURS_ONLY = (
    "Requests that end Triton's process are answered: a shape of 2⁶² elements, classes of BYTES, classes of nothing."
)


def line_of(case: str) -> str | None:
    """The line that speaks of a case."""
    for line, names in LISTED.items():
        if case in names:
            return line
    return None

"""Open an encoder: sessions on one copy of its weights, the form of its graph, and as many instances as are wanted."""

from __future__ import annotations

from typing import Any

from naiad.backends.onnxruntime.encoders.encoder import Encoder, Form
from naiad.backends.onnxruntime.encoders.float_session import FloatSession
from naiad.backends.onnxruntime.encoders.images import ImageForm
from naiad.backends.onnxruntime.encoders.packed import PackedForm
from naiad.backends.onnxruntime.encoders.padded import PaddedForm
from naiad.backends.onnxruntime.encoders.pair import PairEncoder
from naiad.backends.onnxruntime.encoders.samples import ImageSamples, TextSamples
from naiad.backends.onnxruntime.prepared.sharing import inspect_shared, notes_beside, open_shared
from naiad.backends.onnxruntime.session import open_session
from naiad.backends.onnxruntime.signature import read_ports
from naiad.core.contracts import Instance, Instances, LoadRequest
from naiad.core.encoding.encoder import EncoderItem, EncoderResult
from naiad.core.encoding.files import EncoderFiles, EncoderPair
from naiad.core.encoding.ports import Ports
from naiad.core.machine.cores import available_cores


def load_encoder(model: EncoderFiles | EncoderPair, request: LoadRequest) -> Instances[EncoderItem]:
    """Load the instances of an encoder. Raises LoadFailed.

    The narrow ones share a session, and the wide one has one of its own on the same weights (see `prepared/`), so that
    it costs little memory; a single core has no use for it.
    """
    threads = _threads(request)
    if isinstance(model, EncoderPair):
        samples, notes = None, None  # of two kinds of items, whose times say nothing of each other
        pairs = zip(_open(model.texts, request, threads), _open(model.images, request, threads), strict=True)
        instances: list[Instance[EncoderItem, EncoderResult]] = [PairEncoder(*pair) for pair in pairs]
    else:
        instances = _open(model, request, threads)
        samples = ImageSamples(model.spec) if model.spec.layout == "images" else TextSamples(model.spec)
        notes = notes_beside(model)
    wide = instances.pop() if len(threads) > 1 else None
    return Instances(tuple(instances), wide, names=request.names, samples=samples, notes=notes)


def inspect_encoder(files: EncoderFiles, request: LoadRequest) -> Ports:
    """Give what the graph takes and gives, and try it first where it is to be prepared. Raises LoadFailed."""
    if files.prepared_in is None:
        return read_ports(open_session(files.graph))
    return inspect_shared(files, threads=_threads(request))


def make_form(files: EncoderFiles, session: Any) -> Form[Any]:
    """Say what a graph takes and gives, by its layout. Raises LoadFailed where it is none of that layout."""
    ports = read_ports(session)
    if files.spec.layout == "packed":
        return PackedForm(files.spec, ports.inputs)
    return ImageForm(files, ports) if files.spec.layout == "images" else PaddedForm(files, ports)


def _open(files: EncoderFiles, request: LoadRequest, threads: tuple[int, ...]) -> list[Any]:
    """The narrow instances, and behind them the wide one where there is one."""
    if files.prepared_in is None:
        sessions = [open_session(files.graph, threads=count) for count in threads]
    else:
        sessions = open_shared(files, threads=threads)
    shares = [sessions[0]] * len(request.names) + sessions[1:]
    return [Encoder(FloatSession(session), make_form(files, session)) for session in shares]


def _threads(request: LoadRequest) -> tuple[int, ...]:
    """Threads of the narrow session, and of the wide one if it would have more."""
    narrow, wide = request.threads or available_cores(), request.wide_threads or available_cores()
    return (narrow, wide) if wide > narrow else (narrow,)

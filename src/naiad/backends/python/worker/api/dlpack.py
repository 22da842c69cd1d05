"""Tensors to and from other libraries by DLPack, without a copy where numpy can do without.

numpy has no bfloat16. Going out, such a tensor is a capsule of numpy's whose type is set right; coming in, it is read
by its address and copied. Layout: dlpack.h, `DLManagedTensor`.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from .errors import TritonModelException

_CPU = 1
_BFLOAT = 4
_NAME, _USED = b"dltensor", b"used_dltensor"


class _Device(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int32), ("number", ctypes.c_int32))


class _Type(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("ndim", ctypes.c_int32),
        ("dtype", _Type),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))


def to_capsule(data: Any, datatype: str) -> Any:
    """Return an array as a DLPack capsule. Raises TritonModelException for strings."""
    if datatype == "BYTES":
        raise TritonModelException("DLPack does not have support for string tensors.")
    capsule = data.__dlpack__()
    if datatype == "BF16":
        _managed(capsule).contents.tensor.dtype.code = _BFLOAT
    return capsule


def from_dlpack(source: Any) -> tuple[str, Any]:
    """Return datatype (empty: that of the array) and array of a capsule, or of anything that has `__dlpack__`.

    Raises TritonModelException for what does not lie in the CPU's memory or has a type that models cannot have.
    """
    if isinstance(source, np.ndarray):  # which exports itself only where it can be written to
        return "", source
    if hasattr(source, "__dlpack__"):
        if source.__dlpack_device__()[0] != _CPU:
            raise TritonModelException("from_dlpack: the tensor is not in the memory of the CPU; copy it there first")
        capsule = source.__dlpack__()
    elif type(source).__name__ == "PyCapsule":
        capsule = source
    else:
        raise TritonModelException(f"from_dlpack: {type(source).__name__} is no DLPack capsule and has no __dlpack__")
    managed = _managed(capsule).contents
    if managed.tensor.device.kind != _CPU:
        raise TritonModelException("from_dlpack: the tensor is not in the memory of the CPU; copy it there first")
    if managed.tensor.dtype.code == _BFLOAT and managed.tensor.dtype.bits == 16:
        return "BF16", _copied(capsule, managed)
    try:
        data = np.from_dlpack(_Capsule(capsule))
    except (RuntimeError, BufferError, TypeError, ValueError) as error:
        raise TritonModelException(f"from_dlpack: {error}") from error
    return "", data


class _Capsule:
    """A bare capsule as numpy wants it."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU, 0


def _managed(capsule: Any) -> Any:
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    try:
        address = pointer(capsule, _NAME)
    except ValueError as error:
        raise TritonModelException("from_dlpack: the capsule has been used before, or is none of DLPack's") from error
    return ctypes.cast(address, ctypes.POINTER(_Managed))


def _copied(capsule: Any, managed: Any) -> Any:
    tensor = managed.tensor
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    strides = tuple(2 * tensor.strides[axis] for axis in range(tensor.ndim)) if tensor.strides else None
    data = np.empty(shape, np.uint16)
    if data.size:
        extent = 2 + sum((dim - 1) * stride for dim, stride in zip(shape, strides or data.strides))
        memory = (ctypes.c_uint8 * extent).from_address(tensor.data + tensor.byte_offset)
        data[...] = np.ndarray(shape, np.uint16, memory, 0, strides)
    rename = ctypes.pythonapi.PyCapsule_SetName
    rename.argtypes = (ctypes.py_object, ctypes.c_char_p)
    rename(capsule, _USED)
    if managed.deleter:
        managed.deleter(ctypes.byref(managed))
    return data

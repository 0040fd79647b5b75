"""Eight numbers at once: a vector type for compiled functions, as numba does not vectorize across a short loop.

A row of an array with eight columns is loaded, computed with, and stored as one value. On processors with narrower
vectors the compiler divides the operations. This module imports numba; compiled functions name its operations
through `potentials.compiled.FromNumba`, which imports it when a function is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.extending import intrinsic, models, register_model

WIDTH = 8
"""Numbers of a vector."""

_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
_INTEGERS = ir.VectorType(ir.IntType(64), WIDTH)
_HALF = 0x3FF  # the bias of the exponent of a double


class Lanes(types.Type):
    """The type of eight numbers."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


LANES = Lanes()


@register_model(Lanes)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _pointer(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Return the address of a row; rows follow one another."""
    array = context.make_array(signature.args[0])(context, builder, values[0])
    row = values[1]
    if signature.args[1].bitwidth < 64:
        extend = builder.sext if signature.args[1].signed else builder.zext
        row = extend(row, ir.IntType(64))
    place = builder.mul(row, ir.Constant(ir.IntType(64), WIDTH))
    return builder.bitcast(builder.gep(array.data, [place]), _VECTOR.as_pointer())


@intrinsic
def load(typing: Any, array: Any, row: Any) -> Any:
    """Return a row of a contiguous (rows, 8) array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_pointer(context, builder, signature, values), align=8)

    return LANES(array, row), generate


@intrinsic
def store(typing: Any, array: Any, row: Any, lanes: Any) -> Any:
    """Write a row of a contiguous (rows, 8) array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], _pointer(context, builder, signature, values), align=8)
        return context.get_dummy_value()

    return types.void(array, row, lanes), generate


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """Return eight times the same number."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first = ir.Constant(ir.IntType(32), 0)
        one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), values[0], first)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), mask)

    return LANES(types.float64), generate


def _of(count: int, build: Callable[[Any, Any], Any]) -> Any:
    """Return an operation of `count` vectors that gives a vector."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return build(builder, values)

    if count == 1:

        def unary(typing: Any, a: Any) -> Any:
            return LANES(LANES), generate

        return intrinsic(unary)
    if count == 2:

        def binary(typing: Any, a: Any, b: Any) -> Any:
            return LANES(LANES, LANES), generate

        return intrinsic(binary)

    def ternary(typing: Any, a: Any, b: Any, c: Any) -> Any:
        return LANES(LANES, LANES, LANES), generate

    return intrinsic(ternary)


def _call(name: str, count: int) -> Callable[[Any, Any], Any]:
    """Return a call of one of LLVM's own functions of vectors."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * count)
    return lambda builder, values: builder.call(
        cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f64"), values
    )


def _power(builder: Any, values: Any) -> Any:
    """2 to a power that is a whole number, written into the exponent of a double."""
    whole = builder.fptosi(values[0], _INTEGERS)
    biased = builder.add(whole, ir.Constant(_INTEGERS, [_HALF] * WIDTH))
    return builder.bitcast(builder.shl(biased, ir.Constant(_INTEGERS, [52] * WIDTH)), _VECTOR)


add = _of(2, lambda builder, values: builder.fadd(*values))
subtract = _of(2, lambda builder, values: builder.fsub(*values))
multiply = _of(2, lambda builder, values: builder.fmul(*values))
divide = _of(2, lambda builder, values: builder.fdiv(*values))
fused = _of(3, _call("fma", 3))
"""a * b + c, rounded once."""
root = _of(1, _call("sqrt", 1))
nearest = _of(1, _call("rint", 1))
lower = _of(2, _call("minnum", 2))
higher = _of(2, _call("maxnum", 2))
power = _of(1, _power)
"""2^n of whole numbers from -1022 to 1023."""

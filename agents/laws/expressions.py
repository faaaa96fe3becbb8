"""Expressions that a user writes, such as ``c * (V - Vc) * log10(1 + t / t0)``: read, never executed."""

from __future__ import annotations

import ast
import math
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import k0, k1

from ...core.errors import SpecError

Array = NDArray[np.float64]
Values = Mapping[str, Any]
Part = Callable[[Values], Any]

LONGEST = 500  # characters
DEEPEST = 40  # nested operations

FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "exp": (np.exp, 1),
    "log": (np.log, 1),
    "log10": (np.log10, 1),
    "sqrt": (np.sqrt, 1),
    "abs": (np.abs, 1),
    "sin": (np.sin, 1),
    "cos": (np.cos, 1),
    "tanh": (np.tanh, 1),
    "k0": (k0, 1),  # modified Bessel functions of the second kind
    "k1": (k1, 1),
    "minimum": (np.minimum, 2),
    "maximum": (np.maximum, 2),
    "where": (np.where, 3),
}
CONSTANTS = {"pi": math.pi}
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.UAdd: np.positive,
    ast.USub: np.negative,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}


class Expression:
    """A formula in names, numbers, ``+ - * / **``, comparisons and the functions of ``FUNCTIONS``.

    The text is parsed into Python's syntax tree, of which only these nodes are accepted; nothing
    of it is ever compiled or evaluated by Python. All numbers are floats, so that no power of
    integers can fill the memory.

    Parameters
    ----------
    text : str
        At most ``LONGEST`` characters; ``where(x < t, a, b)`` chooses.

    Attributes
    ----------
    names : frozenset of str
        Names that need a value.

    Raises
    ------
    SpecError
        When it is not such a formula; says which part was refused.
    """

    def __init__(self, text: str):
        self.text = text
        if len(text) > LONGEST:
            raise SpecError(f"expression of {len(text)} characters was refused: the limit is {LONGEST}")
        self._part, self.names = _read(text)

    def __call__(self, values: Values) -> Array:
        """Return the value for ``values``, numbers or arrays that broadcast; may be infinite or NaN."""
        with np.errstate(all="ignore"):
            return np.asarray(self._part(values), float)


def as_read(name: str) -> str:
    """Return a name as the names of an expression are: Python takes some signs for one, such as the two for micro."""
    return unicodedata.normalize("NFKC", name)


def _read(text: str) -> tuple[Part, frozenset[str]]:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise SpecError(f"expression {text!r} was refused: it is not a formula ({type(error).__name__})") from error
    reader = _Reader(text)
    return reader.number(tree.body, 0), frozenset(reader.names)


class _Reader:
    """Turns accepted nodes into functions of the values, and collects their names."""

    def __init__(self, text: str):
        self.text = text
        self.names: set[str] = set()

    def number(self, node: ast.expr, depth: int) -> Part:
        if depth > DEEPEST:
            raise SpecError(f"expression {self.text!r} was refused: it is nested deeper than {DEEPEST}")
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return self._constant(value)
            case ast.Name(id=name):
                return self._name(name)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return self._apply(_OPERATORS[type(op)], [left, right], depth)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
                return self._apply(_OPERATORS[type(op)], [operand], depth)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
                return self._call(name, args, depth)
        raise self._refused(node)

    def _condition(self, node: ast.expr, depth: int) -> Part:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return self._apply(_OPERATORS[type(op)], [left, right], depth)
        raise SpecError(f"expression {self.text!r} was refused: where() starts with one comparison, such as x < 1")

    def _constant(self, value: float) -> Part:
        try:
            number = np.float64(value)
        except OverflowError:
            number = np.float64(np.inf)
        if not np.isfinite(number):
            raise SpecError(f"expression {self.text!r} was refused: a number in it is too large")
        return lambda _: number

    def _name(self, name: str) -> Part:
        if name in CONSTANTS:
            number = np.float64(CONSTANTS[name])
            return lambda _: number
        if name in FUNCTIONS:
            raise SpecError(f"expression {self.text!r} was refused: the function {name!r} has no argument")
        if name.startswith("_"):
            raise SpecError(f"expression {self.text!r} was refused: the name {name!r} begins with an underscore")
        self.names.add(name)
        return lambda values: values[name]

    def _call(self, name: str, args: list[ast.expr], depth: int) -> Part:
        function, count = FUNCTIONS[name]
        if len(args) != count:
            raise SpecError(f"expression {self.text!r} was refused: {name}() takes {count} arguments, got {len(args)}")
        if name != "where":
            return self._apply(function, args, depth)
        condition, *branches = args
        parts = [self._condition(condition, depth + 1), *(self.number(branch, depth + 1) for branch in branches)]
        return lambda values: function(*(part(values) for part in parts))

    def _apply(self, function: Callable[..., Any], args: list[ast.expr], depth: int) -> Part:
        parts = [self.number(arg, depth + 1) for arg in args]
        if len(parts) == 1:
            (only,) = parts
            return lambda values: function(only(values))
        first, second = parts
        return lambda values: function(first(values), second(values))

    def _refused(self, node: ast.AST) -> SpecError:
        known = ", ".join([*FUNCTIONS, *CONSTANTS])
        return SpecError(
            f"expression {self.text!r} was refused at {_shown(node)!r}: it may hold names, numbers, + - * / **,"
            f" and {known}"
        )


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:60]} ..."

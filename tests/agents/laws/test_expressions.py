import numpy as np
import pytest

from probeline.agents.laws.expressions import DEEPEST, LONGEST, Expression
from probeline.core.errors import SpecError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 * x**2 - y / 4", 17.5), ("-x + +y", -1.0), ("where(x < y, 10, 20)", 20.0), ("where(x >= 3, x, 0)", 3.0),
        ("exp(log(x)) + log10(100)", 5.0), ("sqrt(x * 3) * sin(pi / 2)", 3.0), ("minimum(x, 1) + maximum(x, 1)", 4.0),
        ("abs(-x) * cos(0) + tanh(0)", 3.0), ("k0(1) + k1(1)", 1.02293), ("2**0.5**2", 2**0.25), ("1e3 * x", 3000.0),
    ],
)  # fmt: skip
def test_formulas_mean_what_they_say(text, value):
    assert Expression(text)({"x": 3.0, "y": 2.0}) == pytest.approx(value, rel=1e-5)


def test_names_are_known_and_arrays_broadcast():
    expression = Expression("a * x**b + pi")
    assert expression.names == {"a", "b", "x"}
    found = expression({"a": np.ones((3, 1)), "b": 2.0, "x": np.arange(4.0)})
    assert found.shape == (3, 4)
    assert found[1, 2] == pytest.approx(4 + np.pi)


def test_what_has_no_value_is_not_an_error():
    assert np.isnan(Expression("log(x)")({"x": -1.0}))
    assert np.isinf(Expression("1 / x")({"x": 0.0}))
    assert np.isinf(Expression("9**9**9**9")({}))  # floats: no number of a billion digits


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "x.__class__", "().__class__.__bases__", "(lambda: 1)()", "[1] * 10**9",
        "open('/etc/passwd')", "exec('1')", "eval('1')", "getattr(x, 'y')", "x[0]", "{x: 1}", "f'{x}'", "'a' * 99",
        "x if x else 1", "x and y", "not x", "x is y", "x < y", "x < y < 1", "x @ y", "x % y", "x // y", "x << 99",
        "~x", "x := 1", "x; y", "x\ny", "import os", "await x", "yield x", "*x", "exp(*x)", "exp(x=1)", "exp(x, y)",
        "exp", "exp.__call__(1)", "where(x, 1, 2)", "where(x < 1, 2)", "True", "None", "1j", "1e999", "1" * 400, "_x",
        "__builtins__", "", "   ", "\0", "x +", "(" * 200, "[" * 400 + "]" * 50, "-" * (DEEPEST + 2) + "x",
        "1+" * DEEPEST + "1+1+1", "x" * (LONGEST + 1), "...", "b'x'", "x = 1", "print(x)", "np.exp(x)",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text):
    with pytest.raises(SpecError, match="refused"):
        Expression(text)


def test_the_refused_part_is_named():
    with pytest.raises(SpecError, match=r"at 'os.getcwd\(\)'.*where"):
        Expression("x + os.getcwd()")

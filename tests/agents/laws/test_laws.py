import json

import numpy as np
import pytest
from pydantic import ValidationError

from probeline.agents.laws.law import Law, known_law
from probeline.agents.laws.library import LIBRARY
from probeline.agents.laws.priors import LogNormal, Normal, Uniform
from probeline.agents.problem import grid_problem
from probeline.core.errors import SpecError, UnknownNameError

# Each computed by hand.
TEXTBOOK = [
    ("domain_growth_thermodynamic", {"voltage": 16.0, "Vc": 2.0, "r0": 10.0}, 10 * 3**0.5),  # 8^(2/3) = 4
    ("domain_growth_thermodynamic", {"voltage": 1.0, "Vc": 2.0, "r0": 10.0}, 0.0),
    ("domain_growth_logarithmic", {"voltage": 5.0, "duration": 0.999, "c": 2.0, "Vc": 2.0, "t0": 1e-3}, 18.0),
    ("domain_growth_power", {"voltage": 4.0, "duration": 1e-4, "c": 10.0, "a": 0.5, "b": 0.25}, 2.0),
    ("domain_growth_activated", {"voltage": 25.0, "duration": 1.0, "c": 271.8281828, "Va": 25.0, "rs": 100.0}, 50.0),
    # At 4.5 eV a decade per 1.0594 angstrom, as every STM textbook has it.
    ("tunnelling_distance", {"z": 0.10594, "i0": 100.0, "phi": 4.5}, 10.0),
    ("tunnelling_bias", {"bias": 2.0, "g": 100.0, "a": 0.1}, 280.0),
    ("field_emission", {"bias": 20.0, "a": 1.0, "b": 20.0}, 147.1518),  # 400 / e
    ("landau_second_order", {"temperature": 300.0, "Tc": 400.0, "p0": 2.0}, 1.0),
    ("landau_first_order", {"temperature": 399.99999, "Tc": 400.0, "w": 10.0, "p0": 1.0}, 1.5**0.5),
    ("landau_first_order", {"temperature": 390.0, "Tc": 400.0, "w": 10.0, "p0": 1.0}, 2**0.5),  # Curie-Weiss point
    ("landau_first_order", {"temperature": 400.1, "Tc": 400.0, "w": 10.0, "p0": 1.0}, 0.0),
    ("landau_susceptibility", {"temperature": 410.0, "Tc": 400.0, "C": 1000.0, "w": 1e-9}, 100.0),
    ("landau_susceptibility", {"temperature": 390.0, "Tc": 400.0, "C": 1000.0, "w": 1e-9}, 50.0),  # half as large
    ("plasmon_aloof", {"distance": 50.0, "L": 50.0, "a": 1.0, "g": 1.0}, 0.53956),  # K1(1)^2 + K0(1)^2
    ("plasmon_exponential", {"distance": 15.0, "L": 30.0, "a": 1.0}, 0.367879),
    ("plasmon_thickness", {"thickness": 100.0, "L": 100.0, "a": 1.0}, 0.367879),
    ("plasmon_peak", {"energy": 15.0, "Ep": 15.0, "G": 3.0, "a": 1.0}, 5.0),  # Ep / G
]  # fmt: skip


@pytest.mark.parametrize(("name", "values", "expected"), TEXTBOOK)
def test_laws_give_textbook_numbers(name, values, expected):
    assert LIBRARY[name].formula(values) == pytest.approx(expected, rel=2e-4, abs=1e-9)


def test_the_library_is_complete():
    assert {name for name, *_ in TEXTBOOK} == set(LIBRARY)
    for name, law in LIBRARY.items():
        assert law.name == name
        assert law.doi.startswith("10.")
        assert law.about
        assert Law.model_validate(json.loads(law.model_dump_json())) == law
    with pytest.raises(ValidationError):
        LIBRARY["plasmon_peak"].doi = "elsewhere"


def test_priors_are_functions_of_a_normal_number():
    z = np.array([-1.0, 0.0, 1.0])
    assert Normal(mean=3, std=2).at(z) == pytest.approx([1, 3, 5])
    assert LogNormal(median=3, factor=2).at(z) == pytest.approx([1.5, 3, 6])
    assert Uniform(low=1, high=3).at(z) == pytest.approx([1.317311, 2, 2.682689])
    assert np.isfinite(LogNormal(median=3, factor=2).at(np.array([1e9]))).all()


def test_settings_come_in_the_units_of_the_law():
    problem = grid_problem(
        {"bias": [500.0, 2000.0], "duration": [1.0]}, {"bias": "mV", "duration": "ms"}, objective="r"
    )
    settings = LIBRARY["domain_growth_power"].settings(problem, {"voltage": "bias"})
    assert settings["voltage"] == pytest.approx([0.5, 2.0])
    assert settings["duration"] == pytest.approx([1e-3, 1e-3])
    values = LIBRARY["domain_growth_power"].values(settings, np.zeros((3, 4)))
    assert values[0] == pytest.approx([10 * 0.5 * 1e-3**0.1, 10 * 2 * 1e-3**0.1])


def test_names_may_have_either_sign_for_micro():
    law = Law(expression="\u00b5 * \u00b5x", parameters={"\u00b5": Normal(mean=3, std=1)}, arguments={"\u00b5x": "nm"})
    problem = grid_problem({"\u00b5x": [1.0, 2.0]}, {"\u00b5x": "nm"}, objective="y")
    assert law.values(law.settings(problem, {}), np.zeros((1, 1))).tolist() == [[3.0, 6.0]]
    assert law.settings(problem, {"\u00b5x": "\u00b5x"}).keys() == {"\u03bcx"}


def test_unsuitable_problems_are_refused():
    law = LIBRARY["domain_growth_thermodynamic"]
    with pytest.raises(SpecError, match="'voltage' and the problem has z"):
        law.settings(grid_problem({"z": [1.0]}, {"z": "nm"}, objective="r"), {})
    with pytest.raises(SpecError, match=r"'voltage' in 'V'.*'nm'"):
        law.settings(grid_problem({"voltage": [1.0]}, {"voltage": "nm"}, objective="r"), {})
    with pytest.raises(SpecError, match="'furlong'"):
        law.settings(grid_problem({"voltage": [1.0]}, {"voltage": "furlong"}, objective="r"), {})


def test_a_law_of_ones_own_takes_the_units_it_gets():
    law = Law.model_validate({"expression": "a * x**4", "parameters": {"a": {"prior": "normal", "mean": 1, "std": 1}}})
    problem = grid_problem({"x": [1.0, 2.0]}, {"x": "furlong"}, objective="y")
    assert law.values(law.settings(problem, {}), np.zeros((1, 1)))[0] == pytest.approx([1, 16])
    assert law.title == "a * x**4"
    assert known_law(law) is law


def test_a_law_may_depend_on_nothing():
    law = Law(expression="a", parameters={"a": Normal(mean=2, std=1)})
    assert law.values({}, np.ones((5, 1))).shape == (5, 1)


A = {"prior": "normal", "mean": 0, "std": 1}


@pytest.mark.parametrize(
    ("law", "named"),
    [
        ({"expression": "a * x", "parameters": {"a": A, "b": A}}, "b does not occur"),
        ({"expression": "a * x", "parameters": {"a": A}, "arguments": {"a": "V"}}, "a is a parameter and"),
        ({"expression": "os.getcwd()", "parameters": {}}, "refused"),
    ],
)
def test_contradictions_are_refused(law, named):
    with pytest.raises(SpecError, match=named):
        Law.model_validate(law)


@pytest.mark.parametrize(
    "prior",
    [
        {"prior": "uniform", "low": 1, "high": 1}, {"prior": "lognormal", "median": 0, "factor": 2},
        {"prior": "cauchy"}, {"prior": "lognormal", "median": 1, "factor": 1},
        {"prior": "normal", "mean": 0, "std": float("nan")}, {},
    ],
)  # fmt: skip
def test_impossible_priors_are_refused(prior):
    with pytest.raises(ValidationError):
        Law.model_validate({"expression": "a", "parameters": {"a": prior}})


def test_unknown_laws_are_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"domain_growth_power.*expression"):
        known_law("domain_growth_pwer")

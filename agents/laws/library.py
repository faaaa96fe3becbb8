"""The field's laws. Never change what a name means: records of old runs refer to it. Add a new name."""

from __future__ import annotations

from .law import Law
from .priors import LogNormal, Normal, Uniform


def _library(*laws: Law) -> dict[str, Law]:
    return {law.name: law for law in laws}


# Domains written by a biased tip. The scenarios are those of doi:10.1016/j.patter.2023.100704, whose exact
# equations were not at hand: where no formula is cited, the form is our own choice. Priors cover tens of nm
# for some volts and 0.1 ms to 10 s.
_PULSE = {"voltage": "V", "duration": "s"}
_COERCIVE = LogNormal(median=2.0, factor=1.5, unit="V")

LIBRARY = _library(
    Law(
        name="domain_growth_thermodynamic",
        expression="r0 * sqrt(maximum((voltage / Vc)**(2 / 3) - 1, 0))",
        parameters={"r0": LogNormal(median=25.0, factor=1.6, unit="nm"), "Vc": _COERCIVE},
        arguments={"voltage": "V"},
        unit="nm",
        about="Radius in equilibrium of depolarisation and wall energy, whatever the duration; our form.",
        doi="10.1016/j.patter.2023.100704",
    ),
    Law(
        name="domain_growth_logarithmic",
        expression="c * maximum(voltage - Vc, 0) * log10(1 + duration / t0)",
        parameters={
            "c": LogNormal(median=1.5, factor=1.6, unit="nm/V"),
            "Vc": _COERCIVE,
            "t0": LogNormal(median=1e-5, factor=5.0, unit="s"),
        },
        arguments=_PULSE,
        unit="nm",
        about="Wall creep under the tip: linear in the bias, logarithmic in time.",
        doi="10.1103/PhysRevLett.89.097601",
    ),
    Law(
        name="domain_growth_power",
        expression="c * voltage**a * duration**b",
        parameters={
            "c": LogNormal(median=10.0, factor=1.6, unit="nm"),
            "a": Normal(mean=1.0, std=0.3),
            "b": LogNormal(median=0.1, factor=1.6),
        },
        arguments=_PULSE,
        unit="nm",
        about="Power law in bias (V) and time (s), as for walls in random pinning; our form.",
        doi="10.1016/j.patter.2023.100704",
    ),
    Law(
        name="domain_growth_activated",
        expression="rs * c * duration * exp(-Va / voltage) / (rs + c * duration * exp(-Va / voltage))",
        parameters={
            "c": LogNormal(median=3e5, factor=5.0, unit="nm/s"),
            "Va": LogNormal(median=25.0, factor=1.3, unit="V"),
            "rs": LogNormal(median=60.0, factor=1.5, unit="nm"),
        },
        arguments=_PULSE,
        unit="nm",
        about="Activated wall motion (Merz), ended by screening at a radius rs; the end is our form.",
        doi="10.1103/PhysRev.95.690",
    ),
    Law(
        name="tunnelling_distance",
        expression="i0 * exp(-10.2463 * sqrt(phi) * z)",
        parameters={
            "i0": LogNormal(median=1e4, factor=10.0, unit="pA"),
            "phi": LogNormal(median=4.5, factor=1.3, unit="eV"),
        },
        arguments={"z": "nm"},
        unit="pA",
        about="Tunnelling current against distance: 2 sqrt(2 m phi) / hbar = 10.2463 per nm at 1 eV.",
        doi="10.1103/PhysRevLett.49.57",
    ),
    Law(
        name="tunnelling_bias",
        expression="g * (bias + a * bias**3)",
        parameters={
            "g": LogNormal(median=100.0, factor=10.0, unit="pA/V"),
            "a": LogNormal(median=0.1, factor=3.0, unit="1/V^2"),
        },
        arguments={"bias": "V"},
        unit="pA",
        about="Tunnelling current at a bias well below the barrier, to third order.",
        doi="10.1063/1.1702682",
    ),
    Law(
        name="field_emission",
        expression="a * bias**2 * exp(-b / maximum(bias, 1e-9))",
        parameters={
            "a": LogNormal(median=100.0, factor=10.0, unit="pA/V^2"),
            "b": LogNormal(median=20.0, factor=2.0, unit="V"),
        },
        arguments={"bias": "V"},
        unit="pA",
        about="Fowler-Nordheim: tunnelling through the triangular barrier of a strong field, bias > 0.",
        doi="10.1098/rspa.1928.0091",
    ),
    Law(
        name="landau_second_order",
        expression="p0 * sqrt(maximum(1 - temperature / Tc, 0))",
        parameters={"p0": LogNormal(median=1.0, factor=2.0), "Tc": Uniform(low=250.0, high=900.0, unit="K")},
        arguments={"temperature": "K"},
        about="Order parameter of a second-order transition: grows from zero below Tc.",
        doi="10.1007/978-3-540-34591-6_3",
    ),
    Law(
        name="landau_first_order",
        expression="where(temperature < Tc, p0 * sqrt(1 + sqrt(maximum(0.25 - 0.75 * (temperature - Tc) / w, 0))), 0)",
        parameters={
            "p0": LogNormal(median=1.0, factor=2.0),
            "Tc": Uniform(low=250.0, high=900.0, unit="K"),
            "w": LogNormal(median=20.0, factor=2.0, unit="K"),
        },
        arguments={"temperature": "K"},
        about="Order parameter of a first-order transition: jumps at Tc, w above the Curie-Weiss temperature.",
        doi="10.1007/978-3-540-34591-6_3",
    ),
    Law(
        name="landau_susceptibility",
        expression="C / (where(temperature > Tc, temperature - Tc, 2 * (Tc - temperature)) + w)",
        parameters={
            "C": LogNormal(median=1e3, factor=10.0, unit="K"),
            "Tc": Uniform(low=250.0, high=900.0, unit="K"),
            "w": LogNormal(median=5.0, factor=2.0, unit="K"),
        },
        arguments={"temperature": "K"},
        about="Curie-Weiss law around a second-order transition, half as large below it; w rounds the peak.",
        doi="10.1007/978-3-540-34591-6_3",
    ),
    Law(
        name="plasmon_aloof",
        expression="a * (k1(distance / L)**2 + g * k0(distance / L)**2)",
        parameters={
            "a": LogNormal(median=1.0, factor=3.0),
            "L": LogNormal(median=100.0, factor=3.0, unit="nm"),
            "g": Uniform(low=0.4, high=1.0),
        },
        arguments={"distance": "nm"},
        about="Loss to a dipole near a particle: L = gamma v / omega, g = 1 / gamma^2 (0.80 at 60 kV, 0.52 at 200 kV).",
        doi="10.1103/RevModPhys.82.209",
    ),
    Law(
        name="plasmon_exponential",
        expression="a * exp(-2 * distance / L)",
        parameters={"a": LogNormal(median=1.0, factor=3.0), "L": LogNormal(median=100.0, factor=3.0, unit="nm")},
        arguments={"distance": "nm"},
        about="Loss far from a particle: intensity falls by e over L / 2 = gamma v / (2 omega).",
        doi="10.1103/RevModPhys.82.209",
    ),
    Law(
        name="plasmon_thickness",
        expression="a * thickness / L * exp(-thickness / L)",
        parameters={"a": LogNormal(median=1.0, factor=3.0), "L": LogNormal(median=100.0, factor=1.5, unit="nm")},
        arguments={"thickness": "nm"},
        about="Single bulk-plasmon losses (Poisson) through a foil, L the mean free path.",
        doi="10.1088/0034-4885/72/1/016502",
    ),
    Law(
        name="plasmon_peak",
        expression="a * energy * G * Ep**2 / ((energy**2 - Ep**2)**2 + (energy * G)**2)",
        parameters={
            "a": LogNormal(median=1.0, factor=3.0),
            "Ep": LogNormal(median=15.0, factor=1.5, unit="eV"),
            "G": LogNormal(median=3.0, factor=2.0, unit="eV"),
        },
        arguments={"energy": "eV"},
        about="Drude loss function Im(-1 / epsilon) of a bulk plasmon.",
        doi="10.1088/0034-4885/72/1/016502",
    ),
)

"""What docs/reference/peers.md says around its tables."""

from __future__ import annotations

from .page import LEARNERS, PRIMARY_SIZE, RIVALS, Results, make_tables
from .quality import FIELDS, SIZES
from .speed import CHANNELS, MEASURED

INTRODUCTION = """\
# Beside AtomAI, gpax and BoTorch

Written by `make bench-peers`; do not edit. It makes an environment for each peer from the pinned versions in
`benchmarks/peers/*.txt`, runs one process after the other, each with one thread and no accelerator, and keeps all
records in [peers.json](peers.json). CPU seconds are those of the machine that ran it; only their ratios travel.
Many users of AtomAI and gpax compute on a GPU, of which nothing here tells.

**No regret is compared.** That would take 20 paired loops against each peer. So nothing here says who finds an optimum
sooner, only who predicts better from the same points, and what a decision costs.

## Who is compared, and with how much tuning

| method | what it is | what a fit does |
| --- | --- | --- |
| `patch_gp`, `gp` | our agents with their declared defaults | four, or three, parameters: at most 60 steps of L-BFGS |
| `dkl` | the same | the same, then 40 Adam steps of a small net and at most 20 of L-BFGS |
| AtomAI | `dklGPR`, `embedim=2`, single precision, as its README | a new net of four layers, 200 Adam steps of 0.01 |
| gpax, as documented | `viDKL`, `z_dim=2`, as its README | a new net of three layers, 100 Adam steps of 0.05 |
| gpax, defaults | the same with the defaults of its `fit` | 1000 Adam steps of 0.005 |
| BoTorch, coordinates | `SingleTaskGP` with its defaults | L-BFGS until it converges |
| BoTorch, our features | `SingleTaskGP` with kernel and features of `patch_gp` | the same |
| mean predictor | mean and spread of the outcomes | nothing |

- **Tuning effort differs.** The defaults of our agents were chosen on development seeds of other families of films and
  on two measured maps. The peers have published settings, of which none was tuned. Only their scaling was chosen, from
  what their users do and what ours do, on three development films (`pfm-mixed`, seeds 1002 to 1004) at 30 and 80
  points: outcomes from 0 to 1 did better than standardised ones for AtomAI and gpax, patches from 0 to 1 better than
  ours (median and interquartile range) for AtomAI, patches as ours better for gpax.
- **Inputs differ as the methods do.** AtomAI and gpax get all channels of a patch of 15 x 15 pixels in one row, as
  their documentation has it. `patch_gp` and `dkl` make principal components of the same pixels, and also see the
  coordinates. Our agents are told the standard deviation of each outcome, the models of the peers learn one noise.
"""
SPEED = f"""\
## What a decision costs

{MEASURED} outcomes, 12,769 candidates, {CHANNELS} image channel, patches of 15 x 15 pixels from a structured random
field (`benchmarks/agent_speed.py`), one run. *Cold* is the first decision of a new process after its imports: features,
compilation, fit, prediction of every candidate, acquisition. *Next* is the decision after one more outcome, in the way
that each is published: AtomAI, gpax and BoTorch make and fit a new model, our agents take the outcome in, and fit on a
schedule (here after 206 outcomes and after 247; the average is over the decisions between). Most of the ratio warm /
warm is how seldom a fit is made, and how small it is. BoTorch is asked in blocks of 512 candidates with fast
predictive variances; AtomAI and gpax are asked for all candidates together, as their documentation has it, for which
gpax forms the covariance of all pairs. Our agents have the specifications named above, with as many seed points as
there are outcomes. They make their features themselves; `BoTorch, our features` finds them made.
"""
QUALITY = f"""\
## Predictions from the same points

{len(FIELDS)} films of the two [locked families](twin-families.md), on which nothing was developed or tuned. Everybody
gets the same random points ({", ".join(map(str, SIZES))}, each set part of the next) and predicts the candidates that
were not measured. RMSE is against the truth without noise, in standard deviations of the truth over the film. NLPD and
coverage (of 90 % intervals) are of *measurements*: every candidate was measured once with the noise of the simulated
instrument, and the variance of a method contains its noise: for the peers the learned one, for our agents and the mean
predictor the mean square of the standard deviations that came with the outcomes. The last coverage is of the truth by
intervals without noise: it is low where a model takes what it cannot resolve for noise. Cells are means over films
with half the width of their 95 % interval (Student's t); differences are paired by film.

Six comparisons were named beforehand: RMSE after {PRIMARY_SIZE} points, of {" and ".join(f"`{o}`" for o in LEARNERS)},
each against {"; ".join(RIVALS)} (Wilcoxon signed-rank over films, adjusted by Holm for the six). Everything else is
exploratory. `BoTorch, our features` differs from `patch_gp` in code, priors and treatment of noise only: what separates
the two is not what they look at. AtomAI and gpax do not see the coordinates; the rows of `gp` show how much these tell
alone, and how much of a difference to AtomAI and gpax comes from them was not taken apart. Films of two simulated
families are a small sample of what images can look like.
"""


def render(results: Results) -> str:
    """Return the page."""
    speed, *quality = make_tables(results)
    specs = ", ".join(f"`{kind}` `{digest}`" for kind, digest in results.specs.items())
    made = f"Run on {results.date}: {', '.join(results.versions)}.\nSpecifications, digest without seed: {specs}.\n"
    tables = [table.markdown() for table in quality]
    return "\n".join([INTRODUCTION, made, SPEED, speed.markdown(), QUALITY, *tables]).rstrip() + "\n"

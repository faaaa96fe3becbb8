"""Where the large arrays are computed. Without a CUDA device, on torch's own stand-in, which refuses to be mixed."""

import numpy as np
import pytest
import torch

from probeline.agents.gaussian.kernels import Group, Kernel
from probeline.agents.gaussian.roots import Ageing, Prior, exactly
from probeline.core.errors import SpecError

from ..worlds import agent_on, run, small_problem

CUDA = torch.cuda.is_available()


@pytest.mark.skipif(CUDA, reason="there is a CUDA device, so nothing is refused")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(SpecError, match="torch sees no CUDA device"):
        agent_on(small_problem(), device="cuda")


@pytest.mark.skipif(not CUDA, reason="no CUDA device here")
@pytest.mark.parametrize("kind", ["gp", "patch_gp", "dkl"])
def test_a_cuda_device_believes_the_same(kind):
    problem = small_problem()
    agents = [agent_on(problem, kind, "map", device=device) for device in ("cpu", "cuda")]
    for agent in agents:
        run(agent, problem, 25)
    first, second = (agent.posterior() for agent in agents)
    np.testing.assert_allclose(second["mean"], first["mean"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(second["std"], first["std"], rtol=1e-5, atol=1e-9)


def there(*shape):
    return torch.empty(*shape, dtype=torch.float64, device="meta")


@pytest.mark.parametrize("aged", [False, True])
def test_everything_large_stays_on_the_device(aged):
    prior = Prior(there(50, 3), Kernel((Group(slice(0, 3), 0, 1.0),)), there(1), 0.5 if aged else 0.0)
    index = np.array([1, 4, 9])
    ageing = Ageing(there(3), there(3, 3)) if aged else None
    state = exactly(prior, index, there(3), there(3), ageing)
    column = state.root.columns(np.array([7]))[:, 0]
    later = state.root.extended(column)
    for tensor in (state.mean, state.left, column, later.columns(index), prior.between(index, index)):
        assert tensor.device.type == "meta"

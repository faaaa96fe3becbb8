"""Linear algebra on one thread: how sums are split must not decide what they come to."""

from __future__ import annotations

from threadpoolctl import threadpool_limits

# For functions whose results are recorded: more threads add in another order and give other last bits.
one_thread = threadpool_limits.wrap(limits=1, user_api="blas")

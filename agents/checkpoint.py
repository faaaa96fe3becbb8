"""An agent in a file: read back, it goes on to the bit as if it had never stopped.

A checkpoint spares fits that would be repeated; it is a cache, never the record. It is one
safetensors file: numbers of the model as tensors, everything else as JSON in its header.
Nothing in it is executed, and what does not fit the problem is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, float64

from ..core.errors import DataError, RefusedError
from .base import CandidateAgent
from .problem import Problem
from .protocols import Explanation
from .spec import AgentSpec, make_agent

LARGEST_MB = 256.0
_KEY = "probeline"


@runtime_checkable
class Cached(Protocol):
    """An agent that keeps something which takes long to compute."""

    def cache(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return it as JSON values and tensors; empty while there is nothing."""
        ...

    def restore(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Take it back.

        Raises
        ------
        ValueError, KeyError, TypeError
            When it cannot be this agent's.
        """
        ...


class Call(BaseModel):
    """One entry of an agent's log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    call: Literal["suggest", "ingest", "register_failures", "register_suggestions"]
    argument: int | list[dict[str, JsonValue]]

    @model_validator(mode="after")
    def _suits(self) -> Call:
        if isinstance(self.argument, int) != (self.call == "suggest"):
            raise ValueError(f"{self.call} does not take {self.argument!r}")
        return self


class Header(BaseModel):
    """What a checkpoint says beside its tensors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    spec: AgentSpec
    problem_digest: str
    log: tuple[Call, ...]
    explanations: tuple[Explanation, ...]
    cache: dict[str, JsonValue]


def save_checkpoint(agent: CandidateAgent, path: str | os.PathLike[str]) -> None:
    """Write an agent to a file, which is there whole or not at all.

    Parameters
    ----------
    agent : CandidateAgent
        Made by :func:`~probeline.agents.spec.make_agent`.
    path : path-like
        An older checkpoint there is replaced.
    """
    values, tensors = agent.cache() if isinstance(agent, Cached) else ({}, {})
    header = Header(
        spec=agent.spec,
        problem_digest=agent.problem.digest,
        log=tuple(Call(**entry) for entry in agent.log),
        explanations=tuple(agent.explain({"_id": number}) for number in range(agent.decisions)),
        cache=values,
    )
    target = Path(path)
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        save_file(tensors, draft, {_KEY: json.dumps(header.model_dump())})
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def load_checkpoint(path: str | os.PathLike[str], problem: Problem) -> CandidateAgent:
    """Return the agent of a file, at work on ``problem``.

    Raises
    ------
    DataError
        When the file is no checkpoint, is damaged or contradicts itself.
    RefusedError
        When it belongs to another problem.
    """
    header, tensors = _read(Path(path))
    if header.problem_digest != problem.digest:
        raise RefusedError(
            f"checkpoint {path} was refused: it belongs to problem {header.problem_digest}, this one is "
            f"{problem.digest}; rebuild the agent from the record of the run"
        )
    try:
        agent = make_agent(header.spec, problem)
        if not isinstance(agent, CandidateAgent):
            raise ValueError(f"agents of kind {header.spec.kind!r} have none")
        agent.recall([entry.model_dump() for entry in header.log], header.explanations)
        if isinstance(agent, Cached):
            agent.restore(header.cache, tensors)
        elif header.cache or tensors:
            raise ValueError(f"an agent of kind {header.spec.kind!r} keeps nothing")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RuntimeError, RefusedError) as error:
        raise DataError(f"checkpoint {path} was refused: {error}; rebuild the agent from the record") from error
    return agent


def _read(path: Path) -> tuple[Header, dict[str, Tensor]]:
    size = path.stat().st_size / 1e6
    if size > LARGEST_MB:
        raise DataError(f"checkpoint {path} was refused: {size:.0f} MB, {LARGEST_MB:.0f} MB is the limit")
    try:
        with safe_open(path, framework="pt") as opened:
            text = (opened.metadata() or {})[_KEY]
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # it is no dict
        header = Header.model_validate(json.loads(text))
    except (SafetensorError, KeyError, ValueError, ValidationError, RecursionError) as error:
        raise DataError(f"{path} is no checkpoint of an agent: {str(error).splitlines()[0]}") from error
    for name, tensor in tensors.items():
        if tensor.dtype != float64 or not tensor.isfinite().all():
            raise DataError(
                f"checkpoint {path} was refused: {name} has to be finite numbers of double precision; "
                "rebuild the agent from the record"
            )
    return header, tensors

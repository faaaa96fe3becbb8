"""Who may do what with a served catalogue: one key for those who write, one for those who read."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from ...core.errors import CatalogError

_READ = ("read:metadata", "read:data")
# Uploading again what was written by halves takes the right to delete; frames lie in files that are registered.
_WRITE = (*_READ, "create:node", "register", "write:metadata", "write:data", "delete:node", "delete:revision")
SCOPES = {"writer": _WRITE, "reader": _READ}
KEY_FILE = "keys.json"
_LEAST_BYTES = 16


@dataclass(frozen=True)
class Keys:
    """What clients present.

    Attributes
    ----------
    writer : str
        For sessions that record: may read, write and replace runs.
    reader : str
        May read, and nothing else.
    """

    writer: str
    reader: str

    def __repr__(self) -> str:
        return "Keys(...)"  # so that no log shows them


def keys_of(root: Path) -> Keys:
    """Return the keys of the catalogue in ``root``, made when there are none.

    They stand in ``keys.json`` there, which only its owner may read. Who takes the file away gets new keys at the
    next start.

    Raises
    ------
    CatalogError
        When the file is damaged, or others may read it.
    """
    file = root / KEY_FILE
    draft = root / f".{KEY_FILE}-{secrets.token_hex(4)}"
    keys = Keys(secrets.token_hex(32), secrets.token_hex(32))
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(orjson.dumps(asdict(keys), option=orjson.OPT_INDENT_2))
        os.link(draft, file)  # whole or not at all, and never over those of somebody else
        return keys
    except FileExistsError:
        return _read(file)
    except OSError as error:
        raise CatalogError(
            f"the keys cannot be written to {file}: {error.strerror}; make its folder writable"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _read(file: Path) -> Keys:
    try:
        mode = file.stat().st_mode & 0o777
        content = file.read_bytes()
    except OSError as error:
        raise CatalogError(
            f"the keys in {file} cannot be read: {error.strerror}; its owner starts the server"
        ) from error
    if mode & 0o077:
        raise CatalogError(
            f"{file} has the mode {mode:o}: others can read the keys; remove it for new keys, or chmod 600 it"
        )
    try:
        keys = Keys(**orjson.loads(content))
        if any(len(bytes.fromhex(key)) < _LEAST_BYTES for key in (keys.writer, keys.reader)):
            raise ValueError(f"a key has less than {_LEAST_BYTES} bytes")
        if keys.writer == keys.reader:
            raise ValueError("both keys are the same")
        return keys
    except (ValueError, TypeError) as error:
        raise CatalogError(f"{file} is damaged: {type(error).__name__}; remove it, and new keys are made") from error


async def register_keys(engine: Any, keys: Keys) -> None:
    """Make ``keys`` known to Tiled.

    Parameters
    ----------
    engine : sqlalchemy.ext.asyncio.AsyncEngine
        Of the database in which Tiled looks for keys; made ready when it is empty.
    keys : Keys
        What will be presented. Only digests are kept.
    """
    from sqlalchemy.ext.asyncio import AsyncSession
    from tiled.authn_database.core import initialize_database
    from tiled.authn_database.orm import APIKey, Principal, Role

    await initialize_database(engine)
    async with AsyncSession(engine) as session:
        for name, key in asdict(keys).items():
            scopes = list(SCOPES[name])
            role = Role(name=f"probeline-{name}", description=f"{name} of a probeline catalogue", scopes=scopes)
            secret = hashlib.sha256(bytes.fromhex(key)).digest()
            entry = APIKey(first_eight=key[:8], hashed_secret=secret, note=name, scopes=scopes)
            session.add(Principal(type="service", roles=[role], api_keys=[entry]))
        await session.commit()

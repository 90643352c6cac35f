"""The same request twice has one effect: a client that lost the answer asks again with the same Idempotency-Key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from ..errors import StudioError
from ..storage import DoneRequestRow
from .callers import Caller

IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", max_length=200)]


def once(caller: Caller, key: str, where: str, body: Any, work: Callable[[], Any], status: int = 201) -> Any:
    """Do the work of a request, or give the answer that an equal request with this key got.

    `where` is what of the request is not in its body. The answer is written down in the same transaction as the work.
    Raises StudioError when the key was used for another request.
    """
    if not key:
        return work()
    what = json.dumps([where, jsonable_encoder(body)], sort_keys=True)
    asked = hashlib.sha256(what.encode()).hexdigest()
    id = hashlib.sha256(f"{caller.id}\0{key}".encode()).hexdigest()
    known = caller.session.get(DoneRequestRow, id)
    if known is not None:
        if known.request != asked:
            raise StudioError("key_reused", 422)
        return JSONResponse(known.answer, known.status, {"Idempotency-Replayed": "true"})
    answer = jsonable_encoder(work())
    caller.session.add(
        DoneRequestRow(id=id, owner_id=caller.id, request=asked, status=status, answer=answer, at=caller.now)
    )
    return JSONResponse(answer, status)

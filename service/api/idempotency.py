"""The same request twice has one effect: a client that lost the answer asks again with the same Idempotency-Key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from ..errors import StudioError
from ..storage import DoneRequestRow
from .callers import Caller

HEADER = "Idempotency-Key"
_LONGEST = 200


def once(request: Request, caller: Caller, body: Any, work: Callable[[], Any], status: int = 201) -> JSONResponse:
    """Do the work of a request, or give the answer that an equal request with this key got.

    The answer is written down in the same transaction as the work. Raises StudioError when the key was used for another
    request.
    """
    key = request.headers.get(HEADER, "")[:_LONGEST]
    what = json.dumps([request.method, request.url.path, jsonable_encoder(body)], sort_keys=True)
    asked = hashlib.sha256(what.encode()).hexdigest()
    id = hashlib.sha256(f"{caller.id}\0{key}".encode()).hexdigest()
    known = caller.session.get(DoneRequestRow, id) if key else None
    if known is not None:
        if known.request != asked:
            raise StudioError("key_reused", 422)
        return JSONResponse(known.answer, known.status, {"Idempotency-Replayed": "true"})
    answer = jsonable_encoder(work())
    if key:
        row = DoneRequestRow(id=id, owner_id=caller.id, request=asked, status=status, answer=answer, at=caller.now)
        caller.session.add(row)
    return JSONResponse(answer, status)

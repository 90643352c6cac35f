"""One's own account and tokens, and what an operator sees."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select

from ..accounts import invite, make_token
from ..people import delete_account, erase, export, mine, note
from ..storage import AccountRow, AuditRow, JobRow, TokenRow
from ..work.queue import waiting
from .callers import Deletes, Operates, Reads, Works
from .shapes import NewInvitation, NewToken, TokenMade

router = APIRouter(tags=["account"])


@router.get("/account")
def show_account(caller: Reads) -> dict[str, Any]:
    """Return one's name and role, and how long the studio keeps what."""
    return {"name": caller.account.name, "role": caller.account.role, "days": caller.studio.settings.days}


@router.post("/account/export", response_class=Response)
def export_account(caller: Deletes) -> StreamingResponse:
    """Return all that is known of one's people, as a zip."""
    packed = export(caller.session, caller.studio.blobs, caller.account, caller.now)
    headers = {"content-disposition": 'attachment; filename="my-data.zip"'}
    return StreamingResponse(packed, media_type="application/zip", headers=headers)


@router.delete("/account", status_code=204)
def remove_account(caller: Deletes) -> Response:
    """Delete one's account with everybody in it."""
    account = caller.session.get_one(AccountRow, caller.id)
    delete_account(caller.session, caller.studio.blobs, caller.studio.hosts, account, caller.now)
    caller.session.commit()
    erase(caller.studio.database)
    return Response(status_code=204)


@router.get("/tokens")
def list_tokens(caller: Reads) -> list[dict[str, Any]]:
    """Return one's tokens, without their secrets."""
    rows = caller.session.scalars(select(TokenRow).where(TokenRow.owner_id == caller.id).order_by(TokenRow.created))
    return [{"id": row.id, "name": row.name, "scopes": row.scopes.split(), "created": row.created} for row in rows]


@router.post("/tokens", status_code=201)
def add_token(body: NewToken, caller: Works) -> TokenMade:
    """Make a token with no more rights than the one it is made with."""
    for scope in body.scopes:
        caller.holder.require(scope)
    id, secret = make_token(caller.session, caller.account, body.name, body.scopes, caller.now)
    return TokenMade(id=id, secret=secret)


@router.delete("/tokens/{token}", status_code=204)
def remove_token(token: str, caller: Deletes) -> Response:
    """End a token."""
    caller.session.delete(mine(caller.session, TokenRow, token, caller.id))
    note(caller.session, caller.now, caller.id, "token ended", token)
    return Response(status_code=204)


@router.get("/operator/accounts")
def list_accounts(caller: Operates) -> list[dict[str, Any]]:
    """Return who has an account."""
    rows = caller.session.scalars(select(AccountRow).order_by(AccountRow.created))
    return [{"id": row.id, "name": row.name, "role": row.role, "created": row.created} for row in rows]


@router.get("/operator/queue")
def show_queue(caller: Operates) -> dict[str, Any]:
    """Return how many jobs are in each state, and the reasons of the last failures; nobody's photos or names."""
    counts = caller.session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all()
    failed = caller.session.scalars(
        select(JobRow).where(JobRow.state == "failed").order_by(JobRow.ended.desc()).limit(50)
    )
    return {
        "counts": dict(counts),  # type: ignore[arg-type]
        "next": [row.id for row in waiting(caller.session)[:50]],
        "failures": [{"job": row.id, "kind": row.kind, "reason": row.reason, "ended": row.ended} for row in failed],
    }


@router.get("/operator/audit")
def show_audit(caller: Operates, before: int = 2**53) -> list[dict[str, Any]]:
    """Return 200 lines of the audit log, the newest first."""
    rows = caller.session.scalars(select(AuditRow).where(AuditRow.id < before).order_by(AuditRow.id.desc()).limit(200))
    return [
        {"id": row.id, "at": row.at, "account": row.account, "action": row.action, "what": row.what} for row in rows
    ]


@router.post("/operator/invitations", status_code=201)
def add_invitation(body: NewInvitation, caller: Operates) -> dict[str, str]:
    """Return the link of an invitation; it works once."""
    secret = invite(caller.session, body.role, caller.id, caller.now)
    return {"link": f"{caller.studio.settings.address}/welcome/{secret}"}

"""One's own account and tokens, and what an operator sees."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import func, select

from ..accounts import invite, make_token
from ..people import delete_account, erase, export, mine, note
from ..settings import limit
from ..shapes import (
    AccountShape,
    AuditLine,
    FailureShape,
    InvitationMade,
    NewInvitation,
    NewToken,
    Overview,
    OwnAccount,
    TokenMade,
    TokenShape,
)
from ..storage import AccountRow, AuditRow, JobRow, PhotoRow, PictureRow, TokenRow
from ..work.queue import waiting
from .answers import ZipFile
from .callers import Deletes, Operates, Reads, Works
from .shaping import account_shape

router = APIRouter(tags=["account"])


@router.get("/account")
def show_account(caller: Reads) -> OwnAccount:
    """Return one's name and role, and how long the studio keeps what."""
    return OwnAccount(**account_shape(caller.account).model_dump(), days=caller.studio.settings.days)


@router.post("/account/export", response_class=ZipFile)
def export_account(caller: Deletes) -> ZipFile:
    """Return all that is known of one's people, as a zip."""
    return ZipFile(export(caller.session, caller.studio.blobs, caller.account, caller.now), "my-data.zip")


@router.delete("/account", status_code=204)
def remove_account(caller: Deletes) -> Response:
    """Delete one's account with everybody in it."""
    account = caller.session.get_one(AccountRow, caller.id)
    delete_account(caller.session, caller.studio.blobs, caller.studio.hosts, account, caller.now)
    caller.session.commit()
    erase(caller.studio.database)
    return Response(status_code=204)


@router.get("/tokens")
def list_tokens(caller: Reads) -> list[TokenShape]:
    """Return one's tokens, without their secrets."""
    rows = caller.session.scalars(select(TokenRow).where(TokenRow.owner_id == caller.id).order_by(TokenRow.created))
    return [TokenShape(id=row.id, name=row.name, scopes=row.scopes.split(), created=row.created) for row in rows]


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
def list_accounts(caller: Operates) -> list[AccountShape]:
    """Return who has an account."""
    return [account_shape(row) for row in caller.session.scalars(select(AccountRow).order_by(AccountRow.created))]


@router.get("/operator/queue")
def show_queue(caller: Operates) -> Overview:
    """Return the jobs, the reasons of the last failures and the bytes of each kind; nobody's photos or names."""
    kinds = {"photos": PhotoRow, "pictures": PictureRow}
    counts = caller.session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all()
    failed = caller.session.scalars(
        select(JobRow).where(JobRow.state == "failed").order_by(JobRow.ended.desc()).limit(50)
    )
    return Overview(
        counts=dict(counts),  # type: ignore[arg-type]
        next=[row.id for row in waiting(caller.session)[:50]],
        failures=[FailureShape(job=row.id, kind=row.kind, reason=row.reason, ended=row.ended) for row in failed],
        stored={kind: caller.session.scalar(select(func.sum(table.size))) or 0 for kind, table in kinds.items()},
        warning=caller.studio.settings.marking.warning,
    )


@router.get("/operator/audit")
def show_audit(caller: Operates, before: Annotated[int, Query(ge=0, le=2**53)] = 2**53) -> list[AuditLine]:
    """Return 200 lines of the audit log, the newest first."""
    rows = caller.session.scalars(select(AuditRow).where(AuditRow.id < before).order_by(AuditRow.id.desc()).limit(200))
    return [AuditLine(id=row.id, at=row.at, account=row.account, action=row.action, what=row.what) for row in rows]


@router.post("/operator/invitations", status_code=201)
def add_invitation(body: NewInvitation, caller: Operates) -> InvitationMade:
    """Return the link of an invitation; it works once."""
    secret = invite(caller.session, body.role, caller.id, caller.now)
    link = f"{caller.studio.settings.address}/welcome/{secret}"
    return InvitationMade(link=link, hours=limit("invitation_hours"))

"""My data: what is kept, until when, export, delete. And what an operator sees."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from sqlalchemy import func, select

from ..accounts import OPERATOR, OWNER, SCOPES, change_password, invite, make_token
from ..people import consent_of, delete_account, delete_person, erase, export, mine, note
from ..settings import limit
from ..storage import AccountRow, AuditRow, JobRow, PersonRow, PhotoRow, PictureRow, TokenRow
from ..work.queue import waiting
from .visitors import Changes, Looks, ShortText, only_operators, signed_out

router = APIRouter(include_in_schema=False)


@router.get("/my-data")
def my_data_page(visitor: Looks) -> Response:
    """Show what is kept of whom, and until when."""
    rows = visitor.session.scalars(
        select(PersonRow).where(PersonRow.owner_id == visitor.id).order_by(PersonRow.created)
    )
    people = [(row, consent_of(visitor.session, row)) for row in rows]
    tokens = visitor.session.scalars(select(TokenRow).where(TokenRow.owner_id == visitor.id).order_by(TokenRow.created))
    scopes = [one for one in SCOPES if one != "operate" or visitor.account.role == OPERATOR]
    days = visitor.studio.settings.days
    return visitor.page("my_data.html", people=people, days=days, tokens=tokens.all(), scopes=scopes)


@router.post("/my-data/tokens")
def add_token(visitor: Changes, name: ShortText = "", scope: Annotated[list[str], Form()] = []) -> Response:  # noqa: B006
    """Make a token for a program, and show its secret this once."""
    _, secret = make_token(visitor.session, visitor.account, name, scope, visitor.now)
    return visitor.page("token.html", secret=secret)


@router.post("/my-data/tokens/{token}/delete")
def remove_token(token: str, visitor: Changes) -> Response:
    """End a token."""
    visitor.session.delete(mine(visitor.session, TokenRow, token, visitor.id))
    note(visitor.session, visitor.now, visitor.id, "token ended", token)
    return RedirectResponse("/my-data", 303)


@router.post("/my-data/password")
def new_password(visitor: Changes, old: ShortText = "", new: ShortText = "") -> Response:
    """Change the password; whoever is signed in, here too, signs in again."""
    change_password(visitor.session, visitor.account, old, new, visitor.now)
    return signed_out(visitor)


@router.post("/my-data/export")
def export_all(visitor: Changes) -> StreamingResponse:
    """Return everything as a zip."""
    packed = export(visitor.session, visitor.studio.blobs, visitor.account, visitor.now)
    headers = {"content-disposition": 'attachment; filename="my-data.zip"'}
    return StreamingResponse(packed, media_type="application/zip", headers=headers)


@router.post("/people/{person}/delete")
def remove_person(person: str, visitor: Changes) -> Response:
    """Delete a person for good."""
    row = mine(visitor.session, PersonRow, person, visitor.id)
    delete_person(visitor.session, visitor.studio.blobs, visitor.studio.hosts, row, visitor.now)
    visitor.session.commit()
    erase(visitor.studio.database)
    return RedirectResponse("/people", 303)


@router.post("/my-data/delete")
def remove_account(visitor: Changes) -> Response:
    """Delete the account with everybody in it."""
    delete_account(visitor.session, visitor.studio.blobs, visitor.studio.hosts, visitor.account, visitor.now)
    visitor.session.commit()
    erase(visitor.studio.database)
    return signed_out(visitor)


@router.get("/operator")
def operator_page(visitor: Looks) -> Response:
    """Show users, queue, failures, storage and the audit log; nobody's names for people, and no photos."""
    only_operators(visitor)
    session = visitor.session
    sizes = [session.scalar(select(func.coalesce(func.sum(table.size), 0))) for table in (PhotoRow, PictureRow)]
    failed = select(JobRow).where(JobRow.state == "failed").order_by(JobRow.ended.desc()).limit(20)
    return visitor.page(
        "operator.html",
        accounts=session.scalars(select(AccountRow).order_by(AccountRow.created)).all(),
        counts=session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all(),
        queue=len(waiting(session)),
        failures=session.scalars(failed).all(),
        megabytes=[round((size or 0) / 1e6, 1) for size in sizes],
        audit=session.scalars(select(AuditRow).order_by(AuditRow.id.desc()).limit(50)).all(),
        warning=visitor.studio.settings.marking.warning,
        link="",
    )


@router.post("/operator/invite")
def invite_somebody(visitor: Changes) -> Response:
    """Show a link that makes one account."""
    only_operators(visitor)
    secret = invite(visitor.session, OWNER, visitor.id, visitor.now)
    link = f"{visitor.studio.settings.address}/welcome/{secret}"
    return visitor.page("invited.html", link=link, hours=limit("invitation_hours"))

"""My data: what is kept, until when, export, delete. And what an operator sees."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from ..accounts import OPERATOR, SCOPES
from ..accounts.making import proper_name
from ..shapes import NewInvitation, NewToken, PasswordChange
from .visitors import Changes, Looks, ShortText, only_operators, sent, signed_out, wish

router = APIRouter(include_in_schema=False)


@router.get("/my-data")
def my_data_page(visitor: Looks) -> Response:
    """Show what is kept of whom, and until when."""
    operator = visitor.login.account.role == OPERATOR
    return visitor.page(
        "my_data.html",
        people=visitor.studio.list_subjects(),
        days=visitor.studio.show_account().days,
        tokens=visitor.studio.list_tokens(),
        scopes=[one for one in SCOPES if one != "operate" or operator],
    )


@router.post("/my-data/tokens")
def add_token(visitor: Changes, name: ShortText = "", scope: Annotated[list[str], Form()] = []) -> Response:  # noqa: B006
    """Make a token for a program, and show its secret this once."""
    made = visitor.studio.add_token(wish(NewToken, name=proper_name(name), scopes=scope))
    return visitor.page("token.html", secret=made.secret)


@router.post("/my-data/tokens/{token}/delete")
def remove_token(token: str, visitor: Changes) -> Response:
    """End a token."""
    visitor.studio.remove_token(token)
    return RedirectResponse("/my-data", 303)


@router.post("/my-data/password")
def new_password(visitor: Changes, old: ShortText = "", new: ShortText = "") -> Response:
    """Change the password; whoever is signed in, here too, signs in again."""
    visitor.studio.set_password(wish(PasswordChange, old=old, new=new))
    return signed_out(visitor)


@router.post("/my-data/export")
def export_all(visitor: Changes) -> Response:
    """Return everything as a zip."""
    return sent(visitor.studio.export_account(), {"content-disposition": 'attachment; filename="my-data.zip"'})


@router.post("/people/{person}/delete")
def remove_person(person: str, visitor: Changes) -> Response:
    """Delete a person for good."""
    visitor.studio.remove_subject(person)
    return RedirectResponse("/people", 303)


@router.post("/my-data/delete")
def remove_account(visitor: Changes) -> Response:
    """Delete the account with everybody in it."""
    visitor.studio.remove_account()
    return signed_out(visitor)


@router.get("/operator")
def operator_page(visitor: Looks) -> Response:
    """Show users, queue, failures, storage and the audit log; nobody's names for people, and no photos."""
    only_operators(visitor)
    audit = visitor.studio.show_audit()[:50]
    return visitor.page(
        "operator.html", accounts=visitor.studio.list_accounts(), queue=visitor.studio.show_queue(), audit=audit
    )


@router.post("/operator/invite")
def invite_somebody(visitor: Changes) -> Response:
    """Show a link that makes one account."""
    only_operators(visitor)
    made = visitor.studio.add_invitation(NewInvitation())
    return visitor.page("invited.html", link=made.link, hours=made.hours)

"""Browsers that are signed in at a server with pages: only such a server, with its token, may ask here."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ..accounts import accept, begin, change_password, seen, sign_in, sign_out, signed_in
from ..errors import StudioError
from ..shapes import LoginMade, LoginShape, NewAccount, PasswordChange, SignIn
from .callers import Doors, Fronts
from .shaping import account_shape

router = APIRouter(tags=["logins"])


@router.post("/logins", status_code=201)
def add_login(body: SignIn, caller: Doors) -> LoginMade:
    """Sign a browser in; a wrong name and a wrong password are one answer."""
    caller.session.close()  # nothing is held while the password is looked at
    made = sign_in(caller.studio.database, body.name, body.password, body.address, caller.now)
    if made is None:
        raise StudioError("wrong_password", 403)
    return LoginMade(secret=made.secret)


@router.post("/logins/accounts", status_code=201)
def add_account(body: NewAccount, caller: Doors) -> LoginMade:
    """Make the account of an invitation, which ends with it, and sign its browser in."""
    caller.session.close()
    with caller.studio.database.session() as session:
        account = accept(session, body.invitation, body.name, body.password, body.language, caller.now)
        return LoginMade(secret=begin(session, account, caller.now).secret)


@router.get("/logins/current")
def show_login(caller: Fronts) -> LoginShape:
    """Return whose browser it is."""
    found = signed_in(caller.session, caller.login, caller.now)
    if found is None:
        raise StudioError("sign_in", 401)
    seen(caller.studio.database, found[1], caller.now)
    return LoginShape(account=account_shape(found[0]), csrf=found[1].csrf)


@router.delete("/logins/current", status_code=204)
def remove_login(caller: Fronts) -> Response:
    """Sign this browser out."""
    sign_out(caller.session, caller.login, caller.now)
    return Response(status_code=204)


@router.put("/logins/current/password", status_code=204)
def set_password(body: PasswordChange, caller: Fronts) -> Response:
    """Change the password of whoever is signed in; every browser signs in again."""
    if not caller.login:
        raise StudioError("sign_in", 401)
    change_password(caller.session, caller.account, body.old, body.new, caller.now)
    return Response(status_code=204)

"""Who somebody is: accounts, sign-ins, invitations, tokens of programs, and what is done against guessing."""

from .logins import Login, begin, seen, sign_in, sign_out, signed_in
from .making import FIRST, OPERATOR, OWNER, accept, change_password, first_link, invite
from .tokens import SCOPES, Holder, holder_of, make_token
from .tries import Tries

__all__ = [
    "FIRST",
    "OPERATOR",
    "OWNER",
    "SCOPES",
    "Holder",
    "Login",
    "Tries",
    "accept",
    "begin",
    "change_password",
    "first_link",
    "holder_of",
    "invite",
    "make_token",
    "seen",
    "sign_in",
    "sign_out",
    "signed_in",
]

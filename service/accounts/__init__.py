"""Who somebody is: accounts, sign-ins, invitations, tokens of programs, and what is done against guessing."""

from .logins import Login, begin, seen, sign_in, sign_out, signed_in
from .making import FIRST, FRONT, OPERATOR, OWNER, accept, change_password, first_link, invite
from .tokens import AT_THE_DOOR, SCOPES, Holder, everything, holder_of, make_front, make_token
from .tries import Tries

__all__ = [
    "AT_THE_DOOR",
    "FIRST",
    "FRONT",
    "OPERATOR",
    "OWNER",
    "SCOPES",
    "Holder",
    "Login",
    "Tries",
    "accept",
    "begin",
    "change_password",
    "everything",
    "first_link",
    "holder_of",
    "invite",
    "make_front",
    "make_token",
    "seen",
    "sign_in",
    "sign_out",
    "signed_in",
]

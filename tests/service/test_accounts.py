"""Who may come in, and what is done against those who guess."""

from __future__ import annotations

from datetime import timedelta

import pytest
from argon2 import extract_parameters, profiles
from sqlalchemy import select

from portrait_studio.service.accounts import (
    first_link,
    holder_of,
    invite,
    make_token,
    seen,
    sign_out,
    signed_in,
)
from portrait_studio.service.accounts.logins import begin, sign_in
from portrait_studio.service.accounts.making import accept, change_password
from portrait_studio.service.errors import StudioError
from portrait_studio.service.storage import AccountRow, InvitationRow, LoginRow, TokenRow

from .conftest import PASSWORD, everything_below, new_account


def attempt(studio, name, password, address="1.2.3.4"):
    return sign_in(studio.database, name, password, address, studio.settings.clock())


def test_there_is_no_account_and_no_password_before_the_first_link_is_followed(studio):
    assert attempt(studio, "admin", "admin") is None
    with studio.database.session() as session:
        assert session.scalar(select(AccountRow)) is None


def test_the_first_link_makes_an_operator_once_and_the_one_printed_last_is_it(studio):
    now = studio.settings.clock()
    with studio.database.session() as session:
        older = first_link(session, now)
    with studio.database.session() as session:
        newer = first_link(session, now)
    for secret, works in ((older, False), (newer, True), (newer, False)):
        try:
            with studio.database.session() as session:
                assert accept(session, secret, f"o{works}", PASSWORD, "en", now).role == "operator"
        except StudioError as error:
            assert not works
            assert error.kind == "link_used"
        else:
            assert works
    with studio.database.session() as session:
        assert first_link(session, now) == ""


def test_an_invitation_ends_with_its_time_and_survives_a_bad_password(studio, operator, clock):
    with studio.database.session() as session:
        secret = invite(session, "owner", operator.id, clock())
    with pytest.raises(StudioError, match="12 to 200"), studio.database.session() as session:
        accept(session, secret, "anna", "short", "en", clock())
    with pytest.raises(StudioError, match="has this name"), studio.database.session() as session:
        accept(session, secret, "olivia", PASSWORD, "en", clock())
    with studio.database.session() as session:
        assert session.scalar(select(InvitationRow)) is not None
    clock.move(hours=73)
    with pytest.raises(StudioError, match="too old"), studio.database.session() as session:
        accept(session, secret, "anna", PASSWORD, "en", clock())


def test_passwords_are_argon2_and_no_secret_is_on_the_disk(studio, anna, tmp_path, clock, real_hash):
    login = attempt(studio, "anna", PASSWORD)
    with studio.database.session() as session:
        _, token = make_token(session, session.get_one(AccountRow, anna.id), "a script", ["read"], clock())
    assert anna.password.startswith("$argon2id$")
    assert extract_parameters(real_hash) == profiles.RFC_9106_LOW_MEMORY
    kept = everything_below(tmp_path)
    for secret in (PASSWORD, login.secret, token):
        assert secret.encode() not in kept


def test_one_password_in_two_spellings_of_korean_is_one_password(studio, operator):
    with studio.database.session() as session:
        secret = invite(session, "owner", operator.id, studio.settings.clock())
        accept(session, secret, "지수", "각" * 12, "ko", studio.settings.clock())
    assert attempt(studio, "지수", "\u1100\u1161\u11a8" * 12)


def test_a_name_is_locked_after_too_many_tries_and_opens_by_itself(studio, anna, bert, clock):
    for _ in range(8):
        assert attempt(studio, "anna", "wrong") is None
    with pytest.raises(StudioError, match="wait 15 minutes") as caught:
        attempt(studio, "anna", PASSWORD)
    assert caught.value.status == 429
    assert attempt(studio, "bert", PASSWORD)
    clock.move(minutes=16)
    assert attempt(studio, "anna", PASSWORD)


def test_an_address_that_tries_many_names_is_stopped(studio, anna):
    for number in range(40):
        assert attempt(studio, f"guess {number}", "wrong") is None
    with pytest.raises(StudioError):
        attempt(studio, "anna", PASSWORD)
    assert attempt(studio, "anna", PASSWORD, "5.6.7.8")


def test_a_cookie_is_worth_nothing_after_signing_out_or_a_day_of_quiet(studio, anna, clock):
    def who(secret):
        with studio.database.session() as session:
            found = signed_in(session, secret, clock())
            return found and found[0].name

    first, second = attempt(studio, "anna", PASSWORD).secret, attempt(studio, "anna", PASSWORD).secret
    assert who(first) == who(second) == "anna"
    with studio.database.session() as session:
        sign_out(session, first, clock())
    assert (who(first), who(second)) == (None, "anna")
    clock.move(hours=25)
    assert who(second) is None
    assert who("") is None


def test_a_login_ends_after_a_week_even_if_it_is_used_all_the_time(studio, anna, clock):
    secret = attempt(studio, "anna", PASSWORD).secret
    for _ in range(20):
        clock.move(hours=10)
        with studio.database.session() as session:
            found = signed_in(session, secret, clock())
        if found:
            seen(studio.database, found[1], clock())
    assert found is None
    assert clock() < anna.created + timedelta(days=9)


def test_a_changed_password_ends_every_login(studio, anna, clock):
    secret = attempt(studio, "anna", PASSWORD).secret
    with pytest.raises(StudioError), studio.database.session() as session:
        change_password(session, session.get_one(AccountRow, anna.id), "wrong", PASSWORD * 2, clock())
    with studio.database.session() as session:
        change_password(session, session.get_one(AccountRow, anna.id), PASSWORD, PASSWORD * 2, clock())
    with studio.database.session() as session:
        assert signed_in(session, secret, clock()) is None
        assert session.scalar(select(LoginRow)) is None
    assert attempt(studio, "anna", PASSWORD) is None


def test_a_token_does_what_its_scopes_say_and_no_more(studio, operator, anna, clock):
    with studio.database.session() as session:
        _, secret = make_token(session, session.get_one(AccountRow, anna.id), "script", ["read", "operate"], clock())
    with studio.database.session() as session:
        holder = holder_of(session, secret)
        holder.require("read")
        for scope in ("photos", "operate"):  # `operate` is the operator's, whatever a token says
            with pytest.raises(StudioError) as caught:
                holder.require(scope)
            assert caught.value.status == 403
        assert holder_of(session, "pst_guess") is None
        assert secret not in session.scalar(select(TokenRow.hash))


@pytest.mark.parametrize("scopes", [[], ["everything"]])
def test_a_token_without_known_scopes_is_not_made(studio, anna, scopes, clock):
    with pytest.raises(StudioError), studio.database.session() as session:
        make_token(session, session.get_one(AccountRow, anna.id), "script", scopes, clock())


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "😀" * 300, "\u202e\u2066"])
def test_a_name_that_cannot_be_shown_is_refused(studio, operator, name):
    with pytest.raises(StudioError, match="1 to 60 letters"):
        new_account(studio, name)


def test_two_browsers_have_two_csrf_tokens(studio, anna, clock):
    with studio.database.session() as session:
        account = session.get_one(AccountRow, anna.id)
        begin(session, account, clock())
        begin(session, account, clock())
        session.flush()
        assert len(set(session.scalars(select(LoginRow.csrf)))) == 2

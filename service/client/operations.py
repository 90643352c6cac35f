"""Every operation of the API as a method, of the same name; the names of paths and queries are the arguments'.

A test compares them with the description that is made of the routes, so none is missing and none takes or gives
something else. All raise StudioError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from ..shapes import (
    AccountShape,
    AnotherLook,
    AuditLine,
    ConsentText,
    InvitationMade,
    JobShape,
    LoginMade,
    LoginShape,
    NewAccount,
    NewInvitation,
    NewSession,
    NewSubject,
    NewToken,
    Overview,
    OwnAccount,
    PasswordChange,
    PhotoShape,
    PhotoTaken,
    PictureShape,
    Presets,
    SessionShape,
    SignIn,
    SubjectShape,
    TokenMade,
    TokenShape,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Content:
    """A file: its media type, and its bytes in pieces, to be read once."""

    media_type: str
    pieces: Iterable[bytes]

    def read(self) -> bytes:
        """Return all bytes."""
        return b"".join(self.pieces)


class Operations(ABC):
    """What somebody may ask of a studio. `key` makes a request that is sent twice have one effect."""

    @abstractmethod
    def _ask(
        self, method: str, path: str, gives: type[T], body: BaseModel | None = None, key: str = "", **where: Any
    ) -> T:
        """Return the answer; `where` fills the path, and what is not in the path is the query."""

    @abstractmethod
    def _fetch(self, method: str, path: str, **where: Any) -> Content:
        """Return the file that is the answer."""

    @abstractmethod
    def add_photos(self, subject: str, files: Iterable[tuple[str, bytes]]) -> list[PhotoTaken]:
        """Send photos, (name, content); each is answered for itself."""

    def show_consent(self, language: str = "en") -> ConsentText:
        """Return the text that is agreed to when a subject is made."""
        return self._ask("GET", "/consent", ConsentText, language=language)

    def add_subject(self, body: NewSubject, key: str = "") -> SubjectShape:
        """Make a subject, with the consent that its photos may be used."""
        return self._ask("POST", "/subjects", SubjectShape, body, key)

    def list_subjects(self) -> list[SubjectShape]:
        """Return all subjects, in the order in which they were made."""
        return self._ask("GET", "/subjects", list[SubjectShape])

    def show_subject(self, subject: str) -> SubjectShape:
        """Return a subject."""
        return self._ask("GET", "/subjects/{subject}", SubjectShape, subject=subject)

    def remove_subject(self, subject: str) -> None:
        """Delete a subject with all that was made of it."""
        return self._ask("DELETE", "/subjects/{subject}", type(None), subject=subject)

    def show_report(self, subject: str) -> dict[str, Any]:
        """Return the report on a subject's photos: empty while they are looked at."""
        return self._ask("GET", "/subjects/{subject}/report", dict[str, Any], subject=subject)

    def list_photos(self, subject: str) -> list[PhotoShape]:
        """Return a subject's photos with the verdict on each."""
        return self._ask("GET", "/subjects/{subject}/photos", list[PhotoShape], subject=subject)

    def show_photo(self, photo: str) -> PhotoShape:
        """Return a photo's verdict."""
        return self._ask("GET", "/photos/{photo}", PhotoShape, photo=photo)

    def photo_file(self, photo: str) -> Content:
        """Return a photo as it is kept."""
        return self._fetch("GET", "/photos/{photo}/file", photo=photo)

    def remove_photo(self, photo: str) -> None:
        """Delete one photo."""
        return self._ask("DELETE", "/photos/{photo}", type(None), photo=photo)

    def list_presets(self) -> Presets:
        """Return the names of the poses and tones to choose from."""
        return self._ask("GET", "/presets", Presets)

    def pose_picture(self, pose: str) -> Content:
        """Return a portrait in a pose."""
        return self._fetch("GET", "/presets/poses/{pose}/picture", pose=pose)

    def tone_picture(self, tone: str) -> Content:
        """Return a portrait in a tone."""
        return self._fetch("GET", "/presets/tones/{tone}/picture", tone=tone)

    def add_session(self, subject: str, body: NewSession, key: str = "") -> SessionShape:
        """Order a session."""
        return self._ask("POST", "/subjects/{subject}/sessions", SessionShape, body, key, subject=subject)

    def list_sessions(self) -> list[SessionShape]:
        """Return all sessions with their jobs, the newest first."""
        return self._ask("GET", "/sessions", list[SessionShape])

    def show_session(self, session: str) -> SessionShape:
        """Return a session with its jobs, their places in the queue and their progress."""
        return self._ask("GET", "/sessions/{session}", SessionShape, session=session)

    def cancel_session(self, session: str) -> SessionShape:
        """Cancel every job of a session that has not ended."""
        return self._ask("POST", "/sessions/{session}/cancel", SessionShape, session=session)

    def show_job(self, job: str) -> JobShape:
        """Return a job."""
        return self._ask("GET", "/jobs/{job}", JobShape, job=job)

    def cancel_job(self, job: str) -> JobShape:
        """Cancel a job that waits or runs."""
        return self._ask("POST", "/jobs/{job}/cancel", JobShape, job=job)

    def list_pictures(self, subject: str) -> list[PictureShape]:
        """Return a subject's portraits after every stage, the most alike first."""
        return self._ask("GET", "/subjects/{subject}/pictures", list[PictureShape], subject=subject)

    def pictures_archive(self, subject: str) -> Content:
        """Return a subject's portraits as a zip, the most alike first."""
        return self._fetch("GET", "/subjects/{subject}/pictures/archive", subject=subject)

    def show_picture(self, picture: str) -> PictureShape:
        """Return what is known of a portrait."""
        return self._ask("GET", "/pictures/{picture}", PictureShape, picture=picture)

    def picture_file(self, picture: str) -> Content:
        """Return a portrait."""
        return self._fetch("GET", "/pictures/{picture}/file", picture=picture)

    def add_again(self, picture: str, body: AnotherLook, key: str = "") -> SessionShape:
        """Order a portrait once more: with another pose or tone, or with a seed that the look has not had."""
        return self._ask("POST", "/pictures/{picture}/again", SessionShape, body, key, picture=picture)

    def remove_picture(self, picture: str) -> None:
        """Delete a portrait."""
        return self._ask("DELETE", "/pictures/{picture}", type(None), picture=picture)

    def show_account(self) -> OwnAccount:
        """Return one's name and role, and how long the studio keeps what."""
        return self._ask("GET", "/account", OwnAccount)

    def export_account(self) -> Content:
        """Return all that is known of one's people, as a zip."""
        return self._fetch("POST", "/account/export")

    def remove_account(self) -> None:
        """Delete one's account with everybody in it."""
        return self._ask("DELETE", "/account", type(None))

    def list_tokens(self) -> list[TokenShape]:
        """Return one's tokens, without their secrets."""
        return self._ask("GET", "/tokens", list[TokenShape])

    def add_token(self, body: NewToken) -> TokenMade:
        """Make a token with no more rights than the one it is made with."""
        return self._ask("POST", "/tokens", TokenMade, body)

    def remove_token(self, token: str) -> None:
        """End a token."""
        return self._ask("DELETE", "/tokens/{token}", type(None), token=token)

    def list_accounts(self) -> list[AccountShape]:
        """Return who has an account; for operators."""
        return self._ask("GET", "/operator/accounts", list[AccountShape])

    def show_queue(self) -> Overview:
        """Return the jobs, the last failures and the bytes of each kind; for operators."""
        return self._ask("GET", "/operator/queue", Overview)

    def show_audit(self, before: int = 2**53) -> list[AuditLine]:
        """Return 200 lines of the audit log, the newest first; for operators."""
        return self._ask("GET", "/operator/audit", list[AuditLine], before=before)

    def add_invitation(self, body: NewInvitation) -> InvitationMade:
        """Return the link of an invitation; for operators."""
        return self._ask("POST", "/operator/invitations", InvitationMade, body)

    def add_login(self, body: SignIn) -> LoginMade:
        """Sign a browser in; this and the next four are for servers with pages."""
        return self._ask("POST", "/logins", LoginMade, body)

    def add_account(self, body: NewAccount) -> LoginMade:
        """Make the account of an invitation, and sign its browser in."""
        return self._ask("POST", "/logins/accounts", LoginMade, body)

    def show_login(self) -> LoginShape:
        """Return whose browser it is."""
        return self._ask("GET", "/logins/current", LoginShape)

    def remove_login(self) -> None:
        """Sign this browser out."""
        return self._ask("DELETE", "/logins/current", type(None))

    def set_password(self, body: PasswordChange) -> None:
        """Change the password of whoever is signed in; every browser signs in again."""
        return self._ask("PUT", "/logins/current/password", type(None), body)

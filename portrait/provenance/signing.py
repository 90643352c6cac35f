"""The C2PA manifest, signed with the certificate of whoever runs the studio; c2pa-python is optional.

Signing is the last write: any byte changed afterwards breaks the signature, which is what it is for. Nothing is fetched
from anywhere, unless the certificate names a time stamp authority.
"""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import reading
from .containers import ProvenanceError, refuse_others
from .xmp import SOURCES, TOOL

ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
OFFLINE = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
_MIME = {"png": "image/png", "jpeg": "image/jpeg"}


@dataclass(frozen=True)
class Certificate:
    """The operator's certificate chain and private key, PEM files both; `time_stamps` is an authority's address."""

    chain: Path
    key: Path
    algorithm: str = "es256"
    time_stamps: str = ""


def available() -> bool:
    """Whether c2pa-python is installed."""
    return importlib.util.find_spec("c2pa") is not None


def sign(data: bytes, source: str, facts: Mapping[str, str], certificate: Certificate, name: str) -> bytes:
    """Return the picture with a signed manifest in it; nothing may be written into it afterwards.

    Raises ProvenanceError when c2pa-python is missing, or the certificate, its key or the picture cannot be used.
    """
    mime = _MIME[refuse_others(data, name)]
    c2pa = library()
    chain, key = _pem(certificate.chain, "certificate"), _pem(certificate.key, "key")
    if certificate.algorithm not in ALGORITHMS:
        raise ProvenanceError(
            f"{certificate.algorithm!r} is not an algorithm that C2PA signs with; use one of {', '.join(ALGORITHMS)}."
        )
    stamps = certificate.time_stamps.encode() or None
    out = io.BytesIO()
    try:
        info = c2pa.C2paSignerInfo(certificate.algorithm.encode(), chain, key, stamps)
        with (
            c2pa.Settings.from_dict(OFFLINE) as settings,
            c2pa.Context(settings=settings) as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(_manifest(mime, source, facts), context) as builder,
        ):
            builder.sign(signer, mime, io.BytesIO(data), out)
    except (c2pa.C2paError, OSError, ValueError) as error:
        raise ProvenanceError(
            f"{name} cannot be signed ({_short(error)}); see the certificate {certificate.chain.name!r} and its key."
        ) from error
    return out.getvalue()


def read(data: bytes, name: str) -> dict[str, Any]:
    """Return what c2pa-python finds: `state` (Valid, Trusted, Invalid), `signer`, `issuer`, `source`, `problems`."""
    c2pa = library()
    mime = _MIME[refuse_others(data, name)]
    try:
        with (
            c2pa.Settings.from_dict(OFFLINE) as settings,
            c2pa.Context(settings=settings) as context,
            c2pa.Reader(mime, io.BytesIO(data), context=context) as reader,
        ):
            state, told = str(reader.get_validation_state()), json.loads(reader.json())
    except (c2pa.C2paError, OSError, ValueError) as error:
        return {"state": "Invalid", "problems": [_short(error)]}
    manifest = told.get("manifests", {}).get(told.get("active_manifest"), {})
    signature = manifest.get("signature_info", {})
    sources = [
        action.get("digitalSourceType")
        for assertion in manifest.get("assertions", [])
        for action in assertion.get("data", {}).get("actions", [])
    ]
    return {
        "state": state,
        "signer": str(signature.get("common_name", "")),
        "issuer": str(signature.get("issuer", "")),
        "source": next((one for one in sources if one), ""),
        "problems": [str(one.get("code")) for one in told.get("validation_status", [])],
    }


def library() -> Any:
    """Return the module c2pa. Raises ProvenanceError when it is not installed."""
    try:
        import c2pa
    except ImportError as error:
        raise ProvenanceError(
            "Pictures are signed with the package c2pa-python, which is missing; install portrait-studio[provenance]."
        ) from error
    return c2pa


def _manifest(mime: str, source: str, facts: Mapping[str, str]) -> dict[str, Any]:
    action = {"action": "c2pa.created", "digitalSourceType": SOURCES[source], "softwareAgent": {"name": TOOL}}
    if facts:
        action["parameters"] = {f"org.portrait-studio.{key}": value for key, value in facts.items()}
    return {
        "claim_generator_info": [{"name": TOOL}],
        "title": "portrait",
        "format": mime,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }


def _pem(file: Path, what: str) -> bytes:
    try:
        return reading.read(file, "certificate")
    except reading.ReadError as error:
        raise ProvenanceError(f"The {what} {file.name!r} cannot be read ({error}); give a PEM file.") from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

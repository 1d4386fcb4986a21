"""What the service takes and gives, as OpenAPI 3.1; the schemas are those of its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from noiseproof.service.messages import (
    AttackAnswer,
    Begun,
    CertifyAnswer,
    Counted,
    DecideAnswer,
    ErrorMessage,
    PredictAnswer,
)
from noiseproof.service.question import MESSAGES, PICTURES, longest_body
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.service.service import Service

_ANSWERS: dict[str, tuple[type, ...]] = {
    "predict": (PredictAnswer,),
    "certify": (Begun, Counted, CertifyAnswer, ErrorMessage),
    "decide": (DecideAnswer,),
    "attack": (AttackAnswer,),
}
_ABOUT = """The smoothed classifier g of one base classifier under one noise.

Each answer holds with probability at least 1 - alpha over its own noise, whose seed the operating system gives when the
input is known; its counts are kept in a run folder of their own, which noiseproof verify takes. Of m answers, all hold
together with probability at least 1 - m alpha: whoever needs them together asks each at alpha / m. Whoever asks about
one input until he likes what he hears has chosen among so many answers."""
_REFUSED = {
    "400": "The body is not JSON.",
    "401": "A token is asked for: Authorization: Bearer TOKEN.",
    "408": "The body did not come.",
    "413": "The body is too long.",
    "415": "The content type is not one of those.",
    "422": "A field does not fit; the text names it, the rule and the value.",
    "429": "As many wait as may; Retry-After says when to come again.",
    "500": "The base classifier failed.",
    "503": "The service ends, its disk is full, or the request took too long.",
}


def openapi(service: Service, *, token: bool) -> dict[str, Any]:
    """The document.

    Args:
        service: whose limits and shapes it names.
        token: whether one is asked for.
    """
    shape = service.job.data.shape
    kinds = [*MESSAGES.values(), *{kind for several in _ANSWERS.values() for kind in several}]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    of = dict(zip(kinds, schemas, strict=True))
    paths = {f"/v1/{asked}": {"post": _asked(asked, of, components, shape)} for asked in MESSAGES}
    paths |= {
        "/healthz": _get("Whether questions are taken in.", "application/json", more={"503": "The service ends."}),
        "/metrics": _get("What the service counts of itself, for Prometheus.", "text/plain"),
        "/openapi.json": _get("This.", "application/json"),
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "noiseproof", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": components},
    }
    if token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _asked(
    asked: str, of: dict[type, dict[str, Any]], components: dict[str, Any], shape: tuple[int, ...]
) -> dict[str, Any]:
    message = MESSAGES[asked]
    fields = components[message.__name__]["properties"]
    answers = [of[kind] for kind in _ANSWERS[asked]]
    content = {"application/x-ndjson": {"schema": {"oneOf": answers}}} if len(answers) > 1 else _json(answers[0])
    return {
        "operationId": asked,
        "summary": (message.__doc__ or "").strip(),
        "description": f"An input has the shape {list(shape)}, a body {longest_body(shape):,} bytes at most.",
        "requestBody": {
            "required": True,
            "content": _json(of[message])
            | {kind: {"schema": {"type": "string", "format": "binary"}} for kind in PICTURES},
        },
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema, "description": "With a picture as body."}
            for name, schema in fields.items()
            if name not in ("picture", "pixels", "index")
        ],
        "responses": {
            "200": {
                "description": "The answer" + (", a JSON object a line." if len(answers) > 1 else "."),
                "content": content,
            },
            **{status: {"description": said, "content": _json(of[ErrorMessage])} for status, said in _REFUSED.items()},
        },
    }


def _get(said: str, kind: str, more: dict[str, str] | None = None) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": said, "content": {kind: {}}}}
    responses |= {status: {"description": text, "content": {kind: {}}} for status, text in (more or {}).items()}
    return {"get": {"summary": said, "responses": responses}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}

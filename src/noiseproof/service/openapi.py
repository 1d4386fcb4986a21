"""What the service takes and gives, as OpenAPI 3.1; the schemas are those of its messages."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from noiseproof.service.messages import (
    AttackAnswer,
    Begun,
    CertifyAnswer,
    Counted,
    DecideAnswer,
    ErrorLine,
    ErrorMessage,
    InputMessage,
    PredictAnswer,
)
from noiseproof.service.question import MESSAGES, PICTURES, PROCEDURES, longest_body
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.service.service import Service

_ANSWERS: dict[str, tuple[type, ...]] = {
    "predict": (PredictAnswer,),
    "certify": (Begun, Counted, CertifyAnswer, ErrorLine),
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
    kinds = [*MESSAGES.values(), *(kind for several in _ANSWERS.values() for kind in several), ErrorMessage]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    of = dict(zip(kinds, schemas, strict=True))
    for message in MESSAGES.values():
        _narrow(message, components[message.__name__], service)
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


def _narrow(message: type[InputMessage], schema: dict[str, Any], service: Service) -> None:
    """Say what this service takes of what the message can hold: its shape, its pictures, its limits; one input."""
    fields, data, most = schema["properties"], service.job.data, service.limits.most_draws
    pixels: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 255}
    for length in reversed(data.shape):
        pixels = {"type": "array", "items": pixels, "minItems": length, "maxItems": length}
    fields["pixels"] = pixels | {"description": f"8-bit pixels, {list(data.shape)}."}
    fields["index"] = {"type": "integer", "minimum": 0, "maximum": len(data) - 1, "description": f"Of {data.name}."}
    fields["picture"] = {
        "type": "string",
        "contentEncoding": "base64",
        "description": f"A PNG or JPEG of {data.shape[2]} x {data.shape[1]} pixels.",
    }
    made, draws = PROCEDURES.get(message, (None, ""))
    for each in () if made is None else dataclasses.fields(made):
        if each.name in fields and each.default is not dataclasses.MISSING:
            fields[each.name]["default"] = each.default
    if draws:
        fields[draws] |= {
            "maximum": most,
            "default": min(fields[draws]["default"], most - fields.get("n0", {}).get("default", 0)),
        }
    if "away_from" in fields:
        fields["away_from"]["maximum"] = len(data.classes) - 1
    schema["oneOf"] = [{"required": [name]} for name in ("picture", "pixels", "index")]


def _asked(
    asked: str, of: dict[type, dict[str, Any]], components: dict[str, Any], shape: tuple[int, ...]
) -> dict[str, Any]:
    message = MESSAGES[asked]
    fields: dict[str, Any] = components[message.__name__]["properties"]
    told = {
        name: field.get("default", 1) for name, field in fields.items() if name not in ("picture", "pixels", "index")
    }
    example = "&".join(f"{name}={value}" for name, value in told.items())
    answers = [of[kind] for kind in _ANSWERS[asked]]
    content = {"application/x-ndjson": {"schema": {"oneOf": answers}}} if len(answers) > 1 else _json(answers[0])
    return {
        "operationId": asked,
        "summary": (message.__doc__ or "").strip(),
        "description": (
            f"An input has the shape {list(shape)}, a body {longest_body(shape):,} bytes at most. Where the body is a "
            f"picture, the other fields stand in the address: /v1/{asked}?{example}."
        ),
        "requestBody": {
            "required": True,
            "content": _json(of[message])
            | {kind: {"schema": {"type": "string", "format": "binary"}} for kind in PICTURES},
        },
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

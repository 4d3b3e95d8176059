"""What /openapi.json says: the routes with the objects they really take and give."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from streams.gateway.envelope import AuditRequest, FeedbackRequest, Reply

_REF: Final = "#/components/schemas/{model}"
_NATIONAL: Final = {
    "200": "answered; output.undecided true: there was no answer in time, care goes on",
    "400": "infcode negative; err_msg begins with the field",
    "401": "no token, or none we know",
    "403": "the token may not do this, or belongs to another institution",
    "408": "the body did not come in time",
    "409": "the msgid came before with another content",
    "413": "the request is too large",
    "415": "neither JSON nor XML",
    "429": "too many requests; wait as Retry-After says",
    "500": "a fault of ours; send again with the same msgid",
    "503": "it could not be stored yet; send again with the same msgid",
}
_PLAIN: Final = {
    "400": "malformed",
    "401": "no token, or none we know",
    "403": "the token may not do this",
    "404": "not found",
    "413": "the request is too large",
    "415": "not JSON",
    "422": "a value that cannot be",
    "429": "too many requests; wait as Retry-After says",
    "500": "a fault of ours",
    "503": "not now",
}
_SUMMARIES: Final = {
    "/api/3101": "明细审核事前分析: what would be found, before the order is given",
    "/api/3102": "明细审核事中分析: what would be found, before the bill is settled",
    "/api/3103": "事前事中服务反馈: what was done about findings",
}


class Refusal(BaseModel):
    """An error of what is no national transaction."""

    error: str
    message: str
    field: str | None = None


def describe_routes(app: FastAPI, patient: type[BaseModel], limit: type[BaseModel], change: type[BaseModel]) -> None:
    """Give ``app`` its OpenAPI document, made when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, patient, limit, change)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(
    app: FastAPI, patient: type[BaseModel], limit: type[BaseModel], change: type[BaseModel]
) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    models = (AuditRequest, FeedbackRequest, Reply, patient, limit, change, Refusal)
    # replies are told as they are read, so that what may be left out is not called required
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    document["components"] = {
        "schemas": dict(sorted(schemas["$defs"].items())),
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "token of a client"}},
    }
    paths = document["paths"]
    secured: list[dict[str, list[str]]] = [{"token": []}]
    for infno, model in (("3101", AuditRequest), ("3102", AuditRequest), ("3103", FeedbackRequest)):
        path = f"/api/{infno}"
        paths[path]["post"] = {
            "operationId": f"transaction_{infno}",
            "summary": _SUMMARIES[path],
            "description": "The same object as XML with Content-Type application/xml is answered in XML.",
            "tags": ["national"],
            "security": secured,
            "requestBody": {"required": True, "content": _json(model)},
            "responses": {status: _told(words, Reply) for status, words in _NATIONAL.items()},
        }
    text = {"text/xml": {"schema": {"type": "string"}}}
    paths["/ws/audit"] = {
        "get": {
            "operationId": "wsdl",
            "summary": "WSDL of the SOAP face; ?wsdl",
            "tags": ["national"],
            "responses": {"200": {"description": "WSDL 1.1", "content": text}},
        },
        "post": {
            "operationId": "soap",
            "summary": "the same transactions as SOAP 1.1",
            "tags": ["national"],
            "security": secured,
            "requestBody": {"required": True, "content": text},
            "responses": {status: {"description": words, "content": text} for status, words in _NATIONAL.items()},
        },
    }
    _put(
        paths["/api/patients/{psn_no}"]["get"],
        "事前提醒: recent visits, remaining medication, series under way, open findings; masked by role",
        "patients",
        patient,
        {"504": "nothing known in time; go on without"},
    )
    _put(paths["/api/thresholds"]["get"], "the thresholds of the last minute's figures", "service", None, {})
    paths["/api/thresholds"]["get"]["responses"]["200"]["content"] = {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["thresholds"],
                "properties": {"thresholds": {"type": "array", "items": {"$ref": _REF.format(model=limit.__name__)}}},
            }
        }
    }
    put = paths["/api/thresholds/{name}"]["put"]
    _put(put, "change a threshold until the process ends", "service", limit, {"408": "the body did not come in time"})
    put["requestBody"] = {"required": True, "content": _json(change)}
    status = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    for path in ("/healthz", "/readyz"):
        paths[path]["get"]["responses"] = {
            "200": {"description": "yes", "content": {"application/json": {"schema": status}}}
        }
    paths["/readyz"]["get"]["responses"]["503"] = {
        "description": "no; the reason is in it",
        "content": {"application/json": {"schema": status}},
    }
    paths["/metrics"]["get"]["responses"] = {
        "200": {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}
    }
    return document


def _put(
    operation: dict[str, Any], summary: str, tag: str, model: type[BaseModel] | None, more: dict[str, str]
) -> None:
    found = _told("found", model) if model is not None else {"description": "found"}
    operation["summary"], operation["tags"], operation["security"] = summary, [tag], [{"token": []}]
    operation["responses"] = {"200": found} | {
        status: _told(words, Refusal) for status, words in sorted((_PLAIN | more).items())
    }


def _told(words: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": words, "content": _json(model)}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}

"""The other two faces of the national messages: the same tree as XML, and as SOAP 1.1 with its WSDL."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import xmltodict
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydantic import BaseModel

from streams.gateway.calls import INTERNAL, MALFORMED, SUCCESS, TOO_LARGE, BadMessage
from streams.gateway.dtos import AuditRequest, FeedbackRequest
from streams.gateway.replies import Reply

MAX_BYTES: Final = 1024 * 1024
NAMESPACE: Final = "urn:fundwatch:audit:1"
SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
OPERATIONS: Final = {"audit3101": "3101", "audit3102": "3102", "feedback3103": "3103"}
"""The transaction behind each SOAP operation."""

_ENVELOPE: Final = f"{{{SOAP}}}Envelope"
_ENCODING: Final = re.compile(
    rb"""^\s*<\?xml[^>]{0,100}?encoding=["'](gb2312|gbk|gb18030)["'][^>]{0,100}\?>""", re.IGNORECASE
)
_UNPRINTABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TYPES: Final[dict[object, str]] = {
    str: "string",
    int: "int",
    float: "decimal",
    Decimal: "decimal",
    bool: "boolean",
    Any: "anyType",
}


def from_xml(data: bytes) -> tuple[Literal["xml", "soap"], str, dict[str, Any]]:
    """The face, the transaction (empty where the message does not say) and the tree of a body; raises :class:`BadMessage`.

    Document types and entities are refused, so nothing is fetched and nothing grows.
    """
    if len(data) > MAX_BYTES:
        raise BadMessage("", f"expected at most {MAX_BYTES} bytes of XML, got {len(data)}", TOO_LARGE)
    data = _in_utf8(data)
    try:
        root = fromstring(data, forbid_dtd=True)
        tree = xmltodict.parse(
            data, process_namespaces=True, namespace_separator=" ", xml_attribs=False, postprocessor=_local
        )
    except DefusedXmlException:
        raise BadMessage(
            "", "expected XML without a document type and entities, got one with them", MALFORMED
        ) from None
    except (SyntaxError, ValueError, LookupError):  # ParseError is a SyntaxError, an unknown encoding a LookupError
        raise BadMessage("", "expected well-formed XML, in UTF-8 unless it says otherwise", MALFORMED) from None
    ((name, body),) = tree.items()
    if root.tag != _ENVELOPE:
        if name == "Envelope":
            raise BadMessage("", f"expected a SOAP 1.1 envelope ({SOAP}), got another", MALFORMED)
        body = _object(body, name)
        return "xml", str(body.get("infno") or ""), body
    inside = _object(_object(body, "Envelope").get("Body"), "Body")
    operation = next(iter(inside))
    if len(inside) != 1 or operation not in OPERATIONS:
        raise BadMessage("Body", f"expected one of {', '.join(OPERATIONS)}, got something else", MALFORMED)
    return "soap", OPERATIONS[operation], _object(inside[operation], operation)


def to_xml(face: str, reply: dict[str, Any]) -> bytes:
    """A national answer as XML (root ``reply``) or in a SOAP envelope; a failure is a SOAP fault there, with the whole answer in it."""
    told = _plain(reply)
    if face != "soap":
        return _written({"reply": told})
    body: dict[str, Any] = {"reply": {"@xmlns": NAMESPACE, **told}}
    if reply.get("infcode", SUCCESS) < SUCCESS:
        whose = "Server" if reply["infcode"] == INTERNAL else "Client"
        body = {"soap:Fault": {"faultcode": f"soap:{whose}", "faultstring": told.get("err_msg", ""), "detail": body}}
    return _written({"soap:Envelope": {"@xmlns:soap": SOAP, "soap:Body": body}})


def wsdl(location: str) -> str:
    """The WSDL of the SOAP face at ``location``; its types are those the JSON face is checked with."""
    operations = [
        {
            "@name": name,
            "soap:operation": {"@soapAction": "", "@style": "document"},
            "wsdl:input": {"soap:body": {"@use": "literal"}},
            "wsdl:output": {"soap:body": {"@use": "literal"}},
            "wsdl:fault": {"@name": "refused", "soap:fault": {"@name": "refused", "@use": "literal"}},
        }
        for name in OPERATIONS
    ]
    document = {
        "wsdl:definitions": {
            "@xmlns:wsdl": "http://schemas.xmlsoap.org/wsdl/",
            "@xmlns:soap": "http://schemas.xmlsoap.org/wsdl/soap/",
            "@xmlns:xsd": "http://www.w3.org/2001/XMLSchema",
            "@xmlns:tns": NAMESPACE,
            "@targetNamespace": NAMESPACE,
            "@name": "Audit",
            "wsdl:types": {"xsd:schema": _schema()},
            "wsdl:message": [
                {"@name": name, "wsdl:part": {"@name": "parameters", "@element": f"tns:{name}"}}
                for name in (*OPERATIONS, "reply")
            ],
            "wsdl:portType": {
                "@name": "AuditPort",
                "wsdl:operation": [
                    {
                        "@name": name,
                        "wsdl:input": {"@message": f"tns:{name}"},
                        "wsdl:output": {"@message": "tns:reply"},
                        "wsdl:fault": {"@name": "refused", "@message": "tns:reply"},
                    }
                    for name in OPERATIONS
                ],
            },
            "wsdl:binding": {
                "@name": "AuditBinding",
                "@type": "tns:AuditPort",
                "soap:binding": {"@style": "document", "@transport": "http://schemas.xmlsoap.org/soap/http"},
                "wsdl:operation": operations,
            },
            "wsdl:service": {
                "@name": "AuditService",
                "wsdl:port": {
                    "@name": "Audit",
                    "@binding": "tns:AuditBinding",
                    "soap:address": {"@location": location},
                },
            },
        }
    }
    return str(xmltodict.unparse(document, pretty=True, short_empty_elements=True))


def _in_utf8(data: bytes) -> bytes:
    """XML of the Chinese code pages, which the parser cannot read, in the encoding it can."""
    declared = _ENCODING.match(data)
    if declared is None:
        return data
    try:
        return data[declared.end() :].decode("gb18030").encode()
    except UnicodeDecodeError:
        raise BadMessage(
            "", f"expected text in {declared[1].decode()} as declared, got other bytes", MALFORMED
        ) from None


def _local(_: object, key: str, value: Any) -> tuple[str, Any]:
    return key.rpartition(" ")[2], value


def _object(node: Any, name: str) -> dict[str, Any]:
    if isinstance(node, dict):
        return node
    raise BadMessage(
        "", f"expected fields as elements in {name}, got {'nothing' if node is None else 'something else'}", MALFORMED
    )


def _plain(node: Any) -> Any:
    """A JSON value as XML can hold it: what is null is left out, numbers have no exponent, text no control characters."""
    if isinstance(node, dict):
        return {name: _plain(value) for name, value in node.items() if value is not None}
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if isinstance(node, bool):
        return "true" if node else "false"
    if isinstance(node, float):
        return format(Decimal(repr(node)), "f")
    return _UNPRINTABLE.sub("", str(node))


def _written(document: dict[str, Any]) -> bytes:
    return str(xmltodict.unparse(document)).encode()


@cache
def _schema() -> dict[str, Any]:
    requests = {name: FeedbackRequest if infno == "3103" else AuditRequest for name, infno in OPERATIONS.items()}
    found: dict[str, type[BaseModel]] = {}
    for model in (AuditRequest, FeedbackRequest, Reply):
        _collect(model, found)
    return {
        "@xmlns:tns": NAMESPACE,
        "@targetNamespace": NAMESPACE,
        "@elementFormDefault": "qualified",
        "xsd:element": [
            {"@name": name, "@type": f"tns:{model.__name__}"} for name, model in {**requests, "reply": Reply}.items()
        ],
        "xsd:complexType": [
            {"@name": name, "xsd:sequence": {"xsd:element": [_element(model, field) for field in model.model_fields]}}
            for name, model in found.items()
        ],
    }


def _collect(model: type[BaseModel], found: dict[str, type[BaseModel]]) -> None:
    found[model.__name__] = model
    for field in model.model_fields.values():
        inner, _ = _kind(field.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel) and inner.__name__ not in found:
            _collect(inner, found)


def _element(model: type[BaseModel], name: str) -> dict[str, Any]:
    field = model.model_fields[name]
    inner, many = _kind(field.annotation)
    told = (
        f"tns:{inner.__name__}" if isinstance(inner, type) and issubclass(inner, BaseModel) else f"xsd:{_TYPES[inner]}"
    )
    empty = not field.is_required() or (many and not any(getattr(one, "min_length", 0) for one in field.metadata))
    return {
        "@name": name,
        "@type": told,
        **({"@minOccurs": "0"} if empty or NoneType in get_args(field.annotation) else {}),
        **({"@maxOccurs": "unbounded"} if many else {}),
        **({"xsd:annotation": {"xsd:documentation": field.description}} if field.description else {}),
    }  # fmt: skip


def _kind(annotation: Any) -> tuple[Any, bool]:
    """The type inside an annotation, and whether it is a list of it."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is list:
        return _kind(inside[0])[0], True
    if origin in (Union, UnionType):
        return _kind(next(one for one in inside if one is not NoneType))
    if origin is Literal:
        return type(inside[0]), False
    return _kind(inside[0]) if hasattr(annotation, "__metadata__") else (annotation, False)

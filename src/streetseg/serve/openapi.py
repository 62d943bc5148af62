"""The server's addresses as an OpenAPI document, and as a page to read."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import streetseg
from streetseg.serve.outputs import FORMS, ZIP

TEXT = "application/json"
ERROR = {
    "description": "Why the request is refused.",
    "content": {TEXT: {"schema": {"$ref": "#/components/schemas/Error"}}},
}
REFUSALS = {
    "400": "The request is wrong, or the picture cannot be decoded.",
    "401": "A token is needed.",
    "404": "There is no such model.",
    "406": "Nothing of what is accepted can be sent.",
    "408": "The body came too slowly.",
    "413": "The body, the picture or the number of pictures is too large.",
    "415": "The body is no picture, or compressed.",
    "501": "The answer needs a package that the server lacks.",
    "503": "The queue is full, or the server ends; Retry-After says when to try again.",
    "504": "The deadline passed.",
}
OBJECT = {"schema": {"type": "object"}}
PICTURE = {"schema": {"type": "string", "format": "binary"}}
TIMEOUT = {
    "name": "X-Timeout-Ms", "in": "header", "required": False,
    "description": "Milliseconds that the client waits. Work for which nobody waits is dropped.",
    "schema": {"type": "number", "minimum": 1, "maximum": 600_000},
}  # fmt: skip
TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "parameters": {"type": "object"},
        "data": {"type": "array"},
    },
}
SCHEMAS: dict[str, Any] = {
    "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
    "Tensor": TENSOR,
    "Output": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    "Inference": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Output"}},
        },
    },
}  # fmt: skip


def answers(
    content: Mapping[str, Any] | None = None, *refusals: str, description: str = "The answer."
) -> dict[str, Any]:
    """Return the responses of an operation."""
    good: dict[str, Any] = {
        "description": description,
        "content": dict(content or {TEXT: {"schema": {"type": "object"}}}),
    }
    return {"200": good, **{code: {**ERROR, "description": REFUSALS[code]} for code in refusals}}


def query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter of the query."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def operation(summary: str, responses: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an operation."""
    return {"summary": summary, "responses": responses, **more}


def segment_operation(models: Sequence[str]) -> dict[str, Any]:
    """Return the operation of POST /v1/segment."""
    types = sorted({kind for form in FORMS.values() for kind in form.types})
    several = {
        "schema": {"type": "object", "properties": {"file": {"type": "array", "items": PICTURE["schema"]}}},
    }
    return operation(
        "Segment a picture, or several.",
        answers(
            {**{kind: PICTURE if kind != TEXT else OBJECT for kind in types}, ZIP: PICTURE},
            "400", "401", "404", "406", "408", "413", "415", "501", "503", "504",
            description="One picture: its class map and so on. Several: JSON with results, or a ZIP with 0.png, 1.png.",
        ),
        parameters=[
            query("model", "Name of a model; without it the first.", {"type": "string", "enum": list(models)}),
            query("output", "Form of the answer; without it by Accept.", {"type": "string", "enum": list(FORMS)}),
            query("smallest", "Smallest region in pixels.", {"type": "integer", "minimum": 1, "maximum": 999_999}),
            TIMEOUT,
        ],
        requestBody={"required": True, "content": {"image/*": PICTURE, "multipart/form-data": several}},
    )  # fmt: skip


def document(models: Sequence[str]) -> dict[str, Any]:
    """Return the OpenAPI document.

    Args:
        models: The names of the models.

    Returns:
        The document, as JSON's types.
    """
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "enum": list(models)}}
    inference = {"required": True, "content": {TEXT: {"schema": {"$ref": "#/components/schemas/Inference"}}}}
    refusals = ("400", "401", "404", "408", "413", "415", "503", "504")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "streetseg",
            "version": streetseg.__version__,
            "description": "Pictures in, class maps out. /v1/stream is a WebSocket for cameras.",
        },
        "paths": {
            "/v1/models": {"get": operation("List the models: names, classes, colours, sizes.", answers(None, "401"))},
            "/v1/segment": {"post": segment_operation(models)},
            "/v2": {"get": operation("Describe the server.", answers(None, "401"))},
            "/v2/health/live": {"get": operation("Say if the process lives.", answers())},
            "/v2/health/ready": {"get": operation("Say if the server takes requests.", answers(None, "503"))},
            "/v2/models/{name}": {
                "get": operation("Describe a model's tensors.", answers(None, "401", "404"), parameters=[name])
            },
            "/v2/models/{name}/ready": {
                "get": operation("Say if a model is ready.", answers(None, "401", "404", "503"), parameters=[name])
            },
            "/v2/models/{name}/infer": {
                "post": operation(
                    "Segment frames of pixels (Open Inference Protocol).",
                    answers(None, *refusals),
                    parameters=[name, TIMEOUT],
                    requestBody=inference,
                )
            },
            "/metrics": {"get": operation("Figures for Prometheus.", answers({"text/plain": {}}, "401"))},
            "/openapi.json": {"get": operation("This document.", answers())},
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }  # fmt: skip


def page(content: Mapping[str, Any]) -> str:
    """Return the OpenAPI document as a page without scripts.

    Args:
        content: What `document` returned.

    Returns:
        HTML.
    """
    info = content["info"]
    parts = [f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"]
    for path, operations in content["paths"].items():
        for method, one in operations.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(one['summary'])}</p>")
            rows = [
                (f"{each['name']} ({each['in']})", f"{each.get('description', '')} {allowed(each['schema'])}")
                for each in one.get("parameters", [])
            ]
            rows += [(f"body {kind}", "") for kind in one.get("requestBody", {}).get("content", {})]
            rows += [
                (f"answer {code}", f"{each['description']} {', '.join(each.get('content', {}))}")
                for code, each in one["responses"].items()
            ]
            cells = (f"<tr><td>{escape(left)}</td><td>{escape(right)}</td></tr>" for left, right in rows)
            parts.append(f"<table>{''.join(cells)}</table>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>streetseg: addresses</title><link rel="stylesheet" href="page/page.css"><main>{"".join(parts)}'
        '<p>As <a href="openapi.json">OpenAPI document</a>.</p></main></html>'
    )


def allowed(schema: Mapping[str, Any]) -> str:
    """Return a schema's values in words."""
    if "enum" in schema:
        return f"One of {', '.join(map(str, schema['enum']))}."
    return f"A {schema['type']}."


def escape(text: str) -> str:
    """Return text for HTML."""
    return html.escape(str(text))

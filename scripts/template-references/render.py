"""Renders the cases on standard input by Python's Jinja2, set up as Hugging Face's transformers does it for chat templates."""

import json
import sys

from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment


def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def refuse(message):
    raise TemplateError(message)


environment = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
)
environment.filters["tojson"] = to_json
environment.globals["raise_exception"] = refuse
environment.globals["today"] = lambda form: "30 Nov 2026"


def render(case):
    try:
        return environment.from_string(case["template"]).render(**case["data"])
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return None


# A text for each case; null where Jinja2 refuses it.
json.dump([render(case) for case in json.load(sys.stdin)], sys.stdout)

"""Two programs that run a DSC resource by its manifest: our own driver, and Microsoft's `dsc`.

Both give the same answers to the same calls, so that the tests do not know which of them they have.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema

LEVELS = {"error", "warn", "info", "debug", "trace"}

# The form of a manifest, as far as the driver uses it. The source is PowerShell/DSC, docs/reference/schemas of v3.1,
# resource/manifest. An operation whose input is neither on standard input nor in an argument would never get it.
COMMAND = {
    "type": "object",
    "required": ["executable", "args", "input"],
    "properties": {
        "executable": {"type": "string", "minLength": 1},
        "args": {"type": "array", "items": {"type": "string"}},
        "input": {"const": "stdin"},
        "return": {"enum": ["state", "stateAndDiff"]},
        "implementsPretest": {"type": "boolean"},
        "handlesExist": {"type": "boolean"},
    },
    "additionalProperties": False,
}
MANIFEST = {
    "type": "object",
    "required": ["$schema", "type", "version", "get", "set", "test", "whatIf", "export", "exitCodes", "schema"],
    "properties": {
        "$schema": {"pattern": r"^https://aka\.ms/dsc/schemas/v3(\.\d+){0,2}/(bundled/)?resource/manifest\.json$"},
        "type": {"type": "string", "pattern": r"^\w+(\.\w+){0,2}/\w+$"},
        "version": {"type": "string", "pattern": r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$"},
        "description": {"type": "string"},
        "tags": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": r"^\w+$"}},
        "get": COMMAND,
        "set": COMMAND | {"required": [*COMMAND["required"], "return"]},
        "test": COMMAND | {"required": [*COMMAND["required"], "return"]},
        "whatIf": COMMAND | {"required": [*COMMAND["required"], "return"]},
        # DSC 3.3 and later know `supportsFiltering`; those before pass over it.
        "export": COMMAND | {"properties": COMMAND["properties"] | {"supportsFiltering": {"const": False}}},
        "exitCodes": {"type": "object", "required": ["0"],
                      "patternProperties": {r"^-?\d+$": {"type": "string"}}, "additionalProperties": False},
        "schema": {"type": "object", "required": ["command"], "additionalProperties": False, "properties": {
            "command": {"type": "object", "required": ["executable", "args"], "additionalProperties": False,
                        "properties": {"executable": {"type": "string"},
                                       "args": {"type": "array", "items": {"type": "string"}}}}}},
    },
    "additionalProperties": False,
}


def given(text: str | None) -> dict[str, Any]:
    """The standard input of a run: a text, or nothing at all."""
    return {"stdin": subprocess.DEVNULL} if text is None else {"input": text}


def has(instance: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether the instance has all that is wanted; of an object, what the wanted one names."""
    return all(
        name in instance and (has(instance[name], value) if isinstance(value, dict) else instance[name] == value)
        for name, value in wanted.items())


class Refused(Exception):
    """The resource said no, by its exit code and its messages."""


class Broken(Exception):
    """The resource did what the protocol does not allow."""


class Tested(NamedTuple):
    """The answer to test."""

    holds: bool
    actual: dict[str, Any]
    differing: list[str]


class Changed(NamedTuple):
    """The answer to set and to what-if."""

    before: dict[str, Any]
    after: dict[str, Any]
    properties: list[str]


class Driver:
    """Runs a resource as the documents of DSC say, and bears with nothing that they do not allow."""

    name = "the driver"
    # Whether it filters what a resource exports.
    filters = True

    def __init__(self, manifest: Path) -> None:
        """Read the manifest, and the schema of its instances."""
        self.directory = manifest.parent
        self.manifest = json.loads(manifest.read_text())
        jsonschema.validate(self.manifest, MANIFEST)
        self.messages: list[dict[str, str]] = []
        (schema,) = self.call(self.manifest["schema"]["command"], None)
        jsonschema.Draft202012Validator.check_schema(schema)
        self.schema = schema

    def call(self, command: dict[str, Any], instance: object) -> list[Any]:
        """The lines of JSON that a command prints. What is text already goes to it as it is."""
        text = instance if instance is None or isinstance(instance, str) else json.dumps(instance)
        done = subprocess.run(
            [command["executable"], *command["args"]], cwd=self.directory, capture_output=True, check=False,
            encoding="utf-8", **given(text))
        self.messages = [self.message(line) for line in done.stderr.splitlines()]
        errors = [message["error"] for message in self.messages if "error" in message]
        if bool(errors) != (done.returncode != 0):
            raise Broken(f"exit code {done.returncode} with the errors {errors}")
        if done.returncode != 0:
            if done.stdout:
                raise Broken(f"an answer beside an error: {done.stdout}")
            raise Refused("\n".join(errors))
        if done.stdout and not done.stdout.endswith("\n"):
            raise Broken(f"the last line does not end: {done.stdout}")
        try:
            return [json.loads(line) for line in done.stdout.splitlines()]
        except ValueError as error:
            raise Broken(f"a line is not JSON: {error}: {done.stdout}") from error

    @staticmethod
    def message(line: str) -> dict[str, str]:
        """A line of standard error: an object whose one key is the level."""
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict) or len(message) != 1 or not message.keys() < LEVELS:
            raise Broken(f"not a message: {line}")
        return message

    def valid(self, instance: object) -> None:
        """Refuse an instance that its schema does not allow, as DSC does before it calls the resource."""
        try:
            jsonschema.validate(instance, self.schema)
        except jsonschema.ValidationError as error:
            raise Refused(f"{error.json_path}: {error.message}") from error

    def state(self, state: dict[str, Any]) -> dict[str, Any]:
        """A state that the resource gave, which its own schema has to allow."""
        try:
            jsonschema.validate(state, self.schema)
        except jsonschema.ValidationError as error:
            raise Broken(f"its schema does not allow its answer: {error.json_path}: {error.message}") from error
        return state

    def state_and_diff(self, operation: str, instance: object) -> tuple[dict[str, Any], list[str]]:
        """Two lines: the state, and the names of properties."""
        if self.manifest[operation]["return"] != "stateAndDiff":
            raise Broken(f"{operation} returns no diff")
        self.valid(instance)
        lines = self.call(self.manifest[operation], instance)
        if len(lines) != 2:
            raise Broken(f"{operation} printed {len(lines)} lines")
        state, names = lines
        known = self.schema["properties"].keys() - {"_inDesiredState", "actual"}
        if not isinstance(names, list) or len(set(names)) != len(names) or not known.issuperset(names):
            raise Broken(f"not a list of the instance's properties: {names}")
        return self.state(state), names

    def get(self, instance: object = None) -> dict[str, Any]:
        """What is there; without an instance, everything."""
        if instance is not None:
            self.valid(instance)
        lines = self.call(self.manifest["get"], instance)
        if len(lines) != 1 or lines[0].get("_inDesiredState") is not None:
            raise Broken(f"not one state without a verdict: {lines}")
        return self.state(lines[0])

    def test(self, instance: object) -> Tested:
        """Whether what is there is as the instance says."""
        state, names = self.state_and_diff("test", instance)
        if not isinstance(state.get("_inDesiredState"), bool) or state["_inDesiredState"] == bool(names):
            raise Broken(f"the verdict and the properties disagree: {state}, {names}")
        return Tested(state["_inDesiredState"], state, names)

    def set(self, instance: object, what_if: bool = False) -> Changed:
        """Make it so, or tell what would be made."""
        operation = "whatIf" if what_if else "set"
        if not self.manifest[operation].get("implementsPretest"):
            raise Broken(f"{operation} would need a test before it")
        before = self.get(instance)
        state, names = self.state_and_diff(operation, instance)
        if state.get("_inDesiredState") is not None:
            raise Broken(f"{operation} gave a verdict: {state}")
        return Changed(before, state, names)

    def export(self, wanted: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The instances that are there; those that have all that is `wanted`, as DSC 3.3 picks them by itself."""
        handed = wanted if self.manifest["export"].get("supportsFiltering", True) else None
        found = [self.state(instance) for instance in self.call(self.manifest["export"], handed)]
        return [instance for instance in found if has(instance, wanted or {})]


class Dsc:
    """Microsoft's `dsc`, which finds the manifest in PATH."""

    def __init__(self, resource: str) -> None:
        """Name the type of the resource."""
        self.resource = resource
        self.name = subprocess.check_output(["dsc", "--version"], encoding="utf-8").strip()
        self.filters = [int(number) for number in re.findall(r"\d+", self.name)[:2]] >= [3, 3]

    def run(self, *arguments: str, instance: object = None) -> Any:
        """What a call of `dsc` prints, as JSON."""
        text, file = (None, []) if instance is None else (json.dumps(instance), ["--file", "-"])
        done = subprocess.run(
            ["dsc", "--trace-format", "plaintext", *arguments, *file, "--output-format", "json"], check=False,
            capture_output=True, encoding="utf-8", **given(text))
        if done.returncode != 0:
            raise Refused(done.stderr)
        return json.loads(done.stdout)

    def get(self, instance: object = None) -> dict[str, Any]:
        """What is there; without an instance, everything."""
        return self.run("resource", "get", "--resource", self.resource, instance=instance)["actualState"]

    def test(self, instance: object) -> Tested:
        """Whether what is there is as the instance says."""
        answer = self.run("resource", "test", "--resource", self.resource, instance=instance)
        return Tested(answer["inDesiredState"], answer["actualState"], answer["differingProperties"])

    def set(self, instance: object, what_if: bool = False) -> Changed:
        """Make it so, or tell what would be made: by a configuration, as not every `dsc resource set` has --what-if."""
        resource = {"name": "one", "type": self.resource, "properties": instance}
        schema = "https://aka.ms/dsc/schemas/v3/bundled/config/document.json"
        answer = self.configuration("set", {"$schema": schema, "resources": [resource]}, what_if)
        (result,) = answer["results"]
        found = result["result"]
        return Changed(found["beforeState"], found["afterState"], found["changedProperties"])

    def configuration(self, operation: str, document: object, what_if: bool = False) -> Any:
        """Do an operation on a configuration document."""
        return self.run("config", operation, *["--what-if"][:what_if], instance=document)

    def export(self, wanted: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The instances that are there; those that have all that is `wanted`."""
        document = self.run("resource", "export", "--resource", self.resource, instance=wanted)
        if not all(re.fullmatch(re.escape(self.resource), resource["type"]) for resource in document["resources"]):
            raise Broken(f"instances of another type: {document}")
        return [resource["properties"] for resource in document["resources"]]

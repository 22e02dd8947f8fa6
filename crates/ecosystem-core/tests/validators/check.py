"""Judges exported files with programs and libraries that know nothing of this repository.

usage: check.py WHAT FOLDER; exit code 0 = fine, 1 = wrong (said on standard error), 3 = a library is missing
"""
import json
import os
import pathlib
import re
import sys


def helm(folder):
    """A chart rendered with its own values is the manifests. The two forms of expressions that charts use are rendered here."""
    import yaml

    values = yaml.safe_load((folder / "chart/values.yaml").read_text())
    chart = yaml.safe_load((folder / "chart/Chart.yaml").read_text())
    assert chart["apiVersion"] == "v2" and re.fullmatch(r"[a-z0-9-]+", chart["name"]), chart
    index = r'\(index \.Values\.components ("(?:[^"\\]|\\.)*") ("(?:[^"\\]|\\.)*")\)'

    def value(match):
        return values["components"][json.loads(match[1])][json.loads(match[2])]

    def render(text):
        text = re.sub(r"\s*\{\{- toYaml " + index + r" \| nindent \d+ \}\}", lambda m: " " + json.dumps(value(m)), text)
        text = re.sub(r"\{\{ " + index + r" \| quote \}\}", lambda m: json.dumps(str(value(m))), text)
        text = re.sub(r"\{\{ " + index + r" \}\}", lambda m: str(value(m)), text)
        text = re.sub(r"\{\{ `\{\{` \}\}", "{{", text)
        return text

    key = lambda o: (o["kind"], o["metadata"]["name"])
    rendered = {}
    for path in (folder / "chart/templates").iterdir():
        text = render(path.read_text())
        assert ".Values" not in text, text
        rendered[key(yaml.safe_load(text))] = yaml.safe_load(text)
    plain = {key(o): o for o in yaml.safe_load_all((folder / "map.k8s.yaml").read_text()) if o}
    assert plain and rendered == plain, (sorted(rendered), sorted(plain))


def compose(folder):
    """The schema of the Compose Specification, where the data folder is there."""
    import jsonschema
    import yaml

    here = pathlib.Path(__file__).resolve().parents[5] / "shared/data"
    data = pathlib.Path(os.environ.get("VM_ECOSYSTEM_DATA", here))
    schemas = sorted(data.glob("ecosystem/compose-spec/*.json"))
    assert schemas or not data.exists(), data
    document = yaml.safe_load((folder / "map.compose.yaml").read_text())
    for schema in schemas:
        jsonschema.validate(document, json.loads(schema.read_text()))


def terraform(folder):
    """Every resource is one of the manifests, and what it depends on is a resource: what `terraform validate` would refuse."""
    import yaml

    document = json.loads((folder / "map.tf.json").read_text())
    resources = document["resource"]["kubernetes_manifest"]

    def plain(node):
        if isinstance(node, str):
            return node.replace("$${", "${").replace("%%{", "%{")
        if isinstance(node, list):
            return [plain(item) for item in node]
        if isinstance(node, dict):
            return {key: plain(item) for key, item in node.items()}
        return node

    found = sorted(json.dumps(plain(r["manifest"]), sort_keys=True) for r in resources.values())
    wanted = [o for o in yaml.safe_load_all((folder / "default.k8s.yaml").read_text()) if o]
    assert found == sorted(json.dumps(o, sort_keys=True) for o in wanted)
    for name, resource in resources.items():
        assert re.fullmatch(r"[a-z_][a-z0-9_-]*", name), name
        for address in resource.get("depends_on", []):
            assert address.removeprefix("kubernetes_manifest.") in resources, (name, address)


def cyclonedx(folder):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str((folder / "map.cdx.json").read_text())
    assert error is None, error


def graphml(folder):
    import networkx

    graph = networkx.read_graphml(folder / "map.graphml")
    counts = json.loads((folder / "counts.json").read_text())
    assert [graph.number_of_nodes(), graph.number_of_edges()] == counts, (graph, counts)


def jsonld(folder):
    import rdflib

    graph = rdflib.Graph().parse(folder / "map.jsonld", format="json-ld")
    nodes, _ = json.loads((folder / "counts.json").read_text())
    subjects = set(graph.subjects())
    assert len(subjects) >= nodes, len(subjects)


if __name__ == "__main__":
    try:
        globals()[sys.argv[1]](pathlib.Path(sys.argv[2]))
    except ModuleNotFoundError as error:
        print(error, file=sys.stderr)
        sys.exit(3)

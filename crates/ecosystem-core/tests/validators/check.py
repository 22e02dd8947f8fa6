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


def cypher(folder):
    """An embedded graph database takes every statement, and then has every component and edge."""
    import kuzu

    connection = kuzu.Connection(kuzu.Database(":memory:"))
    texts = ["map", "kind", "image", "version", "owner"]
    numbers = ["replicas", "cpu_millicores", "memory_bytes"]
    columns = ["id STRING"] + [f"{c} STRING" for c in texts] + [f"{c} INT64" for c in numbers]
    connection.execute(f"CREATE NODE TABLE Component({', '.join(columns)}, PRIMARY KEY(id))")
    texts = ["strength", "mode", "confidence", "protocol"]
    numbers = ["port", "calls_per_1000_s", "bytes_per_s", "latency_budget_us"]
    columns = ", ".join([f"{c} STRING" for c in texts] + [f"{c} INT64" for c in numbers])
    for relation in ["CALLS", "START_AFTER", "USES_DATA_OF", "SHARES_VOLUME_WITH"]:
        connection.execute(f"CREATE REL TABLE {relation}(FROM Component TO Component, {columns})")
    for statement in (folder / "map.cypher").read_text().splitlines():
        connection.execute(statement)
    count = lambda pattern: connection.execute(f"MATCH {pattern} RETURN count(*)").get_next()[0]
    counts = json.loads((folder / "counts.json").read_text())
    assert [count("(:Component)"), count("(:Component)-[]->(:Component)")] == counts, counts
    need = "MATCH (:Component {id: 'Api_Server'})-[r:CALLS]->(c:Component {kind: 'database'}) RETURN c.id, r.port"
    assert connection.execute(need).get_next() == ["db", 5432]


def prometheus(folder):
    """The official client reads what we write; what it writes itself is left for us to read, beside the same as JSON."""
    import prometheus_client
    from prometheus_client.parser import text_string_to_metric_families

    def samples(text):
        families = text_string_to_metric_families(text)
        return sorted([s.name, sorted(map(list, s.labels.items())), s.value] for f in families for s in f.samples)

    assert samples((folder / "metrics.prom").read_text()) == json.loads((folder / "metrics.json").read_text())
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    prometheus_client.PlatformCollector(registry=registry)
    requests = prometheus_client.Counter("requests", 'All "requests"\nby path \\ code', ["path", "code"], registry=registry)
    requests.labels('/a"b\\c\nd', "200").inc(3)
    requests.labels("/größe", "500").inc(0.5)
    prometheus_client.Gauge("temperature", "", registry=registry).set(-1.5e-7)
    latency = prometheus_client.Histogram("latency_seconds", "Latency", ["le_"], registry=registry)
    size = prometheus_client.Summary("size_bytes", "Size", registry=registry)
    for value in [0.001, 0.2, 7, 1e9]:
        latency.labels("x").observe(value)
        size.observe(value)
    text = prometheus_client.generate_latest(registry).decode()
    (folder / "theirs.prom").write_text(text)
    (folder / "theirs.json").write_text(json.dumps(samples(text)))


def networkx(folder):
    """A graph that networkx writes, for our reader."""
    import networkx

    graph = networkx.DiGraph(name="theirs")
    graph.add_node("web", kind="gateway", replicas=2, image="nginx")
    graph.add_node("api-co", replicas=3)
    graph.add_node("db", kind="database", owner="<team>")
    graph.add_edge("web", "api-co", port=8080, kind="call")
    graph.add_edge("api-co", "db", port=5432, kind="data", weight=0.5)
    networkx.write_graphml(graph, folder / "theirs.graphml")


if __name__ == "__main__":
    try:
        globals()[sys.argv[1]](pathlib.Path(sys.argv[2]))
    except ModuleNotFoundError as error:
        print(error, file=sys.stderr)
        sys.exit(3)

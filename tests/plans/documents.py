"""What every run has to keep to, whatever plan wrote it."""

from collections import defaultdict

from bluesky_tiled_plugins.writing.validator import validate
from event_model import DocumentNames, schema_validators

from probeline.catalog.tiled.run import tiled_run


def check(documents):
    """Raise unless every document is valid, and names only what came before it."""
    known, counts, streams = {None}, defaultdict(set), {}
    for name, doc in documents:
        schema_validators[DocumentNames[name]].validate(doc)
        for reference in ("run_start", "descriptor", "stream_resource"):
            assert doc.get(reference) in known, (name, reference)
        if name in ("start", "descriptor", "stream_resource"):
            known.add(doc["uid"])
        if name == "descriptor":
            streams[doc["uid"]] = doc["name"]
        elif name == "event":
            counts[streams[doc["descriptor"]]].add(doc["seq_num"])
    if name == "stop":
        told = {stream: count for stream, count in doc["num_events"].items() if count}
        assert told == {stream: len(numbers) for stream, numbers in counts.items()}
    for numbers in counts.values():
        assert numbers == set(range(1, len(numbers) + 1))


def check_in_tiled(node):
    """Return a run in Tiled; raise unless it is complete and readable, and gives valid documents."""
    node = node.v3  # whatever databroker, which shares its settings with every client, has made of it
    assert validate(node, fix_errors=False, raise_on_error=True, write_notes=False)
    run = tiled_run(node)
    check(run.documents())
    return run

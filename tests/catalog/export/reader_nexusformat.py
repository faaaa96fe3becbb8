"""Prints as JSON what nexusformat reads in the .nxs files of a folder, and what its validator says of them."""

import io
import json
import logging
import pathlib
import re
import sys

from nexusformat.nexus import NXdata, nxload
from nexusformat.nexus.validate import validate_application, validate_file


def told(data):
    fields = [data.nxsignal, *data.nxaxes]
    names = {name: data[name] for name in data}
    return {
        "signal": data.nxsignal.nxname,
        "axes": [axis.nxname for axis in fields[1:]],
        "fields": {name: field.nxvalue for name, field in names.items()},
        "units": {name: field.attrs.get("units", "") for name, field in names.items()},
    }


def complaints(check, path):
    """Return ``{place: complaint}`` for every error; warnings are orange."""
    shown = io.StringIO()
    for handler in logging.getLogger("NXValidate").handlers:
        handler.setStream(shown)
    check(str(path))
    found, place = {}, ""
    for line in shown.getvalue().splitlines():
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
        if re.match(r"(Field|Group|NX\w+): ", plain):
            place = plain
        elif "\x1b[38;5;1m" in line and not plain.startswith("Total"):
            found[place] = plain
    return found


answer = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.nxs")):
    root = nxload(str(path))
    entry = root["entry"]
    groups = {name: told(entry[name]) for name in entry if isinstance(entry[name], NXdata)}
    answer[path.stem] = {
        "data": groups,
        "default": root.get_default().nxname,
        "definition": entry["definition"].nxvalue,
        "uid": entry["identifier_experiment"].nxvalue,
        "sample": entry["sampleID" if "sampleID" in entry else "sample"]["name"].nxvalue,
        "licence": entry["about/origin/licence"].nxvalue,
        "start": json.loads(entry["start_document/data"].nxvalue)["uid"],
        "file": complaints(validate_file, path),
        "application": complaints(validate_application, path),
    }
sys.stdout.write(json.dumps(answer, default=lambda item: item.tolist()))

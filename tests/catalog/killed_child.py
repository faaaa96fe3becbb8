"""Run by test_killed.py in a process of its own: measures until it is killed."""

import sys

from bluesky import RunEngine
from catalog_devices import FrameCamera, Sensor, survey_and_points

from probeline import catalog as catalogs

catalog = catalogs.open(sys.argv[1])
engine = RunEngine({}, context_managers=[])
engine.subscribe(catalog.writer())


def acknowledge(name, doc):
    if name == "event" and "whole" in doc["data"]:
        sys.stdout.write(f"{doc['seq_num']} {doc['data']['whole']}\n")
        sys.stdout.flush()


engine.subscribe(acknowledge)
engine(survey_and_points(FrameCamera(catalog.data_root), Sensor(), points=100_000))

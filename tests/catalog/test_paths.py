"""Data files: read where they may be, found where they went, never read because a document says so."""

import h5py
import numpy as np
import pytest

from probeline import catalog as catalogs
from probeline.catalog.paths import locate
from probeline.core.errors import DataError

from .catalog_devices import FRAME, survey_and_points


@pytest.fixture
def folders(tmp_path):
    """A data folder with one file, and a file outside of it."""
    root = tmp_path / "data"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.h5").write_bytes(b"mine")
    (tmp_path / "secret.h5").write_bytes(b"theirs")
    return root, tmp_path / "secret.h5"


def uri(path):
    return f"file://localhost{path}"


def test_a_file_is_found_where_it_was_and_where_it_went(folders):
    root, _ = folders
    mine = root / "sub" / "a.h5"
    assert locate(uri(mine), [root]) == mine
    assert locate(f"file://{mine}", [root]) == mine
    assert locate("file://localhost/gone/elsewhere/a.h5", [root], "sub/a.h5") == mine
    assert locate("file://localhost/gone/data/sub/a.h5", [root]) == mine
    assert locate(uri(mine), None) == mine


@pytest.mark.parametrize(
    ("named", "relative"),
    [
        ("{out}", None),
        ("{root}/../secret.h5", None),
        ("{root}/sub/../../secret.h5", None),
        ("{root}/sub/%2e%2e/%2e%2e/secret.h5", None),
        ("{root}/link.h5", None),
        ("{root}/folder/secret.h5", None),
        ("/gone.h5", "../secret.h5"),
        ("/gone.h5", "{out}"),
        ("/gone.h5", "link.h5"),
        ("/etc/passwd", None),
        ("/gone.h5", "/etc/passwd"),
        ("{root}/../../../../../../../../../../etc/passwd", None),
    ],
)
def test_what_leads_out_of_the_allowed_folders_is_refused(folders, named, relative):
    root, out = folders
    (root / "link.h5").symlink_to(out)
    (root / "folder").symlink_to(out.parent)
    fill = {"root": root, "out": out}
    with pytest.raises(DataError, match=r"was refused: it leads out of .*name the folder of the file when you open"):
        locate(uri(named.format(**fill)), [root], relative and relative.format(**fill))


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("http://127.0.0.1/a.h5", "are not files of this computer"),
        ("file://fileserver/a.h5", "are not files of this computer"),
        ("file://localhost/a%00b.h5", "does not exist there"),
        (f"file://localhost/{'x' * 300}", "cannot be looked for"),
        ("file://[half/a.h5", "no address of a file"),
        ("file://localhost/nowhere.h5", "does not exist there or under"),
    ],
)
def test_what_is_no_file_is_said(folders, named, reason):
    with pytest.raises(DataError, match=reason):
        locate(named, [folders[0]])


def test_a_folder_named_at_opening_may_be_read_and_no_other(catalog, engine, sensor, tmp_path):
    from .catalog_devices import FrameCamera

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    camera = FrameCamera(elsewhere)
    engine.subscribe(catalog.writer())
    engine(survey_and_points(camera, sensor, points=1))
    catalog.close()
    with pytest.raises(DataError, match=r"refused: .*readable=\[\.\.\.\]"):
        catalog[-1].stream("survey")
    with catalogs.open(catalog.root, readable=[elsewhere]) as opened:
        np.testing.assert_array_equal(opened[-1].stream("survey").spm_scan_frame.values[0], camera.taken[0])
        np.testing.assert_array_equal(
            catalogs.load(opened.client[-1])["survey"].spm_scan_frame.values[0], camera.taken[0]
        )


def points_elsewhere(kind, path, other):
    """Write a file whose array lies in ``other``."""
    with h5py.File(path, "w") as file:
        if kind == "link":
            file["entry/data/data"] = h5py.ExternalLink(str(other), "entry/data/data")
        elif kind == "raw":
            file.create_dataset("entry/data/data", (1, *FRAME), "u1", external=[(str(other), 0, h5py.h5f.UNLIMITED)])
        else:
            layout = h5py.VirtualLayout((1, *FRAME), "f8")
            layout[:] = h5py.VirtualSource(str(other), "entry/data/data", (1, *FRAME))
            file.create_virtual_dataset("entry/data/data", layout)


@pytest.mark.parametrize("kind", ["link", "raw", "virtual"])
def test_a_file_that_points_out_of_its_folder_is_refused(catalog, engine, camera, sensor, tmp_path, kind):
    engine.subscribe(catalog.writer())
    engine(survey_and_points(camera, sensor, points=1))
    catalog.flush()
    (file,) = catalog.data_root.glob("*.h5")
    other = tmp_path / "other.h5"
    file.rename(other)
    points_elsewhere(kind, file, other)
    with pytest.raises(DataError, match=r"were refused: they lie in .*other\.h5, outside"):
        catalog[-1].stream("survey")

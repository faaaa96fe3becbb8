"""Data files: read where they may be, found where they went, never read because a document says so."""

import shutil

import h5py
import numpy as np
import pytest
from tiled.client.utils import ClientError

from probeline import catalog as catalogs
from probeline.catalog.paths import locate
from probeline.core.errors import DataError

from .catalog_devices import FRAME, survey_and_points
from .tiled.served import Served


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


@pytest.fixture(params=["embedded", "served"])
def tiled(request, empty_catalog, tmp_path, monkeypatch):
    """A Tiled client that may write, and the data folder that it may read; no other."""
    folder = tmp_path / "allowed"
    shutil.copytree(empty_catalog, folder)
    if request.param == "embedded":
        with catalogs.open(folder) as store:
            yield store.client, store.data_root
        return
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    with Served(folder) as served, catalogs.open(served.writer) as store:
        yield store.client, folder / "data"


def frames_file(path, number=1.0):
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = np.full((1, *FRAME), number)
    return path


def registered(client, key, uris, mimetype="application/x-hdf5", shape=(1, *FRAME), **parameters):
    """Let Tiled believe that an array lies in these files."""
    from tiled.structures.array import ArrayStructure
    from tiled.structures.data_source import Asset, DataSource

    assets = [Asset(data_uri=uri, is_directory=False, parameter="data_uris", num=num) for num, uri in enumerate(uris)]
    structure = ArrayStructure.from_array(np.zeros(shape), chunks=tuple((size,) for size in shape))
    source = DataSource(
        "array", structure, mimetype=mimetype, parameters=parameters, management="external", assets=assets
    )
    return client.new("array", [source], key=key)


@pytest.mark.system
def test_tiled_reads_nothing_outside_of_its_folders(tiled, tmp_path):
    client, root = tiled
    inside = frames_file(root / "inside.h5", 1.0)
    outside = frames_file(tmp_path / "secret.h5", 42.0)
    (root / "link.h5").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)
    (root / "sub").mkdir()
    for kind in ("link", "raw", "virtual"):
        points_elsewhere(kind, root / f"{kind}-within.h5", outside)
    hdf5 = {"dataset": "entry/data/data"}
    good = registered(client, "good", [uri(inside)], **hdf5)
    np.testing.assert_array_equal(good.read(), np.ones((1, *FRAME)))
    for key, path in {
        "absolute": outside,
        "dots": root / ".." / ".." / "secret.h5",
        "deep dots": root / "sub" / ".." / ".." / ".." / "secret.h5",
        "symlink": root / "link.h5",
        "symlinked folder": root / "folder" / "secret.h5",
        "external link": root / "link-within.h5",
        "external data": root / "raw-within.h5",
        "virtual data": root / "virtual-within.h5",
        "keys": root.parent / "keys.json",
    }.items():
        node = registered(client, key, [uri(path)], **hdf5)
        with pytest.raises(ClientError, match=r"403: (.* was refused: it leads out of|Refusing to serve)"):
            node.read()


@pytest.mark.system
def test_tiled_reads_no_row_of_files_that_leads_out(tiled, tmp_path):
    import tifffile

    client, root = tiled
    for number in range(3):
        tifffile.imwrite(root / f"{number}.tif", np.full((4, 5), number, "f8"))
    tifffile.imwrite(tmp_path / "secret.tif", np.full((4, 5), 42.0))
    kind = {"mimetype": "multipart/related;type=image/tiff", "shape": (3, 4, 5)}
    good = registered(client, "good", [uri(root / f"{number}.tif") for number in range(3)], **kind)
    np.testing.assert_array_equal(good[1], np.ones((4, 5)))
    (root / "2.tif").unlink()
    (root / "2.tif").symlink_to(tmp_path / "secret.tif")
    for read in (lambda: good[2], good.read):
        with pytest.raises(ClientError, match=r"403: .*2\.tif was refused: it leads out of"):
            read()

"""A served catalogue: its keys and what they allow, its web interface, what it says, how it ends."""

import json
import shutil
import signal
import uuid

import httpx
import pytest
from typer.testing import CliRunner

from probeline import __main__ as cli
from probeline import catalog as catalogs
from probeline.catalog.store import shown
from probeline.catalog.tiled.keys import KEY_FILE, keys_of
from probeline.catalog.tiled.server import listen
from probeline.catalog.tiled.serving import make_app
from probeline.core.errors import CatalogError, RefusedError

from .served import Served

SECRET = "geheim"
CONTAINER = {"structure_family": "container", "metadata": {"hidden": 1}, "data_sources": [], "specs": []}


@pytest.fixture(scope="module")
def served(empty_catalog, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(empty_catalog, folder / "cat")
    with Served(folder / "cat", XDG_DATA_HOME=str(folder / "home")) as served:
        yield served
        assert served.end(signal.SIGTERM) == 0


def ask(served, method, path, role=None, **more):
    headers = {"Authorization": f"Apikey {served.keys[role]}"} if role else {}
    with httpx.Client() as client:
        return client.request(method, served.address + path, headers=headers, timeout=60, **more)


def make(served, role):
    name = uuid.uuid4().hex
    return name, ask(served, "POST", "/api/v1/metadata/", role, json={**CONTAINER, "id": name}).status_code


# What shows nothing of the catalogue.
OPEN = ("/", "/healthz", "/ui/{path}", "/tiled-ui-settings", "/api/v1/")


@pytest.mark.system
def test_nobody_gets_in_without_a_key(served, empty_catalog):
    name, status = make(served, "writer")
    assert status == 200
    routes = make_app(empty_catalog / "tiled", [], "secret").openapi()["paths"]
    assert len(routes) > 35
    asked = [(method, path.format(path=name, block="0", uuid=name)) for path in routes if path not in OPEN
             for method in routes[path]]  # fmt: skip
    with httpx.Client(base_url=served.address) as client:
        for key in (None, "0" * 64, "secret"):
            headers = {"Authorization": f"Apikey {key}"} if key else {}
            for method, path in asked:
                answer = client.request(method, path, headers=headers)
                assert 400 <= answer.status_code < 500, (method, path, answer.text)
                assert "hidden" not in answer.text
            answer = client.get(f"/api/v1/metadata/{name}", headers=headers)
            assert answer.status_code == 401
    assert make(served, None)[1] == 401
    assert ask(served, "GET", f"/api/v1/metadata/{name}", "reader").status_code == 200


@pytest.mark.system
@pytest.mark.parametrize("path", ["/zarr/v3/", "/zarr/v2/.zattrs", "/api/graphql", "/openapi.json", "/docs"])
def test_doors_without_a_lock_are_shut(served, path):
    assert ask(served, "GET", path).status_code == 404
    assert ask(served, "GET", path, "writer").status_code == 404
    assert ask(served, "POST", path, json={"query": "{__schema{types{name}}}"}).status_code == 404


@pytest.mark.system
def test_a_reader_reads_and_changes_nothing(served):
    name, _ = make(served, "writer")
    path = f"/api/v1/metadata/{name}"
    assert ask(served, "GET", path, "reader").json()["data"]["attributes"]["metadata"] == {"hidden": 1}
    assert make(served, "reader")[1] == 401
    assert ask(served, "POST", f"/api/v1/register/{name}", "reader", json=CONTAINER).status_code == 401
    assert ask(served, "PATCH", path, "reader", json={"metadata": {"a": 2}}).status_code == 401
    assert ask(served, "PUT", path, "reader", json={"metadata": {"a": 2}}).status_code == 401
    assert ask(served, "DELETE", path, "reader").status_code == 401
    assert ask(served, "GET", path, "reader").json()["data"]["attributes"]["metadata"] == {"hidden": 1}
    assert ask(served, "DELETE", path, "writer").status_code == 200
    assert ask(served, "GET", path, "reader").status_code == 404


@pytest.mark.system
@pytest.mark.parametrize("role", ["reader", "writer"])
def test_no_key_makes_other_keys_or_sees_who_has_some(served, role):
    more = {"scopes": ["inherit"], "expires_in": None}
    assert ask(served, "POST", "/api/v1/auth/apikey", role, json=more).status_code in (401, 403)
    assert ask(served, "GET", "/api/v1/auth/principal", role).status_code == 401
    login = {"username": "writer", "password": served.keys["writer"], "grant_type": "password"}
    assert ask(served, "POST", "/api/v1/auth/provider/none/token", data=login).status_code == 401


@pytest.mark.system
def test_the_web_interface_is_there(served):
    page = ask(served, "GET", "/ui/")
    assert page.status_code == 200
    assert "<title>Tiled</title>" in page.text
    (script,) = [part.split('"')[0] for part in page.text.split('src="')[1:] if ".js" in part]
    assert ask(served, "GET", script).status_code == 200
    assert ask(served, "GET", "/ui/browse/some/run").text == page.text


@pytest.mark.system
@pytest.mark.parametrize(
    "start", ["/ui//", "/ui/../../../../../../../../../../../..", "/ui/" + "%2e%2e/" * 12, "/static//"]
)
def test_nothing_behind_the_web_interface_can_be_read(served, start):
    with httpx.Client() as client:
        request = client.build_request("GET", served.address)
        request.url = httpx.URL(served.address).copy_with(raw_path=(start + str(served.root / KEY_FILE)).encode())
        answer = client.send(request)
    assert answer.status_code == 404
    assert served.keys["writer"] not in answer.text


@pytest.mark.system
@pytest.mark.parametrize("management", ["external", "writable", "immutable", "locked", None])
def test_no_writer_has_files_deleted_that_are_not_of_tiled(served, tmp_path, management):
    mine = tmp_path / "mine.npy"
    mine.write_bytes(b"mine")
    uri, structure = f"file://localhost{mine}", {"data_type": {"endianness": "little", "kind": "f", "itemsize": 8}}
    structure |= {"chunks": [[1]], "shape": [1], "dims": None, "resizable": False}
    source = {
        "structure_family": "array", "structure": structure, "mimetype": "application/x-zarr", "parameters": {},
        "assets": [{"data_uri": uri, "is_directory": False, "parameter": "data_uri", "num": 0}], "properties": {},
    } | ({"management": management} if management else {})  # fmt: skip
    name, sent = uuid.uuid4().hex, {"structure_family": "array", "metadata": {}, "specs": []}
    body = {**sent, "id": name, "data_sources": [source]}
    answer = ask(served, "POST", "/api/v1/register/", "writer", json=body)
    assert answer.status_code == (200 if management == "external" else 403), answer.text
    if management == "external":
        number = answer.json()["data_sources"][0]["id"]
        changed = {"data_source": {**source, "id": number, "management": "writable"}}
        assert ask(served, "PUT", f"/api/v1/data_source/{name}", "writer", json=changed).status_code == 403
        gone = ask(served, "DELETE", f"/api/v1/metadata/{name}?recursive=true&external_only=false", "writer")
        assert gone.status_code == 200
    assert mine.read_bytes() == b"mine"


@pytest.mark.system
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data_sources": 1}', b'{"data_sources": [[]]}', b"\xff"])
def test_what_cannot_be_read_registers_nothing(served, body):
    assert ask(served, "POST", "/api/v1/register/", "writer", content=body).status_code == 403


@pytest.mark.system
def test_what_it_says_holds_no_key(served):
    ask(served, "GET", f"/api/v1/metadata/?api_key={served.keys['reader']}")
    ask(served, "GET", f"/api/v1/nothing?api_key={served.keys['writer']}")
    assert served.said[-3] == f"catalogue {served.root} at {served.address}"
    assert str(served.root / KEY_FILE) in served.said[-2]
    said = "\n".join(served.said) + served.errors.read_text()
    assert not [key for key in served.keys.values() if key in said]
    assert (served.root / KEY_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.system
def test_a_client_without_a_key_is_told_so_in_a_line(served, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("TILED_API_KEY", raising=False)
    for address in (served.address, f"{served.address}/?api_key={'0' * 64}"):
        with catalogs.open(address) as catalog, pytest.raises(CatalogError, match="check address and key") as error:
            _ = catalog.client
        assert "\n" not in str(error.value)
        assert "0" * 64 not in str(error.value)


@pytest.mark.system
def test_a_signal_ends_it_and_its_keys_stay(served):
    assert served.end(signal.SIGINT) == 0
    assert "Traceback" not in served.errors.read_text()
    with pytest.raises(httpx.ConnectError):
        ask(served, "GET", "/healthz")
    served.start()
    assert ask(served, "GET", "/api/v1/metadata/", "reader").status_code == 200


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path):
    keys = keys_of(tmp_path)
    file = tmp_path / KEY_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert keys_of(tmp_path) == keys
    assert keys.writer not in f"{keys} {keys!r}"
    assert keys.writer != keys.reader
    assert list(tmp_path.iterdir()) == [file]
    file.unlink()
    assert keys_of(tmp_path) != keys


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (None, 0o640, r"mode 640: others can read the keys"),
        ("{", 0o600, r"is damaged: JSONDecodeError; remove it"),
        (json.dumps({"writer": "ab", "reader": "cd"}), 0o600, "is damaged"),
        (json.dumps({"writer": "ab" * 32, "reader": "ab" * 32}), 0o600, "is damaged"),
        (json.dumps({"writer": "ab" * 32}), 0o600, "is damaged"),
        (json.dumps({"writer": 1, "reader": 2}), 0o600, "is damaged"),
        ("[]", 0o600, "is damaged"),
    ],
)
def test_keys_that_cannot_be_used_are_refused(tmp_path, content, mode, reason):
    keys_of(tmp_path)
    file = tmp_path / KEY_FILE
    if content is not None:
        file.write_text(content)
    file.chmod(mode)
    with pytest.raises(CatalogError, match=reason) as error:
        keys_of(tmp_path)
    assert "ab" * 32 not in str(error.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_it_is_never_public_by_default(host):
    with pytest.raises(CatalogError, match=r"can be reached by other computers.*--public"):
        listen(host, 0)


def test_it_can_be_made_public():
    with listen("0.0.0.0", 0, public=True) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"


def test_a_port_that_is_taken_is_said():
    with listen("localhost", 0) as listener:
        host, port = listener.getsockname()[:2]
        with pytest.raises(CatalogError, match=rf"served at {host}:{port}: .*in use; choose another --host or --port"):
            listen(host, port)
    with pytest.raises(CatalogError, match="nothing can be served at no such host:0"):
        listen("no such host", 0)


@pytest.mark.parametrize(
    ("arguments", "kind", "reason"),
    [
        (["--host", "0.0.0.0"], CatalogError, "can be reached by other computers"),
        (["--database", f"postgresql://me:{SECRET}@h/x"], RefusedError, "a password on the command line can be read"),
        (["--database", f"mysql://me:{SECRET}@h/x"], CatalogError, "is no address of a PostgreSQL database"),
        (["--database", f"postgresql://me:{SECRET}@h:port/x"], CatalogError, "the database is no address"),
        (["--database", f"postgresql://h/x?password={SECRET}"], CatalogError, "in the query of a database's address"),
        (["--database", "postgresql://me@127.0.0.1:1/x"], CatalogError, "postgresql://127.0.0.1:1/x cannot be used"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, arguments, kind, reason):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    done = CliRunner().invoke(cli.app, ["serve", "--catalog", str(tmp_path / "cat"), "--port", "0", *arguments])
    assert isinstance(done.exception, kind)
    assert reason in str(done.exception)
    assert "\n" not in str(done.exception)
    assert SECRET not in str(done.exception)
    assert done.output == ""


@pytest.mark.parametrize(
    ("address", "printed"),
    [
        ("http://127.0.0.1:8000/?api_key=geheim", "http://127.0.0.1:8000/"),
        ("https://me:geheim@host/api?api_key=geheim&x=1", "https://host/api"),
        ("http://host", "http://host"),
        ("a folder?with=mark", "a folder?with=mark"),
    ],
)
def test_an_address_is_printed_without_what_is_secret(address, printed):
    assert shown(address) == printed

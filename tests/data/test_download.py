from __future__ import annotations

import dataclasses
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from noiseproof.data import DATA_SETS, download, get, load
from noiseproof.errors import DataError

IMAGES = "train-images-idx3-ubyte.gz"


@dataclass
class Site:
    """What the local server serves, how it misbehaves, and what it was asked."""

    files: dict[str, bytes]
    ranges: bool = True
    shift: int = 0
    break_after: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server.site
        name, wanted = self.path.removeprefix("/some/where/"), self.headers.get("Range")
        site.asked.append((name, wanted))
        if site.codes:
            self.send_error(site.codes.pop(0))
            return
        if name not in site.files:
            self.send_error(404)
            return
        raw, begin = site.files[name], 0
        if wanted and site.ranges:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-")) + site.shift
            if begin >= len(raw):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(raw) - 1}/{len(raw)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(raw) - begin))
        self.end_headers()
        part = raw[begin:]
        self.wfile.write(part[: site.break_after.pop(0)] if site.break_after else part)

    def log_message(self, *_):
        pass


@pytest.fixture
def site(tiny_files, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.site = Site(dict(tiny_files), address=f"http://127.0.0.1:{server.server_port}/some/where")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.site
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(tiny, folder, address, **options):
    return download.download(tiny, folder, address=address, pause=0, **options)


def refused(tiny, folder, address):
    with pytest.raises(DataError) as error:
        fetch(tiny, folder, address)
    assert "\n" not in str(error.value)
    return str(error.value)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_downloaded_set_loads(tmp_path, site, tiny, tiny_files):
    assert fetch(tiny, tmp_path / "deep" / "tiny", site.address) == tmp_path / "deep" / "tiny"
    assert names(tmp_path / "deep" / "tiny") == sorted(tiny_files)
    assert len(tiny.load("train", tmp_path / "deep")) == 5
    assert len(tiny.load("test", tmp_path / "deep")) == 3


def test_an_address_may_end_in_a_slash_or_not(tmp_path, site, tiny):
    fetch(tiny, tmp_path / "a", site.address)
    fetch(tiny, tmp_path / "b", f"{site.address}/")
    assert names(tmp_path / "a") == names(tmp_path / "b")


def test_progress_rises_to_the_size_of_the_whole_set(tmp_path, site, tiny):
    told = []
    fetch(tiny, tmp_path, site.address, progress=lambda progress: told.append((progress.done, progress.total)))
    whole = sum(file.size for file in tiny.files)
    assert {total for _, total in told} == {whole}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (whole, whole)
    assert len({done for done, _ in told}) == 4


def test_what_is_here_and_right_is_not_fetched_again(tmp_path, site, tiny):
    fetch(tiny, tmp_path, site.address)
    site.asked.clear()
    told = []
    fetch(tiny, tmp_path, site.address, progress=lambda progress: told.append(progress.done / progress.total))
    assert site.asked == []
    assert told[-1] == 1.0


def test_what_is_here_and_wrong_is_replaced(tmp_path, site, tiny, tiny_files):
    (tmp_path / IMAGES).write_bytes(b"x" * len(tiny_files[IMAGES]))
    fetch(tiny, tmp_path, site.address)
    assert (tmp_path / IMAGES).read_bytes() == tiny_files[IMAGES]


def test_another_file_than_the_published_one_is_refused_and_nothing_is_left(tmp_path, site, tiny, tiny_files):
    wrong = bytearray(tiny_files[IMAGES])
    wrong[-1] ^= 1
    site.files[IMAGES] = bytes(wrong)
    text = refused(tiny, tmp_path, site.address)
    assert f"{site.address}/{IMAGES}: expected {len(wrong)} bytes with SHA-256 {tiny.files[0].sha256}" in text
    assert text.endswith(
        f"; check the network and run the same command again, or put the file into {tmp_path}, or ask a friend"
    )
    assert names(tmp_path) == []
    assert len(site.asked) == 1


def test_a_longer_file_than_the_published_one_is_refused_and_nothing_is_left(tmp_path, site, tiny):
    site.files[IMAGES] += b"x"
    assert "expected" in refused(tiny, tmp_path, site.address)
    assert names(tmp_path) == []


def test_a_broken_download_goes_on_where_it_broke_off(tmp_path, site, tiny, tiny_files):
    site.break_after = [10, 20]
    fetch(tiny, tmp_path, site.address)
    assert site.asked[:3] == [(IMAGES, None), (IMAGES, "bytes=10-"), (IMAGES, "bytes=30-")]
    assert (tmp_path / IMAGES).read_bytes() == tiny_files[IMAGES]


def test_a_download_that_keeps_breaking_ends_and_the_next_one_goes_on(tmp_path, site, tiny, tiny_files):
    site.break_after = [10, 10, 10]
    size = len(tiny_files[IMAGES])
    assert f"the connection broke off at 30 of {size} bytes" in refused(tiny, tmp_path, site.address)
    assert names(tmp_path) == [f"{IMAGES}.part"]
    fetch(tiny, tmp_path, site.address)
    assert site.asked[3] == (IMAGES, "bytes=30-")
    assert (tmp_path / IMAGES).read_bytes() == tiny_files[IMAGES]


def test_a_server_without_ranges_begins_anew(tmp_path, site, tiny, tiny_files):
    site.ranges = False
    site.break_after = [10]
    fetch(tiny, tmp_path, site.address)
    assert [wanted for name, wanted in site.asked if name == IMAGES] == [None, "bytes=10-"]
    assert (tmp_path / IMAGES).read_bytes() == tiny_files[IMAGES]


def test_a_server_that_goes_on_elsewhere_is_begun_anew(tmp_path, site, tiny, tiny_files):
    site.shift = 1
    site.break_after = [10]
    fetch(tiny, tmp_path, site.address)
    assert site.asked[:3] == [(IMAGES, None), (IMAGES, "bytes=10-"), (IMAGES, None)]
    assert (tmp_path / IMAGES).read_bytes() == tiny_files[IMAGES]


@pytest.mark.parametrize("part", [b"rubbish", b"x" * 1000], ids=["short", "long"])
def test_a_part_of_another_file_is_thrown_away(tmp_path, site, tiny, tiny_files, part):
    (tmp_path / f"{IMAGES}.part").write_bytes(part)
    fetch(tiny, tmp_path, site.address)
    assert (tmp_path / IMAGES).read_bytes() == tiny_files[IMAGES]
    assert f"{IMAGES}.part" not in names(tmp_path)


def test_a_part_that_is_already_whole_is_only_checked(tmp_path, site, tiny, tiny_files):
    (tmp_path / f"{IMAGES}.part").write_bytes(tiny_files[IMAGES])
    fetch(tiny, tmp_path, site.address)
    assert IMAGES not in [name for name, _ in site.asked]
    assert (tmp_path / IMAGES).read_bytes() == tiny_files[IMAGES]


def test_a_part_beyond_the_server_s_file_is_thrown_away(tmp_path, site, tiny, tiny_files):
    site.files[IMAGES] = tiny_files[IMAGES][:20]
    (tmp_path / f"{IMAGES}.part").write_bytes(b"x" * 25)
    assert "HTTP 416" in refused(tiny, tmp_path, site.address)
    assert [wanted for _, wanted in site.asked] == ["bytes=25-", None, "bytes=20-"]
    assert names(tmp_path) == []


def test_a_missing_file_is_told_with_its_address_and_not_asked_for_again(tmp_path, site, tiny):
    del site.files[IMAGES]
    assert f"cannot download {site.address}/{IMAGES}: HTTP 404" in refused(tiny, tmp_path, site.address)
    assert len(site.asked) == 1


def test_a_server_in_trouble_is_asked_again(tmp_path, site, tiny):
    site.codes = [503, 429]
    fetch(tiny, tmp_path, site.address)
    assert len(site.asked) == 6


def test_the_next_address_is_tried(tmp_path, site, tiny):
    both = dataclasses.replace(tiny, addresses=("http://127.0.0.1:9/", f"{site.address}/"))
    download.download(both, tmp_path, pause=0)
    assert len(names(tmp_path)) == 4


def test_no_network_is_told_with_what_to_do(tmp_path, tiny, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    text = refused(tiny, tmp_path, address)
    assert text.startswith(f"cannot download {address}/{IMAGES}: no answer (")
    assert "; check the network and run the same command again, or " in text


def test_a_pause_between_attempts_doubles(tmp_path, site, tiny, monkeypatch):
    slept = []
    monkeypatch.setattr(download.time, "sleep", slept.append)
    site.codes = [503, 503]
    download.download(tiny, tmp_path, address=site.address, pause=0.5)
    assert slept == [0.5, 1.0]


def test_a_folder_that_cannot_be_written_is_told(tmp_path, site, tiny):
    (tmp_path / "file").touch()
    text = refused(tiny, tmp_path / "file" / "tiny", site.address)
    assert text.startswith(f"cannot write to {tmp_path}/file/tiny: Not a directory; ")
    assert text.endswith("choose another folder of data sets with NOISEPROOF_DATA")


def test_an_address_of_another_kind_is_refused(tmp_path, tiny):
    with pytest.raises(ValueError, match=r"^address must begin with http:// or https://, got 'file:///etc'$"):
        fetch(tiny, tmp_path, "file:///etc")


def test_get_puts_a_named_set_where_load_finds_it(site, bare_disk, tiny, monkeypatch):
    named = dataclasses.replace(tiny, name="mnist")
    monkeypatch.setattr("noiseproof.data.DATA_SETS", {**DATA_SETS, "mnist": named})
    assert get("mnist", address=site.address, pause=0) == bare_disk / ".cache/noiseproof/mnist"
    assert load("mnist:train").name == "mnist:train"


def test_get_puts_a_named_set_below_the_root(site, tmp_path, tiny, monkeypatch):
    monkeypatch.setattr("noiseproof.data.DATA_SETS", {**DATA_SETS, "tiny": tiny})
    assert get("tiny", root=tmp_path, address=site.address, pause=0) == tmp_path / "tiny"


def test_get_refuses_an_unknown_name():
    with pytest.raises(ValueError, match=r"^unknown data set 'mnits'; did you mean 'mnist'\?$"):
        get("mnits")


def test_get_refuses_what_ships_inside():
    with pytest.raises(DataError, match=r"^fashion-mnist-small ships inside noiseproof: there is nothing to"):
        get("fashion-mnist-small")


@pytest.mark.parametrize("name", ["cifar10-jpeg", "imagenet"])
def test_get_refuses_what_has_no_address_and_says_what_to_do(name):
    with pytest.raises(DataError) as error:
        get(name)
    assert str(error.value) == f"{name} has no address to download it from; {DATA_SETS[name].remedy}"

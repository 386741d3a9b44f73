"""An image by its address: what must not be asked is not, however it is written, and nobody can make it last or swell.

Servers run on this computer. The resolver is an invention and says public addresses; a connection to one of these is
made to the server instead, so that the checks of addresses are the true ones.
"""

from __future__ import annotations

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cxrkit.errors import AddressRefused, CxrError, RemoteUnavailable, TooLarge
from cxrkit.serving.public_address import ALLOW, AllowedHosts, is_public, parse_address
from cxrkit.serving.remote_image import Limits, connect_to, fetch, resolve
from tests.unit.loopback import Handler, Site, answer, drop_after, serve

PUBLIC, OTHER_PUBLIC = "93.184.216.34", "2606:2800:220:1::1"
ANY = AllowedHosts.parse("*")
FAST = Limits(size=10_000, seconds=5)


@dataclass
class Net:
    """A name server that says what it is told to, once after the other; and a way to one real server."""

    site: Site
    names: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(host)
        answers = self.names.get(host, [(PUBLIC,)])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, address: str, port: int, timeout: float) -> socket.socket:
        self.connected.append((address, port))
        return connect_to("127.0.0.1", self.site.port, timeout)

    def fetch(self, address: str, allowed: AllowedHosts = ANY, limits: Limits = FAST, **more: ssl.SSLContext) -> bytes:
        return fetch(address, allowed=allowed, resolver=self.resolve, connect=self.connect, limits=limits, **more)


@pytest.fixture
def net() -> Iterator[Net]:
    with serve(Site({"a.png": b"picture", "large": bytes(20_000)})) as site:
        yield Net(site)


def test_a_file_comes_from_the_address_that_was_checked(net: Net) -> None:
    net.site.files["a.png?patient=4711"] = b"picture"
    assert net.fetch("http://Images.Example.org./a.png?patient=4711#part") == b"picture"
    assert net.connected[-1] == (PUBLIC, 80)
    sent = net.site.asked[-1]
    assert sent["Host"] == "images.example.org"
    assert sent["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization", "Referer"} & set(sent)


def test_off_unless_configured(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALLOW, raising=False)
    assert not AllowedHosts.from_environment()
    with pytest.raises(AddressRefused, match="may not be fetched"):
        fetch("http://images.example.org/a.png", resolver=net.resolve, connect=net.connect)
    assert net.asked == []
    monkeypatch.setenv(ALLOW, "images.example.org, other.example.org:8443")
    assert fetch("http://images.example.org/a.png", resolver=net.resolve, connect=net.connect) == b"picture"


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("http://images.example.org/a", True),
        ("https://images.example.org/a", True),
        ("https://images.example.org:443/a", True),
        ("http://images.example.org:8080/a", False),
        ("http://images.example.org:443/a", False),
        ("https://pacs.example.org:8443/a", True),
        ("https://pacs.example.org/a", False),
        ("https://sub.images.example.org/a", False),
        ("https://images.example.org.evil.example/a", False),
        ("https://evil.example/images.example.org", False),
    ],
)
def test_only_named_hosts_on_their_ports(address: str, fine: bool) -> None:
    allowed = AllowedHosts.parse("images.example.org,pacs.example.org:8443,,*.example.org,-bad-")
    if fine:
        parse_address(address, allowed)
    else:
        with pytest.raises(AddressRefused, match="may not be fetched"):
            parse_address(address, allowed)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "127.1", "0x7F.1", "1572395042", "010.0.0.1", "1.2.3.0x"],
)
def test_numbers_in_other_notations_are_refused_unasked(net: Net, host: str) -> None:
    """inet_aton reads them all as IPv4 addresses, most as this very computer's."""
    with pytest.raises(AddressRefused, match="unusual notation"):
        net.fetch(f"http://{host}/a.png")
    assert (net.asked, net.connected) == ([], [])


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ftp://images.example.org/a.png",
        "gopher://images.example.org/",
        "//images.example.org/a.png",
        "images.example.org/a.png",
        "data:image/png;base64,AAAA",
        "",
        "http://",
        "http:///a.png",
        "http://user:secret@images.example.org/a.png",
        "http://images.example.org@127.0.0.1/a.png",
        "http://@images.example.org/",
        "http://images.example.org\\@127.0.0.1/",
        "http://images.example.org:99999/",
        "http://images.example.org:port/",
        "http://images.example.org/a\r\nHost: evil.example",
        "http://images.example.org/a b",
        "http://images.example.org/\u00e4",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://images..example.org/",
        "http://-images.example.org/",
        "http://images.example.org/" + "a" * 3000,
    ],
)
def test_other_forms_are_refused_unasked(net: Net, address: str) -> None:
    with pytest.raises(AddressRefused):
        net.fetch(address)
    assert (net.asked, net.connected) == ([], [])


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.8.8.8",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:2800:220:1::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "no address",
    ],
)
def test_addresses_that_are_not_public(net: Net, address: str) -> None:
    assert not is_public(address)
    net.names["images.example.org"] = [(PUBLIC, address)]
    with pytest.raises(AddressRefused, match="not on the public internet"):
        net.fetch("http://images.example.org/a.png")
    assert net.connected == []


@pytest.mark.parametrize("address", [PUBLIC, OTHER_PUBLIC, "8.8.8.8", "2001:4860:4860::8888"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "localhost", "localhost."])
def test_this_computer_is_refused_by_the_true_resolver(host: str) -> None:
    with pytest.raises(AddressRefused, match="not on the public internet"):
        fetch(f"http://{host}/a.png", allowed=ANY, limits=FAST)


def test_the_true_resolver_gives_all_addresses_once() -> None:
    found = resolve("localhost", 80)
    assert found
    assert len(set(found)) == len(found)


def test_a_name_that_moves_after_it_was_checked(net: Net) -> None:
    """DNS rebinding: the second answer is this computer, but nobody asks for one within one request."""
    net.names["images.example.org"] = [(PUBLIC,), ("127.0.0.1",)]
    assert net.fetch("http://images.example.org/a.png") == b"picture"
    assert net.asked == ["images.example.org"]
    assert net.connected == [(PUBLIC, 80)]
    net.names["images.example.org"] = [(PUBLIC,), ("127.0.0.1",)]
    net.site.script.append(answer(302, Location="/a.png"))
    with pytest.raises(AddressRefused, match="not on the public internet"):  # asked again, checked again
        net.fetch("http://images.example.org/start")


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://127.0.0.1/a.png", "not on the public internet"),
        ("http://2130706433/", "unusual notation"),
        ("//inner.example.org/a.png", "not on the public internet"),
        ("http://user@other.example.org/", "user name"),
        ("http://other.example.org:8080/", "may not be fetched"),
        ("file:///etc/passwd", "only http and https"),
        ("ftp://other.example.org/", "only http and https"),
        ("http://other.example.org/a b", "signs"),
    ],
)
def test_where_a_redirect_leads_is_checked_too(net: Net, location: str, error: str) -> None:
    net.names["127.0.0.1"] = [("127.0.0.1",)]
    net.names["inner.example.org"] = [("10.0.0.1",)]
    net.site.script.append(answer(302, Location=location))
    with pytest.raises(AddressRefused, match=error):
        net.fetch("http://images.example.org/start")
    assert len(net.connected) == 1


def test_a_redirect_to_a_host_that_is_not_on_the_list(net: Net) -> None:
    net.site.script.append(answer(307, Location="http://other.example.org/a.png"))
    with pytest.raises(AddressRefused, match="may not be fetched"):
        net.fetch("http://images.example.org/start", AllowedHosts.parse("images.example.org"))


@pytest.mark.parametrize("location", ["/a.png", "a.png", "http://other.example.org/a.png"])
def test_good_redirects_are_followed(net: Net, location: str) -> None:
    net.site.script += [answer(status, Location=location) for status in (301, 302, 308)]
    assert net.fetch("http://images.example.org/start") == b"picture"


def test_too_many_redirects(net: Net) -> None:
    net.site.script += [answer(303, Location="/again")] * 9
    with pytest.raises(RemoteUnavailable, match="too often"):
        net.fetch("http://images.example.org/start")
    assert len(net.connected) == 1 + FAST.redirects


def endless(handler: Handler) -> bool:
    """A body without end or length."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while not handler.site.released.is_set():
            handler.wfile.write(bytes(1000))
    except OSError:
        handler.site.modified = "hung up"
    return True


def dripping(text: bytes) -> Callable[[Handler], bool]:
    """One byte now and then: each comes soon enough, all together take minutes."""

    def act(handler: Handler) -> bool:
        try:
            handler.wfile.write(text)
            while not handler.site.released.wait(0.05):
                handler.wfile.write(b"a")
        except OSError:
            pass
        return True

    return act


def test_an_endless_body_ends(net: Net) -> None:
    net.site.script.append(endless)
    with pytest.raises(TooLarge):
        net.fetch("http://images.example.org/a")
    deadline = time.monotonic() + 5
    while net.site.modified != "hung up" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert net.site.modified == "hung up"


def test_a_body_that_is_announced_too_large_is_not_read(net: Net) -> None:
    with pytest.raises(TooLarge):
        net.fetch("http://images.example.org/large")
    assert len(net.fetch("http://images.example.org/large", limits=Limits(size=20_000))) == 20_000


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"])
def test_a_slow_answer_ends(net: Net, begun: bytes) -> None:
    net.site.script.append(dripping(begun))
    before = time.monotonic()
    with pytest.raises(RemoteUnavailable, match="in time"):
        net.fetch("http://images.example.org/a", limits=Limits(size=1000, seconds=0.4))
    assert time.monotonic() - before < 3


def test_a_slow_name_server_ends(net: Net) -> None:
    released = threading.Event()

    def slow(host: str, port: int) -> tuple[str, ...]:
        released.wait(20)
        return (PUBLIC,)

    with pytest.raises(RemoteUnavailable, match="in time"):
        fetch("http://images.example.org/", allowed=ANY, resolver=slow, connect=net.connect, limits=Limits(seconds=0.2))
    released.set()
    assert net.connected == []


def test_a_packed_body_is_not_unpacked(net: Net) -> None:
    net.site.script.append(answer(200, Content_Encoding="gzip"))
    with pytest.raises(RemoteUnavailable, match="packed"):
        net.fetch("http://images.example.org/a.png")


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (answer(404), "status 404"),
        (answer(302), "status 302"),
        (answer(204), "status 204"),
        (answer(500), "status 500"),
        (drop_after(3), "breaks off"),
        (dripping(b"SSH-2.0-OpenSSH\r\n"), "breaks off"),
    ],
)
def test_answers_without_a_file(net: Net, act: Callable[[Handler], bool], error: str) -> None:
    net.site.script.append(act)
    with pytest.raises(RemoteUnavailable, match=error):
        net.fetch("http://images.example.org/a.png")


def test_a_host_that_does_not_exist_or_answer(net: Net) -> None:
    def unknown(host: str, port: int) -> tuple[str, ...]:
        raise socket.gaierror

    def refused(address: str, port: int, timeout: float) -> socket.socket:
        net.connected.append((address, port))
        raise ConnectionRefusedError

    for resolver, connect in ((unknown, net.connect), (lambda host, port: (PUBLIC, OTHER_PUBLIC), refused)):
        with pytest.raises(RemoteUnavailable, match="cannot be reached"):
            fetch("http://images.example.org/", allowed=ANY, resolver=resolver, connect=connect)
    assert net.connected == [(PUBLIC, 80), (OTHER_PUBLIC, 80)]


def test_no_proxy_of_the_environment(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert net.fetch("http://images.example.org/a.png") == b"picture"


def test_no_error_quotes_the_address(net: Net) -> None:
    secret = "Doe-4711"
    net.names[f"{secret.lower()}.example.org"] = [("10.0.0.1",)]
    for address in (
        f"http://images.example.org/{secret}",
        f"ftp://images.example.org/{secret}",
        f"http://{secret}.example.org/",
        f"http://{secret}@images.example.org/",
        f"http://images.example.org:{secret}/",
        f"http://[{secret}]/",
    ):
        with pytest.raises(CxrError) as caught:
            net.fetch(address)
        chain: BaseException | None = caught.value
        assert secret.lower() not in f"{caught.value} {caught.value.args}".lower()
        assert caught.value.__suppress_context__ or chain.__context__ is None


# -- encrypted ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for images.example.org, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate can be made for the test")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    made = subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=images.example.org"
        " -addext subjectAltName=DNS:images.example.org -keyout /dev/stdout -out /dev/stdout",
        shell=True,
        capture_output=True,
        check=True,
    )
    file.write_bytes(made.stdout)
    return file


class Named(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"over TLS for " + self.headers["Host"].encode())


@pytest.fixture
def encrypted(net: Net, certificate: Path) -> Iterator[Net]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    names: list[str | None] = []
    context.sni_callback = lambda connection, name, _: names.append(name)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Named)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who hangs up is what the test is about
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    net.site.port, plain = server.server_address[1], net.site.port
    net.asked_by_name = names  # type: ignore[attr-defined]
    yield net
    server.shutdown()
    thread.join()
    server.server_close()
    net.site.port = plain


def test_encrypted_by_the_name_and_not_by_the_address(encrypted: Net, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    got = encrypted.fetch("https://images.example.org/a.png", tls=trusting)
    assert got == b"over TLS for images.example.org"
    assert encrypted.connected == [(PUBLIC, 443)]
    assert encrypted.asked_by_name == ["images.example.org"]  # type: ignore[attr-defined]
    with pytest.raises(RemoteUnavailable, match="cannot prove"):  # another name
        encrypted.fetch("https://other.example.org/a.png", tls=trusting)


def test_a_certificate_that_nobody_vouches_for(encrypted: Net) -> None:
    with pytest.raises(RemoteUnavailable, match="cannot prove"):
        encrypted.fetch("https://images.example.org/a.png")


def test_no_redirect_out_of_encryption() -> None:
    before = parse_address("https://images.example.org/a", ANY)
    with pytest.raises(AddressRefused, match="encrypted"):
        parse_address("http://images.example.org/a", ANY, before=before)
    assert parse_address("/b", ANY, before=before).scheme == "https"

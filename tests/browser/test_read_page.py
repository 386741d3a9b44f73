"""The Read page in a real browser: zoom that survives, linked pictures, keys, links, films; how fast a map changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cxrkit.imaging.phantom import phantom_png
from tests.browser.driving import open_page, sync_api, wait_until_idle, wait_until_warm

pytestmark = pytest.mark.timeout(180)
NOTE_SOCKETS = """
    window.sockets = [];
    window.WebSocket = class extends WebSocket {
        constructor(...how) { super(...how); window.sockets.push(this); }
    };
"""
# What the layers of the chart show before an act and two frames after it, which is sooner than a server can answer.
AT_ONCE = """async ([act, target]) => {
    const look = () => [...document.querySelectorAll('.st-key-viewport image')].map(
        image => getComputedStyle(image).opacity).join(' ');
    const before = look();
    if (act === 'click') document.querySelector(target).click();
    else document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: target, bubbles: true}));
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
    return [before, look()];
}"""
LAYERS = "[...document.querySelectorAll('.st-key-viewport image')].map(i => getComputedStyle(i).opacity).join(' ')"
OVERRULED = "[...document.head.querySelectorAll('style')].some(s => s.textContent.includes('viewport.st-key-viewport'))"
SIDES = ".st-key-viewport .imagelayer:has(image)"


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two phantoms, and a file that is no radiograph between them."""
    folder = tmp_path_factory.mktemp("scans")
    files = {"a.png": phantom_png(seed=4, size=768), "b.png": b"%PDF-1.7", "c.png": phantom_png(seed=5, size=768)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


@pytest.fixture(scope="module")
def tab(server: str, browser: sync_api.Browser) -> Iterator[sync_api.Page]:
    """One session for the tests that follow each other."""
    opened = open_page(browser, server, 1440, 900)
    wait_until_warm(opened)
    yield opened
    opened.close()


@pytest.fixture
def page(tab: sync_api.Page, scans: list[Path]) -> Iterator[sync_api.Page]:
    """The page with one reading on it, as a new session shows it."""
    read(tab, scans[0])
    yield tab
    tab.keyboard.press("Escape")
    wait_until_idle(tab)
    for changed in ("Show the map", "Show as it was"):
        if tab.get_by_role("button", name=changed).count():
            tab.get_by_role("button", name=changed).click()
            wait_until_idle(tab)
    arrangement = tab.get_by_role("radio", name="Map", exact=True)
    if arrangement.count() and not arrangement.is_checked():
        arrangement.click()
        wait_until_idle(tab)
    clear(tab)


def clear(page: sync_api.Page) -> None:
    page.get_by_role("button", name="Clear patient").click()
    sync_api.expect(page.locator(".cx-welcome")).to_have_count(1)
    sync_api.expect(page.locator(".cx-row")).to_have_count(0)
    wait_until_idle(page)


def read(page: sync_api.Page, *files: Path) -> None:
    page.locator("input[type=file]").set_input_files(files)
    page.locator(".cx-row").nth(13).wait_for()
    page.locator(".st-key-viewport image").first.wait_for()
    wait_until_idle(page)


def expect_shown(page: sync_api.Page, label: str) -> None:
    """Wait until the row of a finding alone is marked; while the page is drawn anew two may be."""
    sync_api.expect(page.locator(".cx-row.is-shown .cx-name")).to_have_text([label])
    wait_until_idle(page)


def choose(page: sync_api.Page, label: str) -> None:
    """Show a finding."""
    page.get_by_role("button", name=f"Show {label} on the radiograph").click()
    expect_shown(page, label)


def boxes(page: sync_api.Page) -> list[dict[str, float]]:
    """Where the radiograph lies in each of the pictures."""
    found = [
        page.locator(SIDES).nth(k).locator("image").first.bounding_box() for k in range(page.locator(SIDES).count())
    ]
    return [{name: round(value) for name, value in box.items()} for box in found if box]


def grey(page: sync_api.Page) -> float:
    """Mean of the middle of the picture as it is on the screen."""
    import io

    from PIL import Image, ImageStat

    (box, *_) = boxes(page)
    clip = {"x": box["x"] + box["width"] * 0.2, "y": box["y"] + box["height"] * 0.3, "width": 80, "height": 80}
    return ImageStat.Stat(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("L")).mean[0]


def test_side_by_side_zooms_and_pans_together_and_keeps_both_with_another_finding(page: sync_api.Page) -> None:
    page.get_by_role("radio", name="Side by side").click()
    sync_api.expect(page.locator(SIDES)).to_have_count(2)
    wait_until_idle(page)
    left, right = boxes(page)
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"] + 1
    # the map is on the right alone
    assert page.locator(SIDES).nth(0).locator("image").count() == 1
    assert page.locator(SIDES).nth(1).locator("image").count() > 1

    page.mouse.move(left["x"] + left["width"] / 2, left["y"] + left["height"] / 2)
    for _ in range(3):
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(200)
    page.mouse.down()
    page.mouse.move(left["x"] + left["width"] / 2 + 40, left["y"] + left["height"] / 2 + 30, steps=6)
    page.mouse.up()
    wait_until_idle(page)
    zoomed = boxes(page)
    assert zoomed[0]["width"] > 1.2 * left["width"]
    assert zoomed[0]["width"] == zoomed[1]["width"]
    assert abs(zoomed[0]["x"] - left["x"] - (zoomed[1]["x"] - right["x"])) <= 1
    assert zoomed[0]["y"] == zoomed[1]["y"]

    choose(page, "Mass")
    assert boxes(page) == zoomed
    page.get_by_role("radio", name="All maps").click()
    sync_api.expect(page.locator(".cx-cell")).to_have_count(14)
    wait_until_idle(page)
    page.get_by_role("button", name="Look at Nodule").click()
    sync_api.expect(page.locator(".cx-cell")).to_have_count(0)
    expect_shown(page, "Nodule")
    assert boxes(page) == zoomed


def test_inversion_and_window_change_what_is_seen_and_send_no_picture(page: sync_api.Page) -> None:
    choose(page, "Mass")
    page.keyboard.press("o")  # no map over it
    sync_api.expect(page.get_by_role("button", name="Show the map")).to_have_count(1)
    wait_until_idle(page)
    received: list[int] = []
    network = page.context.new_cdp_session(page)
    network.on("Network.webSocketFrameReceived", lambda frame: received.append(len(frame["response"]["payloadData"])))
    network.send("Network.enable")
    before = grey(page)
    page.keyboard.press("i")
    sync_api.expect(page.locator(".cx-caption")).to_contain_text(["of the view alone"])
    wait_until_idle(page)
    assert grey(page) == pytest.approx(255 - before, abs=4)
    page.keyboard.press("i")
    sync_api.expect(page.locator(".cx-caption", has_text="of the view alone")).to_have_count(0)
    wait_until_idle(page)
    assert grey(page) == pytest.approx(before, abs=2)

    page.get_by_role("button", name="Adjust").click()
    width = page.get_by_role("slider", name="Window width")
    sync_api.expect(width).to_have_value("100")
    width.focus()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    sync_api.expect(page.locator(".cx-caption")).to_contain_text(["of the view alone"])
    wait_until_idle(page)
    style = page.locator(".st-key-viewport image").first.evaluate("e => getComputedStyle(e).filter")
    assert style.startswith("brightness(1) contrast(1.6")
    print(f"{len(received)} messages, {sum(received) / 1000:.0f} kB")
    assert received
    assert max(received) < 20_000, "the style sheet is sent, the pictures are not"


def test_what_a_popover_shows_is_what_holds(page: sync_api.Page) -> None:
    """The picture's letters are blanked from the start; the switch said no when it was opened after another run."""
    choose(page, "Mass")
    button = page.get_by_role("button", name="Blank text (1)")
    button.click()
    sync_api.expect(page.locator("[class*=st-key-blank_suspected] input")).to_be_checked()
    page.keyboard.press("Escape")
    wait_until_idle(page)
    choose(page, "Nodule")
    sync_api.expect(button).to_have_count(1)
    sync_api.expect(button).to_be_visible()


def test_keys_go_through_findings_and_leave_a_field_alone(page: sync_api.Page) -> None:
    order = page.locator(".cx-row .cx-name").all_inner_texts()
    assert len(order) == 14
    (first,) = page.locator(".cx-row.is-shown .cx-name").all_inner_texts()
    here = order.index(first)
    page.keyboard.press("j")
    expect_shown(page, order[(here + 1) % 14])
    page.keyboard.press("k")
    expect_shown(page, order[here])
    field = page.locator(".st-key-finding_field input")
    field.focus()
    page.keyboard.press("j")
    wait_until_idle(page, 1500)
    expect_shown(page, order[here])
    page.keyboard.press("Escape")


def test_another_map_is_there_before_the_server_has_answered(page: sync_api.Page) -> None:
    choose(page, "Mass")
    for target, label in ((".st-key-show_Nodule button", "Nodule"), (".st-key-show_Mass button", "Mass")):
        before, at_once = page.evaluate(AT_ONCE, ["click", target])
        assert at_once != before
        expect_shown(page, label)
        assert page.evaluate(LAYERS) == at_once  # the server agrees, and its own style holds again
        assert not page.evaluate(OVERRULED)
    before, at_once = page.evaluate(AT_ONCE, ["click", ".st-key-next_finding button"])
    assert at_once != before
    wait_until_idle(page)
    assert page.evaluate(LAYERS) == at_once
    slider = page.locator(".st-key-map_opacity input[type=range]")
    slider.press("ArrowLeft")
    page.wait_for_function(f"before => {LAYERS} !== before", arg=at_once, timeout=150)
    slid = page.evaluate(LAYERS)
    wait_until_idle(page)
    assert page.evaluate(LAYERS) == slid
    assert not page.evaluate(OVERRULED)


def test_a_link_opens_the_finding_a_broken_connection_keeps_the_film_and_a_reload_the_choices(
    server: str, browser: sync_api.Browser, scans: list[Path]
) -> None:
    page = open_page(browser, f"{server}/_stcore/health", 1440, 900)
    page.add_init_script(NOTE_SOCKETS)
    page.goto(f"{server}/?finding=Hernia&rule=screening&preset=chestxray14")
    wait_until_warm(page)
    read(page, scans[0])
    expect_shown(page, "Hiatal hernia")
    choose(page, "Mass")
    assert "finding=Mass" in page.url
    choose(page, "Nodule")
    page.go_back()
    expect_shown(page, "Mass")

    uploads: list[str] = []
    page.on("request", lambda request: uploads.append(request.url) if "upload_file" in request.url else None)
    page.evaluate("sockets.forEach(socket => socket.close())")  # as sleep or a network that is gone does
    page.wait_for_function("sockets.length > 1 && sockets.at(-1).readyState === WebSocket.OPEN")
    wait_until_idle(page)
    sync_api.expect(page.locator(".cx-row")).to_have_count(14)
    expect_shown(page, "Mass")
    choose(page, "Nodule")  # the server has the film and its reading still
    page.locator(".st-key-viewport image").first.wait_for()
    choose(page, "Mass")
    assert uploads == []

    page.reload()  # a new session: the radiograph is gone, as the decision says, the choices are not
    wait_until_warm(page)
    sync_api.expect(page.locator(".cx-side-title")).to_have_text(["Mass at this operating point"])
    sync_api.expect(page.get_by_role("radio", name="Screening")).to_be_checked()
    read(page, scans[0])
    expect_shown(page, "Mass")
    page.close()


def looked_at(page: sync_api.Page, words: str) -> None:
    """One film is marked, with these words; while the page is drawn anew there may be two."""
    sync_api.expect(page.locator(".cx-film-cell.is-shown")).to_contain_text([words])
    wait_until_idle(page)


def test_films_are_gone_through_by_keys_and_by_their_thumbnails(page: sync_api.Page, scans: list[Path]) -> None:
    clear(page)
    read(page, *scans)
    films = page.get_by_role("button", name="Film ", exact=False)
    sync_api.expect(page.locator(".cx-film-cell")).to_have_count(3)
    looked_at(page, "1: ")
    page.keyboard.press("n")
    looked_at(page, "2: cannot be read")
    page.get_by_text("The file is a PDF document, not a radiograph.").first.wait_for()
    page.get_by_role("button", name="Film 3 of 3").click()
    looked_at(page, "3: ")
    page.locator(".cx-row").nth(13).wait_for()
    wait_until_idle(page)
    page.keyboard.press("p")
    looked_at(page, "2: ")
    assert films.count() >= 3


def test_the_first_screen_holds_picture_controls_caption_and_findings(page: sync_api.Page) -> None:
    for part in (".st-key-controls", ".st-key-viewport", ".cx-caption", ".st-key-blank_field"):
        box = page.locator(part).first.bounding_box()
        assert box
        assert box["y"] + box["height"] <= 900
    viewport = page.locator(".st-key-viewport").bounding_box()
    assert viewport
    assert viewport["height"] >= 500
    assert page.locator(".cx-row").nth(10).bounding_box()["y"] < 900  # type: ignore[index]

"""Opens the dashboard and the docs in headless Chromium, and sends each model the request its docs suggest."""

import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from server import ROOT, Server

FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1600",
)
SHOTS = ROOT / ".tools" / "e2e"
WAIT = 30


def chromium(profile):
    options = Options()
    options.binary_location = shutil.which("chromium") or sys.exit("chromium was not found; scripts/e2e.sh installs it")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    if os.geteuid() == 0:
        # Chromium's sandbox refuses to start as root.
        options.add_argument("--no-sandbox")
    driver = shutil.which("chromedriver") or sys.exit("chromedriver was not found; scripts/e2e.sh installs it")
    return webdriver.Chrome(options=options, service=Service(driver))


def shoot(browser, name):
    path = SHOTS / f"{name}.png"
    browser.save_screenshot(str(path))
    print(f"  {path.relative_to(ROOT)}")


def until(browser, what, condition):
    def quietly(_):
        # The page redraws while it is looked at; what is gone is looked for again.
        try:
            return condition()
        except Exception:
            return False

    return WebDriverWait(browser, WAIT).until(quietly, f"{what} did not show within {WAIT} s")


def dashboard(browser, server, names):
    browser.get(server.url + "/")

    def states():
        rows = browser.find_elements(By.CSS_SELECTOR, "#models tr")
        cells = [[c.text for c in row.find_elements(By.TAG_NAME, "td")] for row in rows]
        return {row[0].split()[0]: row[1] for row in cells}

    until(browser, "every model as ready", lambda: states() == dict.fromkeys(names, "ready"))
    print(f"dashboard: {', '.join(names)} ready")
    shoot(browser, "dashboard")


def try_out(browser, server, name, path):
    """Presses "Try it out" and "Execute" and gives the answer on the page."""
    browser.get(server.url + "/docs")
    block = until(
        browser,
        f"the operation {path}",
        lambda: browser.find_element(
            By.XPATH, f'//*[contains(@class,"opblock-post")][.//*[@data-path="{path}"]]'
        ),
    )
    find = lambda selector: block.find_element(By.CSS_SELECTOR, selector)
    find(".opblock-summary-control").click()

    def execute():
        # With "Try it out" switched on by default the button reads Cancel.
        button = find("button.try-out__btn")
        if "Try it out" in button.text:
            button.click()
        found = find("button.execute")
        found.click()
        return True

    until(browser, "Execute", execute)
    status = until(browser, "a response", lambda: find(".live-responses-table tr.response .response-col_status").text.split()[0])
    body = until(browser, "its body", lambda: find(".live-responses-table .highlight-code code").text)
    browser.execute_script("arguments[0].scrollIntoView()", find(".live-responses-table"))
    # Lets the page come to rest for the picture; nothing waits on it.
    time.sleep(0.3)
    shoot(browser, f"docs-{name}")
    assert status == "200", f"{path} answered {status}: {body}"
    answer = json.loads(body)
    assert answer.get("results") not in (None, "", [], {}), f"{path} answered without results: {body}"
    print(f"docs: {path} answered 200 with results {json.dumps(answer['results'])[:80]}")


def main():
    SHOTS.mkdir(parents=True, exist_ok=True)
    with Server() as server, tempfile.TemporaryDirectory(prefix="hostler-chromium-") as profile:
        models = server.models()
        browser = chromium(pathlib.Path(profile))
        try:
            dashboard(browser, server, [model["name"] for model in models])
            for model in models:
                try_out(browser, server, model["name"], model["paths"][0])
        except Exception:
            shoot(browser, "failed")
            raise
        finally:
            browser.quit()
    print("e2e: passed")


if __name__ == "__main__":
    main()

"""Looks at pages with a real browser: Debian's chromium, without a window, spoken to through a pipe.

Run as a program, it photographs a page: python3 tests/tools/browser.py report.html report.png --width 1200 --height 900
"""

import argparse
import base64
import json
import os
import pathlib
import select
import subprocess
import tempfile
import time

PATIENCE_S = 120


class Browser:
    """The DevTools protocol: JSON objects, each ended by a NUL, in pipes 3 and 4 of the browser."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_read, self.to = os.pipe()
        self.answers, to_write = os.pipe()
        arguments = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                     "--disable-dev-shm-usage", "--disable-background-networking", "--remote-debugging-pipe",
                     f"--user-data-dir={self.folder.name}", "about:blank"]
        with open(pathlib.Path(self.folder.name) / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", *arguments],
                pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "HOME": self.folder.name})
        os.close(to_read)
        os.close(to_write)
        self.buffer = b""
        self.calls = 0
        self.events = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=PATIENCE_S)
        os.close(self.to)
        os.close(self.answers)
        self.folder.cleanup()

    def receive(self, deadline):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.answers, 1 << 20) if ready else b""
            if not data:
                raise TimeoutError("the browser does not answer")
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.calls += 1
        number = self.calls
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        deadline = time.monotonic() + PATIENCE_S
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive(deadline))

    def open(self, path, width=1200, height=900, dark=False):
        return Page(self, path, width, height, dark)


class Page:
    """A page in a tab of its own; complaints and requests are collected from the beginning."""

    def __init__(self, browser, path, width, height, dark):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.browser.events = []
        self.url = pathlib.Path(path).resolve().as_uri()
        self.call("Page.navigate", url=self.url)
        browser.wait_for("Page.loadEventFired")

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def requests(self):
        """What the page asked for besides itself."""
        urls = [event["params"]["request"]["url"] for event in self.browser.events
                if event.get("method") == "Network.requestWillBeSent"]
        return [url for url in urls if url != self.url and not url.startswith("data:")]

    def complaints(self):
        kinds = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event["params"] for event in self.browser.events if event.get("method") in kinds]

    def screenshot(self, path):
        image = self.call("Page.captureScreenshot", format="png")["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(image))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page")
    parser.add_argument("image")
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--scroll-to", help="a CSS selector that is to stand at the top")
    parser.add_argument("--dark", action="store_true")
    arguments = parser.parse_args()
    with Browser() as browser:
        page = browser.open(arguments.page, arguments.width, arguments.height, arguments.dark)
        if arguments.scroll_to:
            page.evaluate(f"document.querySelector({json.dumps(arguments.scroll_to)}).scrollIntoView()")
        page.screenshot(arguments.image)


if __name__ == "__main__":
    main()

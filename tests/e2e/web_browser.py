"""A headless Chromium, by WebDriver's HTTP protocol (https://www.w3.org/TR/webdriver2/) as it is."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

LIMIT = 60
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"enter": "\ue007", "tab": "\ue004", "escape": "\ue00c", "down": "\ue015", "up": "\ue013", "right": "\ue014", "control": "\ue009", "space": " "}


def have_browser():
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Refused(Exception):
    pass


class Browser:
    """One window of a browser of its own, whose files are in `folder`."""

    def __init__(self, folder):
        self.port = free_port()
        self.log = open(folder / "chromedriver.log", "wb")
        env = dict(os.environ, HOME=str(folder), XDG_CONFIG_HOME=str(folder / "config"), XDG_CACHE_HOME=str(folder / "cache"))
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=env)
        self.session = None
        try:
            self.until(self.is_up, "chromedriver")
            flags = ["--headless=new", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
                     "--hide-scrollbars", "--force-color-profile=srgb", f"--user-data-dir={folder / 'profile'}", "--window-size=1280,900"]
            if os.geteuid() == 0:
                flags.append("--no-sandbox")
            wanted = {"browserName": "chrome", "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": flags}, "goog:loggingPrefs": {"browser": "ALL"}}
            self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def is_up(self):
        assert self.driver.poll() is None, "chromedriver ended"
        try:
            return self.call("GET", "/status")["ready"]
        except OSError:
            return False

    def call(self, method, path, body=None):
        data = None if method in ("GET", "DELETE") else json.dumps(body or {}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=2 * LIMIT) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)["value"]["message"]) from None

    def ask(self, method, path, body=None):
        return self.call(method, f"/session/{self.session}{path}", body)

    def until(self, condition, what):
        """Until the condition gives something true, which is the result."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(0.02)
        shown = self.text("body") if self.session else ""
        raise AssertionError(f"{what} never came; the page shows:\n{shown}")

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def script(self, text, *args):
        return self.ask("POST", "/execute/sync", {"script": text, "args": list(args)})

    def find(self, selector):
        return self.ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.ask("POST", f"/element/{self.find(selector)}/click")

    def type(self, selector, text):
        self.ask("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def fill(self, selector, text):
        """The text in place of what is there, as if it was pasted."""
        self.script("const it = document.querySelector(arguments[0]); it.focus(); it.select(); document.execCommand('insertText', false, arguments[1])", selector, text)

    def press(self, *keys):
        """These at once, where the focus is."""
        keys = [KEYS.get(key, key) for key in keys]
        actions = [{"type": "keyDown", "value": key} for key in keys] + [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def text(self, selector):
        """What a reader sees of it; "" where it isn't."""
        return self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector):
        return self.script("return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", selector)

    def shown(self, selector):
        return self.script("return Boolean(document.querySelector(arguments[0])?.checkVisibility())", selector)

    def complaints(self):
        """What the browser's console has of errors: a script's, and what the policy of the page refused."""
        return [one["message"] for one in self.ask("POST", "/se/log", {"type": "browser"}) if one["level"] == "SEVERE"]

    def look_as(self, scheme="light", width=1280, height=900, motion="no-preference"):
        for name, params in (("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}]}),
                             ("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})):
            self.ask("POST", "/goog/cdp/execute", {"cmd": name, "params": params})

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def close(self):
        try:
            if self.session:
                self.ask("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(LIMIT)
            self.log.close()

"""Looks at the page of fm report with a real browser: on a desk and on a phone, in light and in dark."""

import json
import unittest

from browser import Browser
from report_data import Workshop, done

# What a reader would see, measured.
LOOK = """(() => {
  const seen = element => { const r = element.getBoundingClientRect();
    return {id: element.id, width: r.width, height: r.height, left: r.left, right: r.right}; };
  const colour = (element, name) => getComputedStyle(element)[name].match(/[0-9.]+/g).slice(0, 3).map(Number);
  const texts = [...document.querySelectorAll('svg.plot text, svg.bars text')].map(text => {
    const box = text.getBoundingClientRect(), svg = text.ownerSVGElement.getBoundingClientRect();
    return {text: text.textContent, height: box.height,
            outside: box.left < svg.left - 2 || box.right > svg.right + 2 || box.bottom > svg.bottom + 2}; });
  const page = colour(document.body, 'backgroundColor');
  return JSON.stringify({
    width: innerWidth, needed: document.documentElement.scrollWidth, figures: [...document.querySelectorAll('figure')].map(seen),
    drawings: [...document.querySelectorAll('svg')].map(seen), texts, page,
    inks: [document.body, document.querySelector('figcaption p'), document.querySelector('.note')].map(
      element => colour(element, 'color')),
    shown: [...document.querySelectorAll('svg *')].filter(e => ['rect', 'polyline', 'circle'].includes(e.tagName)).length});
})()"""
FOLDED = "[...document.querySelectorAll('details')].forEach(details => details.open = true)"


def luminance(colour):
    linear = [c / 255 / 12.92 if c <= 10.3 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


class ReportBrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shops = {"binary": Workshop(), "regression": Workshop(regression=True)}
        cls.pages = {}
        for task, shop in cls.shops.items():
            for name, more in (("alone", []), ("compared", ["--compare", shop.poor])):
                page = cls.pages[f"{task}, {name}"] = shop.dir / f"{name}.html"
                done("report", shop.good, "--data", shop.test, "--out", page, "--by", "genre", *more)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        for shop in cls.shops.values():
            shop.close()

    def look(self, page, unfold=False):
        if unfold:
            page.evaluate(FOLDED)
        return json.loads(page.evaluate(LOOK))

    def test_pages_ask_for_nothing_and_raise_no_error(self):
        for name, path in self.pages.items():
            with self.subTest(name):
                page = self.browser.open(path)
                self.look(page, unfold=True)
                self.assertEqual(page.requests(), [])
                self.assertEqual(page.complaints(), [])

    def test_every_figure_can_be_seen(self):
        for name, path in self.pages.items():
            for width in (400, 1200):
                with self.subTest(name, width=width):
                    seen = self.look(self.browser.open(path, width))
                    self.assertEqual(len(seen["figures"]), 10 if name.startswith("binary") else 8)
                    for figure in seen["figures"]:
                        self.assertGreater(figure["width"], 300, figure)
                        self.assertGreater(figure["height"], 100, figure)
                    for drawing in seen["drawings"]:
                        self.assertGreater(min(drawing["width"], drawing["height"]), 15, drawing)
                    self.assertGreater(seen["shown"], 100)

    def test_a_phone_shows_it_without_scrolling_sideways(self):
        for name, path in self.pages.items():
            for unfold in (False, True):
                with self.subTest(name, unfold=unfold):
                    seen = self.look(self.browser.open(path, 400), unfold)
                    self.assertEqual(seen["width"], 400)
                    self.assertLessEqual(seen["needed"], 400)
                    for figure in seen["figures"]:
                        self.assertGreaterEqual(figure["left"], 0)
                        self.assertLessEqual(figure["right"], 400)

    def test_text_of_drawings_is_large_enough_and_within_them(self):
        for name, path in self.pages.items():
            for width in (400, 1200):
                with self.subTest(name, width=width):
                    for text in self.look(self.browser.open(path, width))["texts"]:
                        self.assertGreater(text["height"], 8, text)
                        self.assertFalse(text["outside"], text)

    def test_light_and_dark_can_both_be_read(self):
        path = self.pages["binary, compared"]
        light = self.look(self.browser.open(path))
        dark = self.look(self.browser.open(path, dark=True))
        self.assertGreater(luminance(light["page"]), 0.8)
        self.assertLess(luminance(dark["page"]), 0.05)
        for seen in (light, dark):
            for ink in seen["inks"]:
                self.assertGreater(contrast(ink, seen["page"]), 4.5)


if __name__ == "__main__":
    unittest.main()

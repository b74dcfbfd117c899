"""Runs the real fm report, and reads the page that it writes."""

import collections
import html.parser
import json
import unittest

from report_data import GENRES, Workshop, done, fm, rows

FIGURES = ["rate-by-bucket", "calibration", "groups", "roc", "precision-recall", "scores", "learning", "importance",
           "weights", "interactions"]
VOID = {"meta", "link", "rect", "line", "circle", "polyline", "br"}


class PageParser(html.parser.HTMLParser):
    """Tables by the figure or section that they stand in, measures by their names; checks that tags match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], collections.Counter()
        self.figures, self.cards, self.figure, self.card, self.texts = {}, {}, None, None, []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags[tag] += 1
        if tag not in VOID:
            self.open.append(tag)
        if tag == "figure" or attributes.get("id") == "comparison":
            self.figure = self.figures[attributes["id"]] = []
        if tag == "tr":
            self.figure.append([])
        if tag in ("th", "td", "b"):
            self.texts = []
        if "data-measure" in attributes:
            self.card = attributes["data-measure"]

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        expected = self.open.pop()
        assert tag == expected, f"</{tag}> where </{expected}> should be"
        if tag in ("th", "td"):
            self.figure[-1].append("".join(self.texts))
        if tag == "b":
            self.cards[self.card] = "".join(self.texts)

    def handle_data(self, data):
        self.texts.append(data)

    def column(self, figure, name):
        header, *body = self.figures[figure]
        return [row[header.index(name)] for row in body]


def number(text):
    text = text.replace(",", "")
    return float(text.removesuffix(" %")) / 100 if text.endswith(" %") else float(text)


class ReportCase(unittest.TestCase):
    regression = False

    @classmethod
    def setUpClass(cls):
        cls.shop = Workshop(cls.regression)
        cls.out = cls.shop.dir / "report.html"

    @classmethod
    def tearDownClass(cls):
        cls.shop.close()

    def report(self, *more, model=None, data=None):
        printed = done("report", model or self.shop.good, "--data", data or self.shop.test, "--out", self.out, "--json",
                       *more)
        text = self.out.read_text(encoding="utf-8")
        self.assertLess(len(text), 1_000_000)
        return PageParser(text), json.loads(printed), text

    def evaluate(self, model):
        return json.loads(done("eval", model, "--data", self.shop.test, "--json"))


class ReportTest(ReportCase):
    def test_measures_are_those_of_eval_and_lie_in_their_intervals(self):
        page, printed, _ = self.report()
        metrics = self.evaluate(self.shop.good)
        self.assertEqual((printed["rows"], printed["rows_used"]), (3000, 3000))
        for name in ("logloss", "auc", "normalized_entropy", "calibration", "rmse"):
            estimate = printed["measures"][name]
            self.assertAlmostEqual(estimate["value"], metrics[name], places=6, msg=name)
            self.assertAlmostEqual(number(page.cards[name]), metrics[name], delta=6e-4 * metrics[name], msg=name)
            self.assertLess(estimate["low"], metrics[name])
            self.assertGreater(estimate["high"], metrics[name])
            self.assertLess(estimate["high"] - estimate["low"], 0.4 * metrics[name])

    def test_every_figure_is_there_with_its_numbers(self):
        page, _, _ = self.report("--by", "genre")
        self.assertEqual(set(page.figures), set(FIGURES))
        for name, table in page.figures.items():
            self.assertGreater(len(table), 2, name)
            self.assertEqual(len({len(row) for row in table}), 1, name)
        self.assertEqual(page.tags["details"], len(FIGURES) - 1, "groups are shown as their table")
        self.assertEqual(page.tags["script"], 0)

    def test_buckets_hold_all_rows_and_clicks(self):
        page, printed, _ = self.report()
        counts = [number(text) for text in page.column("calibration", "Rows")]
        rates = [number(text) for text in page.column("calibration", "Click rate")]
        self.assertEqual(sum(counts), 3000)
        self.assertLessEqual(len(counts), 20)
        clicks = sum(row[0] for row in rows(3000, 4))
        self.assertAlmostEqual(sum(n * rate for n, rate in zip(counts, rates)), clicks, delta=0.002 * clicks)
        self.assertGreater(printed["bucket_correlation"], 0.9)
        self.assertLess(rates[0], rates[-1])

    def test_the_table_of_the_roc_curve_has_the_area_that_eval_says(self):
        page, _, _ = self.report()
        points = [(number(x), number(y)) for x, y in zip(page.column("roc", "False positive rate"),
                                                          page.column("roc", "True positive rate"))]
        self.assertEqual((points[0], points[-1]), ((0, 0), (1, 1)))
        area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in zip(points, points[1:]))
        self.assertAlmostEqual(area, self.evaluate(self.shop.good)["auc"], delta=0.005)

    def test_values_of_a_field_are_measured_by_themselves(self):
        page, _, text = self.report("--by", "genre")
        counts, clicks = collections.Counter(), collections.Counter()
        for row in rows(3000, 4):
            for genre in row[2].split("|"):
                counts[genre] += 1
                clicks[genre] += row[0]
        shown = page.column("groups", "genre")
        self.assertEqual(shown, [genre for genre, _ in counts.most_common()])
        for genre, count, rate in zip(shown, page.column("groups", "Rows"), page.column("groups", "Click rate")):
            self.assertEqual(number(count), counts[genre])
            self.assertAlmostEqual(number(rate), clicks[genre] / counts[genre], delta=0.0006)
        for correlation in page.column("groups", "Rank correlation"):
            self.assertGreater(number(correlation), 0.6)
        self.assertIn(GENRES[3], shown)
        self.assertNotIn("<script", text)

    def test_fields_that_matter_are_important(self):
        page, _, _ = self.report()
        fields = page.column("importance", "Field")
        self.assertEqual(set(fields[:2]), {"user", "genre"})
        self.assertEqual(len(fields), 5)
        rises = dict(zip(fields, map(number, page.column("importance", "Rise of logloss"))))
        self.assertGreater(rises["user"], 0.03)
        self.assertLess(abs(rises["noise"]), 0.01)
        pairs = page.figures["interactions"][1:]
        self.assertTrue(any({first.split("=")[0], second.split("=")[0]} == {"user", "genre"}
                            for first, second, *_ in pairs))

    def test_learning_curves_come_from_the_model_or_from_what_train_printed(self):
        page, _, _ = self.report()
        curves = self.shop.dir / "train.json"
        curves.write_text(self.shop.printed)
        told = json.loads(self.shop.printed)["curve"]
        self.assertEqual(len(told), 6)
        self.assertEqual([number(x) for x in page.column("learning", "Epoch")], [1, 2, 3, 4, 5, 6])
        for shown, epoch in zip(page.column("learning", "Validation"), told):
            self.assertAlmostEqual(number(shown), epoch["valid_loss"], places=4)
        with_file, _, _ = self.report("--curves", curves)
        self.assertEqual(with_file.figures["learning"], page.figures["learning"])

    def test_two_models_are_compared_on_the_same_rows(self):
        page, printed, _ = self.report("--compare", self.shop.poor)
        good, poor = self.evaluate(self.shop.good), self.evaluate(self.shop.poor)
        self.assertAlmostEqual(printed["compare"]["logloss"]["value"], poor["logloss"], places=6)
        difference = printed["differences"]["logloss"]
        self.assertAlmostEqual(difference["value"], poor["logloss"] - good["logloss"], places=6)
        self.assertGreater(difference["low"], 0)
        verdicts = dict(zip(page.column("comparison", "Measure"), page.column("comparison", "Verdict")))
        self.assertEqual(verdicts["Logloss"], "A is better")
        self.assertEqual(verdicts["AUC"], "A is better")
        self.assertEqual(set(page.column("roc", "Model")), {"A", "B"})

    def test_a_model_is_no_better_than_itself(self):
        page, printed, _ = self.report("--compare", self.shop.good)
        self.assertEqual(printed["differences"]["auc"], {"value": 0, "low": 0, "high": 0})
        self.assertNotIn("is better", " ".join(page.column("comparison", "Verdict")))

    def test_of_many_rows_an_even_part_is_looked_at(self):
        page, printed, text = self.report("--rows", 1000)
        self.assertEqual(printed["rows"], 3000)
        self.assertLessEqual(printed["rows_used"], 1000)
        self.assertGreater(printed["rows_used"], 400)
        self.assertIn("drawn evenly", text)
        auc = printed["measures"]["auc"]
        self.assertLess(auc["low"] - 0.02, self.evaluate(self.shop.good)["auc"])
        self.assertGreater(auc["high"] + 0.02, self.evaluate(self.shop.good)["auc"])
        self.assertIn("roc", page.figures)

    def test_one_seed_writes_the_same_page(self):
        self.assertEqual(self.report("--by", "genre")[2], self.report("--by", "genre")[2])

    def test_rows_that_are_all_alike_leave_figures_out(self):
        lines = self.shop.test.read_text().splitlines()
        one = self.shop.dir / "one.tsv"
        one.write_text("\n".join(lines[:1] + [line for line in lines[1:] if line.startswith("0")][:1]) + "\n")
        page, printed, _ = self.report(data=one)
        self.assertNotIn("roc", page.figures)
        self.assertNotIn("auc", printed["measures"])

    def test_wrong_input_is_named_and_leaves_an_old_page_alone(self):
        self.out.write_text("old")
        empty, other = self.shop.dir / "empty.tsv", self.shop.dir / "other.json"
        empty.write_text(self.shop.test.read_text().splitlines()[0] + "\n")
        other.write_text("{}")
        data = ["--data", self.shop.test]
        cases = [([*data, "--by", "color"], 3, "no field 'color'"),
                 ([*data, "--by", "price"], 3, "only categorical and multi-valued"),
                 ([*data, "--compare", self.shop.dir / "absent.fmw"], 3, "absent.fmw"),
                 ([*data, "--curves", other], 3, "no list \"curve\""),
                 (["--data", empty], 3, "there are no rows"),
                 ([*data, "--rows", 10], 2, "--rows"),
                 ([*data, "--compare-schema", self.shop.schema], 2, "--compare")]
        for arguments, code, message in cases:
            result = fm("report", self.shop.good, "--out", self.out, *arguments)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(message, result.stderr)
            self.assertEqual(self.out.read_text(), "old")
        self.assertEqual(list(self.shop.dir.glob("*.tmp-*")), [])
        nowhere = fm("report", self.shop.good, *data, "--out", self.shop.dir / "none" / "report.html")
        self.assertEqual(nowhere.returncode, 1, nowhere.stderr)
        help_text = fm("report", "--help")
        self.assertIn("Example:\n  fm report ", help_text.stdout)


class RegressionReportTest(ReportCase):
    regression = True

    def test_errors_take_the_place_of_clicks(self):
        page, printed, text = self.report("--by", "genre")
        metrics = self.evaluate(self.shop.good)
        self.assertAlmostEqual(printed["measures"]["rmse"]["value"], metrics["rmse"], places=6)
        self.assertAlmostEqual(number(page.cards["rmse"]), metrics["rmse"], delta=1e-4)
        self.assertLess(printed["measures"]["mae"]["value"], metrics["rmse"])
        self.assertEqual(set(page.figures), {"rate-by-bucket", "calibration", "groups", "residuals", "learning",
                                             "importance", "weights", "interactions"})
        body = text.split("<main>")[1]
        self.assertFalse(any(word in body for word in ("Click", "clicks", "clicked")), "a rating is no click")
        shares = [number(share) for share in page.column("residuals", "Share of the rows")]
        self.assertAlmostEqual(sum(shares), 1, delta=0.01)

    def test_the_training_loss_is_shown_on_the_scale_of_the_validation_loss(self):
        page, _, _ = self.report()
        train = [number(loss) for loss in page.column("learning", "Training")]
        valid = [number(loss) for loss in page.column("learning", "Validation")]
        self.assertAlmostEqual(train[-1], valid[-1], delta=0.2 * valid[-1])

    def test_models_of_different_tasks_are_not_compared(self):
        binary = Workshop()
        self.addCleanup(binary.close)
        result = fm("report", self.shop.good, "--data", self.shop.test, "--out", self.out, "--compare", binary.good)
        self.assertEqual(result.returncode, 3)
        self.assertIn("a model of another task", result.stderr)


if __name__ == "__main__":
    unittest.main()

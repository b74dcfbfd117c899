#!/usr/bin/env python3
"""When a comparison of two servers' processor time is a loss, and what it does about servers that do not answer."""

import argparse
import pathlib
import sys
import unittest
from unittest import mock

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))
import cpu_against  # pylint: disable=wrong-import-position
import server_cpu  # pylint: disable=wrong-import-position
from cpu_against import verdict  # pylint: disable=wrong-import-position


class RatioTest(unittest.TestCase):
    def test_the_ratio_is_the_median_over_pairs_so_that_a_slow_minute_cancels_out(self):
        ratios = cpu_against.ratios_of({"packed": {"before": [100.0, 300.0, 100.0], "now": [105.0, 309.0, 180.0]}})
        self.assertAlmostEqual(ratios["packed"]["median"], 1.05)
        self.assertAlmostEqual(ratios["packed"]["min"], 1.03)
        self.assertAlmostEqual(ratios["packed"]["max"], 1.8)

    def test_pairs_must_be_complete(self):
        with self.assertRaises(ValueError):
            cpu_against.ratios_of({"packed": {"before": [100.0, 100.0], "now": [100.0]}})


class VerdictTest(unittest.TestCase):
    def test_up_to_ten_percent_is_fine(self):
        self.assertEqual(verdict([{"packed": 1.10, "friendly": 0.7}]), ("fine", []))

    def test_a_loss_is_measured_again_and_only_that_kind(self):
        self.assertEqual(verdict([{"packed": 1.11, "friendly": 1.0}]), ("again", ["packed"]))
        self.assertEqual(verdict([{"packed": 1.11, "friendly": 1.0}, {"packed": 1.3}]), ("again", ["packed"]))

    def test_three_in_a_row_are_a_loss(self):
        history = [{"packed": 1.11, "friendly": 1.2}, {"packed": 1.12, "friendly": 1.2}, {"packed": 1.13, "friendly": 1.0}]
        self.assertEqual(verdict(history), ("loss", ["packed"]))

    def test_two_of_three_are_none(self):
        for history in ([1.2, 1.0, 1.2], [1.0, 1.2, 1.2], [1.2, 1.2, 1.0]):
            self.assertEqual(verdict([{"packed": ratio} for ratio in history]), ("fine", []))

    def test_three_losses_of_different_kinds_are_none(self):
        self.assertEqual(verdict([{"packed": 1.2, "friendly": 1.2}, {"packed": 1.2, "friendly": 1.0},
                                  {"packed": 1.0}]), ("fine", []))

    def test_nothing_to_compare_is_fine(self):
        self.assertEqual(verdict([{}]), ("fine", []))


class AnswersTest(unittest.TestCase):
    @staticmethod
    def report(ok, partial=0, **errors):
        return {"sent": ok + sum(errors.values()), "ok": ok, "partial": partial, "errors": errors}

    def test_all_in_full_is_what_counts(self):
        server_cpu.check_answers(self.report(10))
        for report in (self.report(9, unavailable=1), self.report(10, partial=1), self.report(0, deadline_exceeded=9),
                       self.report(0, unimplemented=5, unavailable=4), self.report(0)):
            with self.assertRaises(server_cpu.CannotMeasure) as failed:
                server_cpu.check_answers(report)
            self.assertNotIsInstance(failed.exception, server_cpu.NotKnown)

    def test_a_server_that_answers_nothing_else_does_not_know_the_request(self):
        with self.assertRaises(server_cpu.NotKnown) as failed:
            server_cpu.check_answers(self.report(0, unimplemented=10))
        self.assertEqual(str(failed.exception), "unimplemented")


class TurnsTest(unittest.TestCase):
    """Turns of servers that are scripted: {(server, kind): what drive returns or raises, in this order}."""

    def run_with(self, script, method, *arguments):
        def drive(_fm, server, _data, *options):
            kind = next(kind for kind, own in cpu_against.KINDS.items() if set(own) <= set(options))
            step = script.get((server, kind), [100.0])
            result = step.pop(0) if len(step) > 1 else step[0]
            if isinstance(result, Exception):
                raise result
            return result

        options = argparse.Namespace(fm="fm", data="", now="now", before="before", echo="echo", rate=1, seconds=1, rounds=5)
        with mock.patch.object(server_cpu, "drive", drive), mock.patch("sys.stderr"):
            return getattr(cpu_against.Turns(options), method)(*arguments)

    def test_what_the_server_of_before_does_not_know_is_left_out_by_name(self):
        script = {("before", "top-100"): [server_cpu.NotKnown("unimplemented")]}
        self.assertEqual(self.run_with(script, "warm_up", ["packed", "top-100"]), {"top-100": "unimplemented"})

    def test_what_the_server_of_now_does_not_know_is_an_error(self):
        script = {("now", "top-100"): [server_cpu.NotKnown("unimplemented")]}
        with self.assertRaises(server_cpu.NotKnown):
            self.run_with(script, "warm_up", ["packed", "top-100"])

    def test_a_turn_with_lost_requests_is_taken_again_but_not_for_ever(self):
        lost = server_cpu.CannotMeasure("lost")
        self.assertEqual(self.run_with({("now", "packed"): [lost, lost, 120.0]}, "turn", "now", "packed", 1), 120.0)
        with self.assertRaises(server_cpu.CannotMeasure):
            self.run_with({("now", "packed"): [lost]}, "turn", "now", "packed", 1)

    def test_each_round_asks_both_servers_for_every_kind(self):
        script = {("before", "packed"): [100.0], ("now", "packed"): [120.0], ("echo", "packed"): [50.0]}
        us, echo_us = self.run_with(script, "measure", ["packed", "friendly"])
        self.assertEqual(us["packed"], {"before": [100.0] * 5, "now": [120.0] * 5})
        self.assertEqual(us["friendly"], {"before": [100.0] * 5, "now": [100.0] * 5})
        self.assertEqual(echo_us, [50.0] * 5)
        lines = list(cpu_against.table(us, echo_us))
        self.assertEqual(lines[2].split(), ["packed", "100.0", "us", "120.0", "us", "2.00", "2.40", "1.200", "1.200", "..",
                                            "1.200", "more", "than", "1.10"])
        self.assertNotIn("more than", lines[3])


if __name__ == "__main__":
    unittest.main()

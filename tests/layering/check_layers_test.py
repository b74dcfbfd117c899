#!/usr/bin/env python3
"""Plants includes in a tree of its own and looks at what the layering check says of each."""

import pathlib
import tempfile
import unittest

import check_layers

ALLOWED = [
    ("model/scorer.cc", '#include "model/kernels/kernels.h"'),
    ("model/kernels/avx2.cc", '#include "model/kernels/row_offsets.h"'),
    ("loader/gate.cc", '#include "model/weight_file.h"'),
    ("loader/source.cc", '#include "s3/client.h"'),
    ("server/service.cc", '#include "fmserve/v1/prediction.grpc.pb.h"'),
    ("server/service.cc", '#include "loader/model_slot.h"'),
    ("trainer/learner.cc", '#include "model/weight_writer.h"'),
    ("tools/train.cc", '#include "trainer/learner.h"'),
    ("tools/status.cc", "#include <grpcpp/grpcpp.h>"),
    ("model/types.cc", "// #include <grpcpp/grpcpp.h>"),
]
FORBIDDEN = [
    ("model/scorer.cc", '#include "loader/gate.h"'),
    ("model/scorer.cc", "#include <google/protobuf/message.h>"),
    ("model/kernels/avx2.cc", '#  include "trainer/learner.h"'),
    ("loader/gate.cc", '#include "server/metrics.h"'),
    ("loader/gate.cc", '#include "trainer/learner.h"'),
    ("loader/gate.cc", '#include "fmserve/v1/config.pb.h"'),
    ("s3/client.cc", '#include "loader/source.h"'),
    ("s3/client.cc", '#include "model/checkpoint.h"'),
    ("model/scorer.cc", '#include "s3/client.h"'),
    ("trainer/learner.cc", "#include <grpcpp/grpcpp.h>"),
    ("trainer/learner.cc", '#include "tools/format.h"'),
    ("trainer/learner.cc", '#include "model/kernels/row_offsets.h"'),
    ("server/service.cc", '#include "trainer/learner.h"'),
    ("server/service.h", '#include "tests/model/test_model.h"'),
    ("tools/load.cc", '#include "server/config.h"'),
]


class CheckLayersTest(unittest.TestCase):
    def errors(self, path, include):
        with tempfile.TemporaryDirectory() as name:
            source = pathlib.Path(name) / path
            source.parent.mkdir(parents=True)
            source.write_text(f"#include <vector>\n{include}\n")
            return list(check_layers.check(pathlib.Path(name)))

    def test_allowed(self):
        for path, include in ALLOWED:
            with self.subTest(path=path, include=include):
                self.assertEqual(self.errors(path, include), [])

    def test_forbidden(self):
        for path, include in FORBIDDEN:
            with self.subTest(path=path, include=include):
                errors = self.errors(path, include)
                self.assertEqual(len(errors), 1)
                self.assertTrue(errors[0].startswith(f"{path}:2: "))


if __name__ == "__main__":
    unittest.main()

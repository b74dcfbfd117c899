// sample_store STORE MODEL SEED: publishes the sample model of a seed, for tests that look at the
// server from outside.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "loader/publisher.h"
#include "model/kernels/kernels.h"
#include "tests/server/sample_model.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string path = fmserve::server::NewFolder() + "/trained.fmw";
  fmserve::server::WriteSampleFile(path, static_cast<uint32_t>(std::atoi(argv[3])));
  fmserve::loader::PublishOptions options;
  options.store = argv[1];
  options.model = argv[2];
  options.allow_no_goldens = true;
  const auto manifest = fmserve::loader::Publish(path, options, **fmserve::model::DefaultKernels());
  if (!manifest.ok()) std::fprintf(stderr, "%s\n", manifest.status().ToString().c_str());
  return manifest.ok() ? 0 : 1;
}

#include "model/kernels/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace fmserve::model {
namespace {

using ::testing::HasSubstr;

constexpr double kErrorBudget = 1e-6;  // accumulate.h

TEST(DotTest, IsWithinTheErrorBudgetAtAnyAlignment) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  std::vector<float> a(kMaxK + 16);
  std::vector<float> b(kMaxK + 16);
  for (float& value : a) value = normal(random);
  for (float& value : b) value = normal(random);
  for (const KernelTable* kernels : SupportedKernels()) {
    for (size_t padded_k = 16; padded_k <= kMaxK; padded_k += 16) {
      for (size_t offset = 0; offset < 16; ++offset) {
        double expected = 0.0;
        double magnitude = 0.0;
        for (size_t f = 0; f < padded_k; ++f) {
          expected += double{a[f + offset]} * b[f];
          magnitude += std::abs(double{a[f + offset]} * b[f]);
        }
        ASSERT_NEAR(kernels->dot(a.data() + offset, b.data(), padded_k), expected,
                    kErrorBudget * magnitude)
            << kernels->name << " padded_k=" << padded_k << " offset=" << offset;
      }
    }
  }
}

TEST(SelectKernelsTest, TakesTheFastestUnlessOneIsForced) {
  const std::vector<const KernelTable*> supported = SupportedKernels();
  ASSERT_FALSE(supported.empty());
  EXPECT_EQ(supported.front()->name, "scalar");
  EXPECT_EQ(SelectKernels("").value(), supported.back());
  for (const KernelTable* kernels : supported) {
    EXPECT_EQ(SelectKernels(kernels->name).value(), kernels);
  }
}

TEST(SelectKernelsTest, RefusesAnUnknownNameAndListsWhatThereIs) {
  const absl::Status status = SelectKernels("avx9000").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'avx9000'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("scalar"));
}

TEST(SelectKernelsTest, RefusesKernelsThatTheProcessorLacks) {
  for (const std::string name : {"scalar", "avx2", "avx512", "avx512_vnni"}) {
    const auto is_named = [&](const KernelTable* table) { return table->name == name; };
    const auto supported = SupportedKernels();
    if (std::any_of(supported.begin(), supported.end(), is_named)) continue;
    const absl::Status status = SelectKernels(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("it runs scalar"));
  }
}

// DefaultKernels decides once in a process, so each case has a process of its own.
void PrintDefaultKernels(const char* forced) {
  setenv("FMSERVE_KERNEL", forced, 1);
  const absl::StatusOr<const KernelTable*> kernels = DefaultKernels();
  const std::string text =
      kernels.ok() ? std::string((*kernels)->name) : std::string(kernels.status().message());
  std::fprintf(stderr, "%s\n", text.c_str());
  std::exit(0);
}

TEST(DefaultKernelsDeathTest, ObeysTheEnvironmentAndNamesItInErrors) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(PrintDefaultKernels("scalar"), ::testing::ExitedWithCode(0), "^scalar");
  EXPECT_EXIT(PrintDefaultKernels(""), ::testing::ExitedWithCode(0),
              "^" + std::string(SupportedKernels().back()->name));
  EXPECT_EXIT(PrintDefaultKernels("sse9"), ::testing::ExitedWithCode(0),
              "^FMSERVE_KERNEL: no kernels are named 'sse9'");
}

}  // namespace
}  // namespace fmserve::model

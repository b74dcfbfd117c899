#include "model/kernels/kernels.h"

#include <cpuid.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fmserve::model {
namespace {

constexpr KernelTable kTables[] = {
    {"scalar", scalar::Accumulate, scalar::AccumulateFields, scalar::Dot, scalar::ScanHigh,
     scalar::Refine, scalar::ScoreF32Items, scalar::ScoreInt8Items},
    {"avx2", avx2::Accumulate, avx2::AccumulateFields, avx2::Dot, avx2::ScanHigh, avx2::Refine,
     avx2::ScoreF32Items, avx2::ScoreInt8Items},
    {"avx512", avx512::Accumulate, avx512::AccumulateFields, avx512::Dot, avx512::ScanHigh,
     avx2::Refine, avx512::ScoreF32Items, avx512::ScoreInt8Items},
    {"avx512_vnni", avx512::Accumulate, avx512::AccumulateFields, avx512::Dot,
     avx512_vnni::ScanHigh, avx2::Refine, avx512::ScoreF32Items, avx512::ScoreInt8Items},
};

bool HasF16c() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

// __builtin_cpu_supports also asks whether the operating system saves the registers.
bool Supports(const KernelTable& table) {
  if (table.name == "scalar") return true;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c();
  if (table.name == "avx2") return avx2;
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  return avx512 && (table.name == "avx512" || __builtin_cpu_supports("avx512vnni"));
}

std::string SupportedNames() {
  std::vector<std::string> names;
  for (const KernelTable* table : SupportedKernels()) names.emplace_back(table->name);
  return absl::StrJoin(names, ", ");
}

}  // namespace

std::vector<const KernelTable*> SupportedKernels() {
  std::vector<const KernelTable*> supported;
  for (const KernelTable& table : kTables) {
    if (Supports(table)) supported.push_back(&table);
  }
  return supported;
}

absl::StatusOr<const KernelTable*> SelectKernels(std::string_view forced) {
  if (forced.empty()) return SupportedKernels().back();
  for (const KernelTable& table : kTables) {
    if (table.name != forced) continue;
    if (Supports(table)) return &table;
    return absl::FailedPreconditionError(absl::StrCat("this processor cannot run the kernels '",
                                                      std::string(forced), "'; it runs ",
                                                      SupportedNames()));
  }
  return absl::InvalidArgumentError(absl::StrCat("no kernels are named '", std::string(forced),
                                                 "'; this processor runs ", SupportedNames()));
}

absl::StatusOr<const KernelTable*> DefaultKernels() {
  static const absl::StatusOr<const KernelTable*> selected = [] {
    const char* forced = std::getenv("FMSERVE_KERNEL");
    auto kernels = SelectKernels(forced == nullptr ? "" : forced);
    if (kernels.ok()) return kernels;
    return absl::StatusOr<const KernelTable*>(absl::Status(
        kernels.status().code(), absl::StrCat("FMSERVE_KERNEL: ", kernels.status().message())));
  }();
  return selected;
}

}  // namespace fmserve::model

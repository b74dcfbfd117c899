// fm topk: the best items of a catalogue for each user of a table.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/checksum.h"
#include "model/mapped_file.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json_output.h"
#include "tools/progress.h"
#include "tools/topk/filter_text.h"
#include "tools/topk/ranker.h"
#include "tools/topk/resumable_output.h"
#include "tools/topk/shard.h"
#include "tools/topk/user_reader.h"

namespace fmserve::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBatchUsers = 1024;
constexpr std::chrono::milliseconds kCommitPeriod{250};
constexpr size_t kHeaderBytes = 256;  // of a weight file and of a catalogue

struct TopKArguments {
  std::string weights;
  std::string catalogue;
  std::string users;
  std::string schema;
  std::string user_column;
  std::string filter;
  std::string shard;
  std::optional<uint32_t> shards;
  std::string out;
  size_t k = 100;
  size_t threads = std::max(1U, std::thread::hardware_concurrency());
  bool restart = false;
  bool json = false;
};

// What a run has to do and has done.
struct TopKRun {
  TableModel model;
  std::unique_ptr<Ranker> ranker;
  std::string out;  // of this shard
  RowRange rows;
  uint64_t resumed_users = 0;
  double seconds = 0.0;

  uint64_t users_count() const { return rows.end - rows.begin; }
};

// Checksum of the first bytes of the file, in hex.
absl::StatusOr<std::string> HexChecksum(const std::string& path, size_t bytes) {
  const absl::StatusOr<model::MappedFile> file = model::MappedFile::Open(path);
  if (!file.ok()) return file.status();
  const model::Checksum sum =
      model::ChecksumOf(file->bytes().first(std::min(bytes, file->bytes().size())));
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(sum.data()), sum.size()));
}

// Everything that the output depends on; the number of threads is not.
absl::StatusOr<OutputIdentity> IdentityOf(const TopKArguments& arguments, const TopKRun& run,
                                          const std::optional<Shard>& shard) {
  // The headers hold the checksums of all sections.
  const auto weights = HexChecksum(arguments.weights, kHeaderBytes);
  if (!weights.ok()) return weights.status();
  const auto catalogue = HexChecksum(arguments.catalogue, kHeaderBytes);
  if (!catalogue.ok()) return catalogue.status();
  const auto users = HexChecksum(arguments.users, SIZE_MAX);
  if (!users.ok()) return users.status();
  return OutputIdentity{{"--weights", *weights},
                        {"--catalogue", *catalogue},
                        {"--users", *users},
                        {"--schema", run.model.schema.yaml},
                        {"--user", arguments.user_column},
                        {"--k", absl::StrCat(arguments.k)},
                        {"--filter", arguments.filter},
                        {"--shard", PathOf("", shard)}};
}

// That of the first field of the context side.
absl::StatusOr<std::string> DefaultUserColumn(const trainer::TrainingSchema& schema) {
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    if (schema.features.field(i).side == model::Side::kContext) return schema.columns[i];
  }
  return absl::InvalidArgumentError(
      "the schema has no column of the context side; name that of the users with --user");
}

absl::Status OpenInputs(TopKArguments& arguments, TopKRun& run) {
  RankOptions options{.k = arguments.k, .threads = arguments.threads};
  if (!arguments.filter.empty()) {
    auto filter = ParseFilter(arguments.filter);
    if (!filter.ok()) return filter.status();
    options.filter = *std::move(filter);
  }
  absl::StatusOr<TableModel> opened = OpenTableModel(arguments.weights, arguments.schema);
  if (!opened.ok()) return opened.status();
  run.model = *std::move(opened);
  if (arguments.user_column.empty()) {
    absl::StatusOr<std::string> column = DefaultUserColumn(run.model.schema);
    if (!column.ok()) return column.status();
    arguments.user_column = *std::move(column);
  }
  auto catalogue = model::CatalogueFile::Open(arguments.catalogue);
  if (!catalogue.ok()) return catalogue.status();
  auto ranker = Ranker::Create(run.model.file, *std::move(catalogue), options);
  if (!ranker.ok()) return ranker.status();
  run.ranker = *std::move(ranker);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> CountWithProgress(const TopKArguments& arguments, const TopKRun& run) {
  Progress progress(absl::StrCat("counting ", arguments.users), 0);
  return CountUsers(arguments.users, run.model, arguments.user_column,
                    [&](uint64_t rows) { progress.Update(rows); });
}

std::string HeaderLine(const TopKRun& run) {
  const bool binary = run.model.file->info().task == model::Task::kBinary;
  return absl::StrCat("user\trank\titem\t", binary ? "probability" : "value", "\n");
}

// Ranks the users that are left, batch by batch, each of them whole.
absl::Status RankUsers(UserReader& reader, TopKRun& run, ResumableOutput& output) {
  Progress progress("ranking", run.users_count() - run.resumed_users);
  if (output.empty()) {
    if (absl::Status status = output.Append(HeaderLine(run)); !status.ok()) return status;
  }
  UserBatch batch;
  std::string lines;
  Clock::time_point committed = Clock::now();
  for (uint64_t done = run.resumed_users; done < run.users_count();) {
    const uint64_t users = std::min<uint64_t>(kBatchUsers, run.users_count() - done);
    if (absl::Status status = reader.Read(users, batch); !status.ok()) return status;
    lines.clear();
    if (absl::Status status = run.ranker->Rank(batch, lines); !status.ok()) return status;
    if (absl::Status status = output.Append(lines); !status.ok()) return status;
    done += users;
    progress.Update(done - run.resumed_users);
    if (Clock::now() - committed < kCommitPeriod) continue;
    if (absl::Status status = output.Commit(done); !status.ok()) return status;
    committed = Clock::now();
  }
  return output.Finish();
}

absl::StatusOr<TopKRun> RankTable(TopKArguments& arguments) {
  const Clock::time_point start = Clock::now();
  TopKRun run;
  const absl::StatusOr<std::optional<Shard>> shard = ChooseShard(
      arguments.shard, arguments.shards, [](const char* name) { return std::getenv(name); });
  if (!shard.ok()) return shard.status();
  if (absl::Status status = OpenInputs(arguments, run); !status.ok()) return status;
  const absl::StatusOr<uint64_t> rows = CountWithProgress(arguments, run);
  if (!rows.ok()) return rows.status();
  run.rows = RowsOf(shard->value_or(Shard()), *rows);
  run.out = PathOf(arguments.out, *shard);
  const absl::StatusOr<OutputIdentity> identity = IdentityOf(arguments, run, *shard);
  if (!identity.ok()) return identity.status();
  absl::StatusOr<ResumableOutput> output =
      ResumableOutput::Open(run.out, *identity, arguments.restart);
  if (!output.ok()) return output.status();
  run.resumed_users = output->users();
  if (run.resumed_users > 0) {
    std::cerr << run.out << ": goes on behind " << run.resumed_users << " of " << run.users_count()
              << " users\n";
  }
  const auto reader = UserReader::Open(arguments.users, run.model, arguments.user_column);
  if (!reader.ok()) return reader.status();
  absl::Status status = (*reader)->Skip(run.rows.begin + run.resumed_users);
  if (status.ok()) status = RankUsers(**reader, run, *output);
  if (!status.ok()) return status;
  run.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return run;
}

int RunTopK(TopKArguments arguments) {
  const absl::StatusOr<TopKRun> run = RankTable(arguments);
  if (!run.ok()) return Fail("topk", run.status());
  std::cerr << absl::StrFormat("wrote %s: %d users, the best %d of %d items each, %.1f s\n",
                               run->out, run->users_count(), arguments.k,
                               run->ranker->items_count(), run->seconds);
  if (arguments.json) {
    PrintJson({{"out", run->out},
               {"users", run->users_count()},
               {"first_row", run->rows.begin},
               {"resumed_users", run->resumed_users},
               {"k", arguments.k},
               {"items", run->ranker->items_count()},
               {"seconds", run->seconds}});
  }
  return kDone;
}

void AddTopKInputs(CLI::App& command, TopKArguments& arguments) {
  command.add_option("--weights", arguments.weights, "Weight file")->required()->type_name("M.fmw");
  command.add_option("--catalogue", arguments.catalogue, "Items; see fm catalogue build")
      ->required()
      ->type_name("C.fmc");
  command
      .add_option("--users", arguments.users,
                  "Users with the columns of the context side, one a row: tsv or csv with a "
                  "header, also .gz or .zst")
      ->required()
      ->type_name("FILE");
  command
      .add_option("--user", arguments.user_column,
                  "Column that names the user; if not given, that of the first field of the "
                  "context side")
      ->type_name("COLUMN");
  command
      .add_option("--schema", arguments.schema, "How the rows are laid out, if not as in training")
      ->type_name("S.yaml");
  command
      .add_option("--filter", arguments.filter,
                  "Which items: ATTRIBUTE in {A, B}, not in, not, and, or, parentheses")
      ->type_name("EXPRESSION");
}

}  // namespace

void AddTopK(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<TopKArguments>();
  CLI::App* command =
      app.add_subcommand("topk", "Write the best items of a catalogue for each user of a table.");
  AddTopKInputs(*command, *arguments);
  command->add_option("--out", arguments->out, "Table to write; a shard adds .I-of-N to the name")
      ->required()
      ->type_name("FILE");
  command->add_option("--k", arguments->k, "Items per user")
      ->check(CLI::Range(size_t{1}, model::kMaxTopK))
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "Threads; the result is the same with any")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--shard", arguments->shard,
                   "Take the I-th of N ranges of the users; if not given, that of the task in a "
                   "Slurm array or an indexed job of Kubernetes")
      ->type_name("I/N");
  command
      ->add_option("--shards", arguments->shards,
                   "How many shards there are, which Kubernetes does not tell")
      ->check(CLI::Range(1U, kMaxShards))
      ->type_name("N");
  command->add_flag("--restart", arguments->restart,
                    "Begin anew instead of going on where an interrupted run was");
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer(
      "Interrupted, it goes on where it was when it is run again in the same way.\n"
      "Example:\n  fm topk --weights ctr.fmw --catalogue ads.fmc --users users.tsv.zst --k 50 \\\n"
      "      --filter 'category in {books, news} and not advertiser in {adv7}' --out best.tsv");
  command->callback([arguments, &exit_code] { exit_code = RunTopK(*arguments); });
}

}  // namespace fmserve::tools

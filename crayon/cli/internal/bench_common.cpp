#include "crayon/cli/internal/bench_common.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fstream>
#include <ostream>
#include <thread>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/sha256.h"
#include "crayon/cli/commit.h"
#include "crayon/cli/internal/finite.h"
#include "crayon/engine/model_copy.h"
#include "crayon/formats/model_file.h"

namespace crayon {

namespace fs = std::filesystem;

void add_run_options(CLI::App& cmd, BenchRunArgs& args, const BenchRunHelp& help) {
  cmd.add_option("--pool", args.pool, help.pool);
  CLI::Option* plan = cmd.add_option("--plan", args.plan, help.plan);
  CLI::Option* quick = cmd.add_flag("--quick", args.quick, help.quick);
  CLI::Option* tasks = cmd.add_option("--tasks", args.tasks, help.tasks);
  quick->excludes(plan)->excludes(tasks);
  tasks->excludes(plan);
  cmd.add_option("--only", args.only, "Only these tasks, with commas")->delimiter(',');
  cmd.add_option("--seeds", args.seeds, "Seeds of the examples' draw, with commas")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber);
  cmd.add_option("--questions", args.questions, "Test questions a task, at most; 0: all")
      ->check(CLI::NonNegativeNumber);
  cmd.add_option("--number-type", args.number_type,
                 "Turn the model's weights into f32, f16, bf16 or q8_0 and compute with these: "
                 "often much faster; file (default): as they are");
  cmd.add_option("--work", args.work,
                 "Folder that keeps what is worked out; default: bench in the cache folder");
  cmd.add_option("--from", args.from,
                 "Earlier report to take results over from where they are of the same work; may "
                 "be given several times")
      ->allow_extra_args(false);
  cmd.add_option("--slice-minutes", args.slice_minutes,
                 "Begin no further cell after so many minutes and report what is there; run it "
                 "again to go on")
      ->check(finite_range(0, 1e6));
  cmd.add_option("-o,--out", args.out, "Report to write: FILE.json or FILE.json.gz");
  cmd.add_option("--html", args.html, "Page to write");
  add_server_options(cmd, args.server);
  add_model_options(cmd, args.model);
  add_common_options(cmd, args.common);
  add_json_option(cmd, args.common);
}

void check_outputs(const BenchRunArgs& args) {
  for (const fs::path& file : {args.out, args.html}) {
    if (!file.empty()) check_output(file);
  }
}

ResultStore open_store(const BenchRunArgs& args) {
  return ResultStore(args.work.empty() ? cache_folder() / "bench" : args.work);
}

fs::path find_plan(const std::string& name) {
  for (fs::path at = fs::current_path();; at = at.parent_path()) {
    if (file_kind(at / "benchmarks" / name) == FileKind::File) return at / "benchmarks" / name;
    if (at == at.root_path()) break;
  }
  throw Error(ErrorCode::NotFound,
              fmt::format("no benchmarks/{} here or in a folder above; go to Crayon's folder, or "
                          "give --plan or --tasks",
                          name));
}

Pool open_bench_pool(const fs::path& given) {
  if (!given.empty()) return Pool::open(given);
  const std::vector<fs::path> roots = {"pools"};
  const auto found = find_pools(roots);
  if (found.size() == 1) return Pool::open(found.front());
  throw Error(found.empty() ? ErrorCode::NotFound : ErrorCode::InvalidArgument,
              fmt::format("--pool is missing, and the folder pools holds {} pools, not one; name "
                          "the pool's folder",
                          found.size()));
}

std::string machine_name(int threads) {
  std::string name = "unknown processor";
  if (file_kind("/proc/cpuinfo") == FileKind::File) {
    std::ifstream lines("/proc/cpuinfo");
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("model name")) {
        name = line.substr(std::min(line.size(), line.find(':') + 2));
        break;
      }
    }
  }
  const int used = threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency());
  return fmt::format("{}, {} threads", name, used);
}

std::string typed_command() {
  std::ifstream words("/proc/self/cmdline");
  std::string command;
  for (std::string word; std::getline(words, word, '\0');) {
    command += command.empty() ? fs::path(word).filename().string() : " " + word;
  }
  return command;
}

std::string pool_sha256(const fs::path& folder) { return sha256_file(folder / "pool.json"); }

BenchSettings bench_settings(const BenchRunArgs& args, const BaseModel& model, const Pool& pool) {
  return {.version = CRAYON_VERSION,
          .commit = built_commit(),
          .command = typed_command(),
          .model = model,
          .pool = pool.manifest().id,
          .pool_sha256 = pool_sha256(pool.folder()),
          .multitask = {},
          .server = {},
          .context_tokens = args.model.context_tokens,
          .format = pool.manifest().prompt,
          .n_adapters = pool.size()};
}

void say_taken_over(const TakenOver& from, std::ostream& notes) {
  notes << fmt::format("{}: {} of {} results taken over", from.name, from.taken,
                       from.taken + from.again + from.others);
  if (from.again > 0) notes << fmt::format("; {} were there already", from.again);
  if (from.others > 0) {
    notes << fmt::format("; {} are of other work ({})", from.others, fmt::join(from.methods, ", "));
  }
  notes << "\n";
}

BenchModel find_bench_model(const ModelArgs& args, const CommonArgs& common,
                            const BaseModel& wanted, std::ostream& notes) {
  BenchModel found;
  found.file = base_model_file(args, &wanted, common, notes);
  found.base = describe_model(found.file);
  warn_base_fit(check_base(wanted, found.base, "the pool"), wanted, found.base);
  return found;
}

std::shared_ptr<Model> open_bench_model(const BenchModel& found,
                                        const std::optional<TensorType>& number_type,
                                        const BenchRunArgs& args) {
  const fs::path used = number_type
                            ? model_copy(found.file, *number_type, cache_folder() / "number_types")
                            : found.file;
  return open_model(
      used, {.gpu_layers = args.common.gpu_layers, .chat_template = args.model.chat_template});
}

}  // namespace crayon

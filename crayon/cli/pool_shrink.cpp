// crayon pool shrink.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "crayon/cli/internal/pool_edit_command.h"
#include "crayon/pool/edit_pool.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct ShrinkArgs : EditArgs {
  fs::path out;
  ShrinkOptions shrunk;
};

/// Of adapters' files, in MB.
double megabytes(const fs::path& folder, const PoolManifest& manifest) {
  std::uintmax_t bytes = 0;
  for (const auto* list : {&manifest.adapters, &manifest.shared}) {
    for (const PoolAdapterEntry& entry : *list) bytes += fs::file_size(folder / entry.file);
  }
  return static_cast<double>(bytes) / 1e6;
}
double megabytes(const PoolEdit& edit) {
  std::size_t bytes = 0;
  for (const PoolFile& file : edit.files) {
    if (file.file.starts_with("adapters/")) bytes += file.bytes.size();
  }
  return static_cast<double>(bytes) / 1e6;
}

void run_shrink(const ShrinkArgs& args, std::ostream& out) {
  const Pool pool = Pool::open(args.folder);
  ShrinkOptions options = args.shrunk;
  if (options.name.empty()) options.name = stem_of(args.out);
  const ShrunkPool shrunk = shrink_pool(pool, options);
  const PoolEdit& edit = shrunk.edit;
  if (!args.dry_run) write_edit(args.out, edit);
  Json lost = Json::array();
  double mean = 0;
  for (const ShrunkAdapter& one : shrunk.adapters) {
    lost.push_back(
        {{"name", one.name}, {"rank", one.rank}, {"relative_error", one.relative_error}});
    mean += one.relative_error / static_cast<double>(shrunk.adapters.size());
  }
  const double before = megabytes(args.folder, pool.manifest());
  const double after = megabytes(edit);
  print(args, out,
        {{"pool", edit.manifest.id},
         {"folder", args.out.string()},
         {"n_adapters", edit.manifest.adapters.size()},
         {"megabytes", {{"before", before}, {"after", after}}},
         {"adapters", lost}},
        fmt::format("pool     {} in {}, {} adapters\nsize     {:.1f} MB of adapters, was {:.1f}\n"
                    "lost     {:.0f} % of an adapter's norm, on average\n",
                    edit.manifest.id, args.out.string(), edit.manifest.adapters.size(), after,
                    before, 100 * mean));
}

}  // namespace

void add_shrink_command(CLI::App& pool) {
  auto args = std::make_shared<ShrinkArgs>();
  CLI::App* cmd =
      add_edit_command(pool, "shrink", "Make a smaller pool: adapters of lower rank", *args);
  cmd->add_option("pool,--pool", args->folder, "Pool folder")->required();
  cmd->add_option("-o,--out", args->out, "Folder to make")->required();
  cmd->add_option("--rank", args->shrunk.rank, "Most of an adapter")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  cmd->add_option("--shared-rank", args->shrunk.shared_rank,
                  "Most of the shared adapter; default: as it is")
      ->check(CLI::Range(1, 4096));
  cmd->add_option("--name", args->shrunk.name, "Of the new pool; default: the folder's");
  cmd->callback([args] { run_shrink(*args, std::cout); });
}

}  // namespace crayon

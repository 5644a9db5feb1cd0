// crayon pool list|show|verify; pool_edit.cpp has the commands that change pools.
#include "crayon/pool/pool.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/report.h"

namespace crayon {
namespace {

struct PoolArgs {
  CommonArgs common;
  ModelArgs model;
  std::filesystem::path pool;
  std::vector<std::filesystem::path> roots;
};

void run_list(const PoolArgs& args, std::ostream& out) {
  auto roots = args.roots;
  if (roots.empty()) roots = {"pools", data_folder() / "pools"};
  std::vector<ListedFile> files;
  for (const auto& folder : find_pools(roots)) files.push_back({folder.string(), folder});
  out << list_report("pools", args.common.json, files, [&](const ListedFile& file) {
    const Pool pool = Pool::open(file.path);
    return args.common.json ? pool_json(pool)
                            : fmt::format("{}  {} adapters for {}  {}\n", pool.manifest().id,
                                          pool.size(), pool.manifest().base.name, file.name);
  });
}

void run_show(const PoolArgs& args, std::ostream& out) {
  const Pool pool = Pool::open(args.pool);
  out << (args.common.json ? pool_json(pool) + "\n" : pool_text(pool));
}

void run_verify(const PoolArgs& args, std::ostream& out, std::ostream& notes) {
  std::filesystem::path model;
  if (!args.model.model.empty()) model = base_model_file(args.model, nullptr, args.common, notes);
  const auto checks = verify_pool(args.pool, model);
  std::size_t failed = 0;
  if (args.common.json) out << pool_checks_json(checks) << '\n';
  for (const PoolCheck& check : checks) {
    if (!check.ok) ++failed;
    if (args.common.json) continue;
    out << fmt::format("{}  {}{}\n", check.ok ? "ok    " : "FAILED", check.what,
                       check.detail.empty() ? "" : ": " + check.detail);
  }
  if (failed == 0) return;
  out.flush();
  throw Error(ErrorCode::CorruptFile,
              fmt::format("{}: {} of {} checks failed; fetch or make the pool again",
                          args.pool.string(), failed, checks.size()));
}

CLI::App* add(CLI::App& parent, const std::string& name, const std::string& what,
              const std::shared_ptr<PoolArgs>& args) {
  CLI::App* cmd = parent.add_subcommand(name, what);
  add_common_options(*cmd, args->common);
  add_json_option(*cmd, args->common);
  return cmd;
}

}  // namespace

void add_pool_commands(CLI::App& app) {
  auto args = std::make_shared<PoolArgs>();  // shared with the callbacks, which outlive us
  CLI::App* pool =
      app.add_subcommand("pool", "List, show, verify, make and change pools of adapters");
  pool->require_subcommand(1);
  CLI::App* list = add(*pool, "list", "Pools in some folders", args);
  list->add_option("folders", args->roots,
                   "Folders that hold pools; default: pools/ and the user's");
  list->callback([args] { run_list(*args, std::cout); });
  CLI::App* show = add(*pool, "show", "What a pool holds", args);
  show->add_option("pool,--pool", args->pool, "Pool folder")->required();
  show->callback([args] { run_show(*args, std::cout); });
  CLI::App* verify = add(*pool, "verify", "Check hashes, shapes and numbers of a pool", args);
  verify->add_option("pool,--pool", args->pool, "Pool folder")->required();
  verify->add_option("--model", args->model.model, "Also check that it fits this base model");
  verify->callback([args] { run_verify(*args, std::cout, std::cerr); });
  add_pool_edit_commands(*pool);
}

}  // namespace crayon

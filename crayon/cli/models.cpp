// crayon models list|fetch|path.
#include "crayon/models/models.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>

#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/report.h"

namespace crayon {
namespace {

struct ModelsArgs {
  CommonArgs common;
  std::string name;
};

void run_list(const ModelsArgs& args, std::ostream& out) {
  if (args.common.json) {
    out << models_json(model_manifest()) << '\n';
    return;
  }
  for (const ModelEntry& entry : model_manifest()) {
    out << fmt::format("{:<28} {:>7.0f} MB  {}  {}{}\n", entry.name,
                       static_cast<double>(entry.bytes) / 1e6, entry.licence, entry.description,
                       is_fetched(entry) ? "  (fetched)" : "");
  }
}

void run_fetch(const ModelsArgs& args, std::ostream& out, std::ostream& notes) {
  const auto report = fetch_reporter(notes, !args.common.quiet);
  out << fetch_model(find_model(args.name), report).string() << '\n';
}

}  // namespace

void add_models_commands(CLI::App& app) {
  auto args = std::make_shared<ModelsArgs>();  // shared with the callbacks, which outlive us
  CLI::App* models = app.add_subcommand("models", "List and fetch base models");
  models->require_subcommand(1);
  CLI::App* list = models->add_subcommand("list", "Models that have a name");
  add_json_option(*list, args->common);
  list->callback([args] { run_list(*args, std::cout); });
  for (const char* name : {"fetch", "path"}) {
    CLI::App* cmd =
        models->add_subcommand(name, "Fetch a model unless it is there; print its file");
    cmd->add_option("name", args->name, "Name of `crayon models list`")->required();
    cmd->callback([args] { run_fetch(*args, std::cout, std::cerr); });
  }
  for (CLI::App* cmd : models->get_subcommands([](CLI::App*) { return true; })) {
    add_common_options(*cmd, args->common);
  }
}

}  // namespace crayon

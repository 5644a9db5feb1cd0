// crayon pool new|add|remove|merge; scope and shrink have files of their own.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/log.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/internal/finite.h"
#include "crayon/cli/internal/pool_edit_command.h"
#include "crayon/formats/data_sets.h"
#include "crayon/formats/import_adapter.h"
#include "crayon/pool/edit_pool.h"
#include "crayon/session/make_pool.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct NewArgs : EditArgs {
  NewPoolOptions pool;
  int layer = -1;  ///< -1: half-way.
  int first_layer = -1;
  std::string pooling = "last";
  std::string style = "plain";
};

struct AddArgs : EditArgs {
  fs::path adapter;
  AddedAdapter added;
};

struct RemoveArgs : EditArgs {
  std::string which;
};

struct MergeArgs : EditArgs {
  fs::path second;
  fs::path out;
  std::string name;
};

void run_new(const NewArgs& args, std::ostream& out, std::ostream& notes) {
  const OpenBase base = open_base(args, nullptr, notes);
  NewPoolOptions options = args.pool;
  const int half = base.model->base().n_layers / 2;
  options.embedding = {args.layer < 0 ? half : args.layer, parse_pooling(args.pooling)};
  options.first_layer = args.first_layer < 0 ? half : args.first_layer;
  options.prompt.style = args.style == "chat" ? PromptStyle::Chat : PromptStyle::Plain;
  if (options.name.empty()) options.name = stem_of(args.folder);
  const PromptSample sample = sample_prompts(args.prompts, args.limit, args.seed);
  StepReporter steps(notes, !args.common.quiet, "prompts");
  const PoolEdit edit =
      make_empty_pool(*base.model, *base.engine, sample.examples, options, std::ref(steps));
  steps.finish();
  if (!args.dry_run) write_edit(args.folder, edit);
  const Gate& gate = edit.gate;
  print(args, out,
        {{"pool", edit.manifest.id},
         {"folder", args.folder.string()},
         {"base", edit.manifest.base.name},
         {"prompts", sample.examples.size()},
         {"sets", sample.sets},
         {"embedding",
          {{"layer", gate.embedding.layer}, {"pooling", to_string(gate.embedding.pooling)}}},
         {"dims", gate.keys.cols},
         {"temperature", gate.temperature},
         {"reference", gate.reference.rows}},
        fmt::format(
            "pool     {} in {}, no adapter yet\nbase     {}\ngate     layer {}, {} numbers, "
            "fitted on {} prompts\nNext:\n  crayon pool add {} ADAPTER --examples "
            "mine.jsonl --licence ... --trained-on ...\n",
            edit.manifest.id, args.folder.string(), edit.manifest.base.name, gate.embedding.layer,
            gate.keys.cols, sample.examples.size(), args.folder.string()));
}

void say_doubts(const Pool& pool, const PoolEdit& edit, const KeyFit& fit,
                const std::string& name) {
  if (edit.manifest.first_layer < pool.manifest().first_layer) {
    log_warning(fmt::format(
        "'{}' begins at layer {}, the pool's adapters at {}: what lies below is no longer the same "
        "for all of them, and scoring takes longer",
        name, edit.manifest.first_layer, pool.manifest().first_layer));
  }
  if (pool.size() > 0 && fit.own_weight < 0.5) {
    log_warning(fmt::format(
        "the gate gives '{}' only {:.2f} on its own examples; nearest is '{}' (cosine {:.2f}): "
        "give more examples, or more typical ones",
        name, fit.own_weight, fit.nearest, fit.cosine));
  }
}

void run_add(const AddArgs& args, std::ostream& out, std::ostream& notes) {
  const Pool pool = Pool::open(args.folder);
  AddedAdapter added = args.added;
  if (added.name.empty()) added.name = stem_of(args.adapter);
  check_new_name(pool, added.name);
  const OpenBase base = open_base(args, &pool.manifest().base, notes);
  ImportedAdapter imported =
      import_adapter(args.adapter, Gguf::open(base.file), pool.manifest().base);
  added.adapter = std::move(imported.adapter);
  const PromptSample sample = sample_prompts(args.prompts, args.limit, args.seed);
  StepReporter steps(notes, !args.common.quiet);
  const KeyFit fit = fit_key(pool, *base.model, *base.engine, sample.examples, std::ref(steps));
  steps.finish();
  added.key = fit.key;
  added.reference = fit.z;
  const std::string name = added.name;
  const PoolEdit edit = add_adapter(pool, std::move(added));
  if (!args.dry_run) write_edit(args.folder, edit);
  say_doubts(pool, edit, fit, name);
  const PoolAdapterEntry& entry = edit.manifest.adapters.back();
  print(args, out,
        {{"pool", edit.manifest.id},
         {"folder", args.folder.string()},
         {"adapter", entry.name},
         {"index", pool.size()},
         {"file", entry.file},
         {"form", imported.form},
         {"says_base", imported.base_model},
         {"rank", entry.rank},
         {"first_layer", edit.manifest.first_layer},
         {"key",
          {{"examples", fit.z.rows},
           {"own_weight", fit.own_weight},
           {"nearest", fit.nearest},
           {"cosine", fit.cosine}}}},
        fmt::format("pool     {} in {}, {} adapters\nadapter  {} (index {}), rank {}, from a {} "
                    "adapter{}\nkey      from {} examples, which the gate gives to it with {:.2f}"
                    "{}\n",
                    edit.manifest.id, args.folder.string(), edit.manifest.adapters.size(),
                    entry.name, pool.size(), entry.rank, imported.form == "peft" ? "PEFT" : "GGUF",
                    imported.base_model.empty() ? "" : ", made for " + imported.base_model,
                    fit.z.rows, fit.own_weight,
                    fit.nearest.empty()
                        ? ""
                        : fmt::format("; nearest is {}, cosine {:.2f}", fit.nearest, fit.cosine)));
}

void run_remove(const RemoveArgs& args, std::ostream& out) {
  const Pool pool = Pool::open(args.folder);
  const PoolEdit edit = remove_adapter(pool, args.which);
  std::string removed = pool.manifest().adapters.back().name;
  for (std::size_t i = 0; i < edit.manifest.adapters.size(); ++i) {
    const std::string& was = pool.manifest().adapters[i].name;
    if (was != edit.manifest.adapters[i].name) {
      removed = was;
      break;
    }
  }
  if (!args.dry_run) write_edit(args.folder, edit);
  print(args, out,
        {{"pool", edit.manifest.id},
         {"folder", args.folder.string()},
         {"removed", removed},
         {"n_adapters", edit.manifest.adapters.size()}},
        fmt::format("pool     {} in {}, {} adapters\nremoved  {}\n", edit.manifest.id,
                    args.folder.string(), edit.manifest.adapters.size(), removed));
}

void run_merge(const MergeArgs& args, std::ostream& out, std::ostream& notes) {
  const Pool first = Pool::open(args.folder);
  const Pool second = Pool::open(args.second);
  check_merge(first, second);
  MergeOptions options{.name = args.name.empty() ? stem_of(args.out) : args.name};
  const std::string difference = key_difference(first.gate(), second.gate());
  if (!difference.empty() && !args.prompts.empty()) {
    const OpenBase base = open_base(args, &first.manifest().base, notes);
    const PromptSample sample = sample_prompts(args.prompts, args.limit, args.seed);
    StepReporter steps(notes, !args.common.quiet, "prompts");
    options.refitted =
        refit_gate(first, second, *base.model, *base.engine, sample.examples, std::ref(steps));
    steps.finish();
  } else if (!args.prompts.empty()) {
    log_warning("--prompts is not needed: both gates have one space, so the keys stay as they are");
  }
  const bool refitted = options.refitted.has_value();
  const PoolEdit edit = merge_pools(first, second, std::move(options));
  if (!args.dry_run) write_edit(args.out, edit);
  Json names = Json::array();
  for (const PoolAdapterEntry& entry : edit.manifest.adapters) names.push_back(entry.name);
  print(args, out,
        {{"pool", edit.manifest.id},
         {"folder", args.out.string()},
         {"n_adapters", edit.manifest.adapters.size()},
         {"adapters", names},
         {"refitted", refitted}},
        fmt::format("pool     {} in {}, {} adapters: {} and {}\ngate     {}\n", edit.manifest.id,
                    args.out.string(), edit.manifest.adapters.size(), first.size(), second.size(),
                    refitted ? fmt::format("fitted anew ({})", difference)
                             : "the keys of both as they were"));
}

void add_new(CLI::App& pool) {
  auto args = std::make_shared<NewArgs>();  // shared with the callback, which outlives us
  args->limit = 2000;
  CLI::App* cmd =
      add_edit_command(pool, "new", "Make an empty pool, its gate fitted on prompts", *args);
  NewPoolOptions& made = args->pool;
  cmd->add_option("pool,--pool", args->folder, "Folder to make")->required();
  cmd->add_option("--prompts", args->prompts,
                  "What the pool's tasks look like: JSONL, - or a folder of data sets")
      ->required();
  cmd->add_option("--name", made.name, "Of the pool; default: the folder's");
  cmd->add_option("--layer", args->layer, "Layer that the gate reads; default: half-way");
  cmd->add_option("--pooling", args->pooling, "last or mean over the prompt's tokens")
      ->check(CLI::IsMember({"last", "mean"}));
  cmd->add_option("--dims", made.dims, "Numbers of an embedding; fewer than prompts");
  cmd->add_option("--temperature", made.temperature, "Of the gate; lower: sharper")
      ->check(finite_range(1e-4, 100));
  cmd->add_option("--first-layer", args->first_layer,
                  "Where its adapters will begin; default: half-way; add lowers it");
  cmd->add_option("--reference", made.reference, "Prompts kept as numbers, for familiarity")
      ->check(CLI::Range(2, 65536));
  cmd->add_option("--style", args->style, "plain or chat")->check(CLI::IsMember({"plain", "chat"}));
  cmd->add_option("--system", made.prompt.system, "System text of a chat");
  cmd->add_option("--with-context", made.prompt.with_context,
                  "Text with {context} and {question}, for questions about a passage");
  cmd->add_option("--without-context", made.prompt.without_context, "Text with {question}");
  cmd->add_option("--choice-prefix", made.prompt.choice_prefix, "Before each choice");
  add_prompt_options(*cmd, *args, "prompts");
  cmd->callback([args] { run_new(*args, std::cout, std::cerr); });
}

void add_add(CLI::App& pool) {
  auto args = std::make_shared<AddArgs>();
  args->limit = 256;
  CLI::App* cmd = add_edit_command(pool, "add", "Add an adapter, with a key from examples", *args);
  AddedAdapter& added = args->added;
  cmd->add_option("pool,--pool", args->folder, "Pool folder")->required();
  cmd->add_option("adapter,--adapter", args->adapter,
                  "llama.cpp LoRA (GGUF) or PEFT folder (safetensors)")
      ->required();
  cmd->add_option("--examples", args->prompts,
                  "Of what it was trained for: JSONL, - or a folder of data sets")
      ->required();
  cmd->add_option("--name", added.name, "Of the adapter; default: its file's");
  cmd->add_option("--licence,--license", added.licence, "Of the adapter")->required();
  cmd->add_option("--trained-on", added.trained_on, "A data set; may be given several times")
      ->required();
  cmd->add_option("--strength", added.strength,
                  "How strong it is where a familiar task is its own; 1: as it was trained")
      ->check(finite_range(1e-3, 1e3));
  cmd->add_flag("--on-shared", added.on_shared,
                "It was trained on top of the pool's shared adapter");
  add_prompt_options(*cmd, *args, "examples");
  cmd->callback([args] { run_add(*args, std::cout, std::cerr); });
}

void add_remove(CLI::App& pool) {
  auto args = std::make_shared<RemoveArgs>();
  CLI::App* cmd = add_edit_command(pool, "remove", "Remove an adapter with its key", *args);
  cmd->add_option("pool,--pool", args->folder, "Pool folder")->required();
  cmd->add_option("adapter,--adapter", args->which, "Its name, or its index")->required();
  cmd->callback([args] { run_remove(*args, std::cout); });
}

void add_merge(CLI::App& pool) {
  auto args = std::make_shared<MergeArgs>();
  args->limit = 2000;
  CLI::App* cmd = add_edit_command(pool, "merge", "Make one pool of two of one base model", *args);
  cmd->add_option("first", args->folder, "Pool folder")->required();
  cmd->add_option("second", args->second, "Pool folder")->required();
  cmd->add_option("-o,--out", args->out, "Folder to make")->required();
  cmd->add_option("--name", args->name, "Of the new pool; default: the folder's");
  cmd->add_option(
      "--prompts", args->prompts,
      "Prompts of both pools' tasks, where their gates must be fitted anew: JSONL, - or "
      "a folder of data sets");
  add_prompt_options(*cmd, *args, "prompts");
  cmd->callback([args] { run_merge(*args, std::cout, std::cerr); });
}

}  // namespace

OpenBase open_base(const EditArgs& args, const BaseModel* wanted, std::ostream& notes) {
  OpenBase base;
  base.file = base_model_file(args.model, wanted, args.common, notes);
  base.model = open_model(base.file, {.gpu_layers = args.common.gpu_layers,
                                      .chat_template = args.model.chat_template,
                                      .with_hash = true});
  if (wanted != nullptr) {
    const BaseModel& found = base.model->base();
    warn_base_fit(check_base(*wanted, found, "the pool"), *wanted, found);
  }
  base.engine = base.model->open_engine(engine_options(args.model, args.common));
  return base;
}

/// "mine" of "a/mine/" and "a/mine.gguf".
std::string stem_of(const fs::path& path) {
  const fs::path whole = fs::absolute(path / "").lexically_normal().parent_path();
  return whole.extension() == ".gguf" ? whole.stem().string() : whole.filename().string();
}

void print(const EditArgs& args, std::ostream& out, Json json, const std::string& text) {
  json["written"] = !args.dry_run;
  if (args.common.json) {
    out << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  } else {
    out << text << (args.dry_run ? "nothing was written (--dry-run)\n" : "");
  }
}

CLI::App* add_edit_command(CLI::App& parent, const std::string& name, const std::string& what,
                           EditArgs& args) {
  CLI::App* cmd = parent.add_subcommand(name, what);
  cmd->add_flag("--dry-run", args.dry_run, "Check everything and say what would be; write nothing");
  add_common_options(*cmd, args.common);
  add_json_option(*cmd, args.common);
  return cmd;
}

void add_prompt_options(CLI::App& cmd, EditArgs& args, const std::string& limit_of) {
  cmd.add_option("--limit", args.limit, "Read at most so many " + limit_of)
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  cmd.add_option("--seed", args.seed, "Which ones, where there are more");
  add_model_options(cmd, args.model);
}

void add_pool_edit_commands(CLI::App& pool) {
  add_new(pool);
  add_add(pool);
  add_remove(pool);
  add_merge(pool);
  add_calibrate_pool_command(pool);
  add_scope_command(pool);
  add_shrink_command(pool);
}

}  // namespace crayon

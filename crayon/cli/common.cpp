#include "crayon/cli/common.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdlib>
#include <ostream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/log.h"
#include "crayon/base/text.h"

namespace crayon {
namespace {

constexpr const char* kDefaultModel = "smollm2-135m-instruct";
constexpr std::uint64_t kLongestKey = 4096;

/// The manifest's name for a base, by its file's hash.
const ModelEntry* entry_of(const BaseModel& base) {
  for (const ModelEntry& entry : model_manifest()) {
    if (!base.sha256.empty() && entry.sha256 == base.sha256) return &entry;
  }
  return nullptr;
}

}  // namespace

std::string read_key(const std::filesystem::path& file, const char* variable) {
  if (file.empty()) {
    const char* key = std::getenv(variable);
    return key == nullptr ? "" : std::string(trimmed(key));
  }
  const std::string text = read_text(file, kLongestKey);
  const std::string_view key = trimmed(text);
  if (!key.empty()) return std::string(key);
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{}: the key file is empty; expected a key on one line", file.string()));
}

void add_common_options(CLI::App& cmd, CommonArgs& args) {
  cmd.add_option("--threads", args.threads, "Threads; 0: one for each core")
      ->check(CLI::Range(0, 1024));
  cmd.add_option("--gpu-layers", args.gpu_layers, "Layers on a GPU, where llama.cpp has one")
      ->check(CLI::Range(0, 10000));
  cmd.add_flag("-q,--quiet", args.quiet, "No progress and notes, only warnings and errors");
}

void add_json_option(CLI::App& cmd, CommonArgs& args) {
  cmd.add_flag("--json", args.json, "Print one JSON object instead of text");
}

void add_model_options(CLI::App& cmd, ModelArgs& args) {
  cmd.add_option("--model", args.model,
                 "Base model: a GGUF file or a name of `crayon models list`");
  cmd.add_option("--chat-template", args.chat_template,
                 "Chat template that llama.cpp knows by name, in place of the model's own");
  cmd.add_option("--context-tokens", args.context_tokens, "Longest prompt with its answer")
      ->check(CLI::Range(16, 1 << 20));
}

void add_blend_options(CLI::App& cmd, BlendArgs& args) {
  cmd.add_option("--mode", args.mode, "exact, or lowrank (cut to --rank)")
      ->check(CLI::IsMember({"exact", "lowrank"}));
  cmd.add_option("--rank", args.rank, "Rank of a lowrank blend; implies --mode lowrank")
      ->check(CLI::Range(1, 512));
}

BlendOptions blend_options(const BlendArgs& args) {
  BlendOptions options;
  if (args.mode == "exact" && args.rank > 0) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("--rank {} goes with --mode lowrank, found --mode exact, whose rank is "
                            "the sum of the adapters' ranks; leave one of them out",
                            args.rank));
  }
  if (args.rank > 0) options.rank = args.rank;
  if (!args.mode.empty()) {
    options.mode = parse_blend_mode(args.mode);
  } else if (args.rank > 0) {
    options.mode = BlendMode::LowRank;
  }
  return options;
}

std::filesystem::path base_model_file(const ModelArgs& args, const BaseModel* wanted,
                                      const CommonArgs& common, std::ostream& notes) {
  const auto report = fetch_reporter(notes, !common.quiet);
  if (!args.model.empty()) return resolve_model(args.model, report);
  if (wanted == nullptr) return resolve_model(kDefaultModel, report);
  if (const ModelEntry* entry = entry_of(*wanted)) return fetch_model(*entry, report);
  throw Error(ErrorCode::NotFound,
              fmt::format("base model '{}' (SHA-256 {}...) is not one that `crayon models list` "
                          "knows; give its file with --model",
                          wanted->name, wanted->sha256.substr(0, 12)));
}

std::shared_ptr<Model> open_base_model(const ModelArgs& args, const BaseModel* wanted,
                                       const CommonArgs& common, std::ostream& notes) {
  const auto file = base_model_file(args, wanted, common, notes);
  return open_model(
      file,
      {.gpu_layers = common.gpu_layers, .chat_template = args.chat_template, .with_hash = true});
}

EngineOptions engine_options(const ModelArgs& args, const CommonArgs& common) {
  EngineOptions options;
  options.threads = common.threads;
  options.context_tokens = args.context_tokens;
  return options;
}

void warn_base_fit(BaseFit fit, const BaseModel& wanted, const BaseModel& found) {
  if (fit == BaseFit::Same) return;
  log_warning(fmt::format(
      "'{}' (SHA-256 {}...) is another quantisation of the base '{}' ({}...): "
      "confidence is approximate",
      found.name, found.sha256.substr(0, 12), wanted.name, wanted.sha256.substr(0, 12)));
}

StepReporter::StepReporter(std::ostream& notes, bool enabled, std::string unit)
    : notes_(notes), enabled_(enabled), unit_(std::move(unit)) {}

void StepReporter::operator()(const StepProgress& progress) {
  if (!enabled_) return;
  if (progress.step != step_ || !line_) {
    line_.reset();
    step_ = progress.step;
    line_ = std::make_unique<Progress>(
        notes_,
        ProgressOptions{.label = step_, .total = progress.total, .unit = unit_, .enabled = true});
  }
  line_->set(progress.done);
}

void StepReporter::finish() { line_.reset(); }

std::function<void(const FetchProgress&)> fetch_reporter(std::ostream& notes, bool enabled) {
  // Shared with the copies that std::function makes of its target.
  auto reporter = std::make_shared<StepReporter>(notes, enabled, "bytes");
  return [reporter](const FetchProgress& progress) {
    (*reporter)({progress.step, progress.done, progress.total});
  };
}

}  // namespace crayon

#include "crayon/bench/train_lora.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/process.h"
#include "crayon/bench/scoring.h"
#include "crayon/prompt/prompt.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kBatchTokens = 384;           // about 8 rows: the user's examples give tens of steps
constexpr std::size_t kTrainedChoices = 8;  // crayon-trainer's max_choices

std::string to_jsonl(const std::vector<BenchRow>& rows, const std::string& name) {
  std::string lines;
  for (const BenchRow& row : rows) {
    if (!row.text.empty()) {
      throw Error(ErrorCode::Unsupported,
                  fmt::format("{}: its prompts are given word for word, and crayon-trainer makes "
                              "its own; leave the method out for this task",
                              name));
    }
    const Example& example = row.example;
    lines += Json({{"id", example.id},
                   {"question", example.question},
                   {"context", example.context},
                   {"choices", example.choices},
                   {"answer", *example.answer},
                   {"task", "rows"}})
                 .dump() +
             "\n";
  }
  return lines;
}

toml::table prompt_table(const PromptFormat& format) {
  return toml::table{{"version", format.version},
                     {"style", format.style == PromptStyle::Chat ? "chat" : "plain"},
                     {"system", format.system},
                     {"with_context", format.with_context},
                     {"without_context", format.without_context},
                     {"choice_prefix", format.choice_prefix}};
}

/// The gate of one adapter says nothing: it is made as small as the trainer allows.
toml::table config_of(const LoraTrainerOptions& options, const Pool& pool,
                      const LoraRequest& request) {
  const PoolManifest& manifest = pool.manifest();
  const auto n = static_cast<std::int64_t>(request.samples);
  toml::table config{
      {"base", toml::table{{"model", fs::absolute(options.model).string()}}},
      {"pool", toml::table{{"name", "lora"},
                           {"out", "pool"},
                           {"n_adapters", 1},
                           {"rank", request.rank},
                           {"alpha", request.rank},
                           {"first_layer", manifest.first_layer}}},
      {"gate", toml::table{{"layer", manifest.first_layer},
                           {"pooling", "last"},
                           {"dims", 1},
                           {"reference", 1},
                           {"fit_prompts", 2}}},
      {"prompt", prompt_table(manifest.prompt)},
      {"train", toml::table{{"seed", 1},
                            {"samples", n},
                            {"batch_tokens", kBatchTokens},
                            {"learning_rate", request.learning_rate},
                            {"warmup", 0.1},
                            {"threads", options.threads},
                            {"validate_every", 0},
                            {"validation_items", 1},
                            {"calibration_items", 0},
                            {"checkpoint_every", 1000000},
                            {"checkpoints", "checkpoints"}}},
      {"set", toml::array{toml::table{{"name", "rows"},
                                      {"train", "rows.jsonl"},
                                      {"validation", "rows.jsonl"},
                                      {"licence", "as the task's"}}}},
  };
  if (request.max_tokens > kUsualTokens) {
    config["train"].as_table()->insert("max_tokens", request.max_tokens);
  }
  return config;
}

/// The last line that the trainer wrote.
std::string last_words(const fs::path& log) {
  const std::string text = read_text(log);
  const auto end = text.find_last_not_of("\r\n");
  if (end == std::string::npos) return "it said nothing";
  const auto begin = text.find_last_of("\r\n", end);
  return text.substr(begin + 1, end - begin);
}

TrainedLora load(const fs::path& folder, double seconds) {
  return {.adapter = Pool::open(folder / "pool").adapters().front(), .seconds = seconds};
}

TrainedLora train(const LoraTrainerOptions& options, const Pool& pool, const ResultStore& store,
                  const LoraRequest& request) {
  std::ostringstream config;
  config << toml::toml_formatter(config_of(options, pool, request));
  const Json key = {{"kind", "lora"},
                    {"config", config.str()},
                    {"base", pool.manifest().base.sha256},
                    {"rows", hash_rows(*request.rows)}};
  const fs::path folder = store.folder_of(key);
  if (const auto known = store.get(key)) return load(folder, known->get<double>());
  fs::remove_all(folder);  // what a killed run left
  fs::create_directories(folder);
  write_atomically(folder / "rows.jsonl", to_jsonl(*request.rows, request.name));
  write_atomically(folder / "train.toml", config.str());
  const auto start = std::chrono::steady_clock::now();
  const fs::path log = folder / "log";
  const int status = run_process(
      {.arguments = {options.program.string(), "--config=" + (folder / "train.toml").string()},
       .environment = {},
       .output = log,
       .on_wait = {}});
  if (status != 0) {
    throw Error(ErrorCode::Unavailable, fmt::format("{}: crayon-trainer failed: {} (all in {})",
                                                    request.name, last_words(log), log.string()));
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fs::remove_all(folder / "checkpoints");
  store.put(key, seconds);
  return load(folder, seconds);
}

}  // namespace

int tokens_to_train(const Model& model, const PromptFormat& format,
                    const std::vector<BenchRow>& rows) {
  std::size_t longest = kUsualTokens;
  for (const BenchRow& row : rows) {
    if (!row.text.empty()) continue;
    const RenderedPrompt prompt = bench_prompt(model, format, row, Scoring::Mean);
    const TokenizedChoices tokens = tokenize_choices(prompt, prompt_tokenizer(model), 1 << 20);
    std::vector<std::size_t> choices;
    for (const auto& branch : tokens.branches) choices.push_back(branch.size());
    std::ranges::sort(choices, std::greater{});
    if (choices.size() > kTrainedChoices) choices.resize(kTrainedChoices);
    longest =
        std::max(longest, std::accumulate(choices.begin(), choices.end(), tokens.prefix.size()));
  }
  return static_cast<int>(longest);
}

TrainLora make_lora_trainer(const LoraTrainerOptions& options, const Pool& pool,
                            const ResultStore& store) {
  return [options, &pool, &store](const LoraRequest& request) {
    return train(options, pool, store, request);
  };
}

}  // namespace crayon

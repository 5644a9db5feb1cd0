// train.toml to TrainConfig and back to lines.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/formats/data_sets.h"
#include "crayon/trainer/internal/toml_section.h"
#include "crayon/trainer/train.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

constexpr double kMany = 1e9;
constexpr std::uint64_t kLargestConfig = 1 << 20;

/// `path` in `folder` or in the nearest folder above it that holds it.
fs::path find_upwards(const fs::path& folder, const fs::path& path) {
  if (path.is_absolute()) return path;
  for (fs::path at = folder;; at = at.parent_path()) {
    std::error_code ignored;
    if (fs::exists(at / path, ignored)) return (at / path).lexically_normal();
    if (at == at.root_path() || at.empty()) return {};
  }
}

/// A file or folder, looked for; the key must be there.
/// @param todo  where it is not found
fs::path read_place(TomlSection& section, const std::string& key, const fs::path& folder,
                    const std::string& todo = "mend the path") {
  fs::path wanted;
  section.read(key, wanted);
  section.require(key);
  const fs::path found = find_upwards(folder, wanted);
  if (!found.empty()) return found;
  throw Error(ErrorCode::NotFound,
              fmt::format("{} = \"{}\": no such file in {} or a folder above it; {}", key,
                          wanted.string(), folder.string(), todo));
}

void read_pool(TomlSection& root, const fs::path& folder, TrainPoolConfig& pool) {
  TomlSection base = root.table("base");
  base.read("model", pool.base);
  base.require("model");
  base.finish();
  TomlSection section = root.table("pool");
  section.read("name", pool.name);
  section.require("name");
  section.read("out", pool.out);
  section.read("n_adapters", pool.n_adapters, {1, 256});
  section.read("rank", pool.rank, {1, 256});
  pool.alpha = pool.rank;
  section.read("alpha", pool.alpha, {1e-3, 1e3});
  section.read("first_layer", pool.first_layer, {0, 1000});
  section.read("shared_rank", pool.shared_rank, {0, 1024});
  if (section.has("shared_from")) {
    if (pool.shared_rank > 0) section.fail("shared_rank", "comes from shared_from; leave it out");
    pool.shared_from = read_place(section, "shared_from", folder,
                                  "it is the adapter of another run: train the config that makes "
                                  "it first, or mend the path");
  }
  section.finish();
}

void one_of(const TomlSection& section, const std::string& key, const std::string& value,
            const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  std::string names;
  for (const auto& name : known) names += (names.empty() ? "'" : ", '") + name + "'";
  section.fail(key, fmt::format("is '{}'; expected one of {}", value, names));
}

void read_gate(TomlSection section, const TrainPoolConfig& pool, TrainGateConfig& gate) {
  gate.embedding.layer = pool.first_layer;
  section.read("layer", gate.embedding.layer, {0, 1000});
  std::string pooling = to_string(gate.embedding.pooling);
  section.read("pooling", pooling);
  if (pooling != "mean" && pooling != "last") {
    section.fail("pooling", fmt::format("is '{}'; expected 'mean' or 'last'", pooling));
  }
  gate.embedding.pooling = parse_pooling(pooling);
  section.read("dims", gate.dims, {1, 65536});
  section.read("temperature", gate.temperature, {1e-4, 100});
  section.read("modulated", gate.modulated);
  section.read("zero_tilt_share", gate.zero_tilt_share, {0, 1});
  section.read("least_tilt", gate.least_tilt, {0, 1});
  section.read("drop_nearest", gate.drop_nearest, {0, 1});
  if (gate.drop_nearest > 0 && pool.n_adapters < 2) {
    section.fail("drop_nearest", "needs [pool] n_adapters of at least 2, or nothing is left");
  }
  section.read("max_tilt", gate.max_tilt, {0, 1});
  section.read("shared_least", gate.shared_least, {0, 1});
  if (gate.shared_least != 1 && pool.shared_rank == 0 && pool.shared_from.empty()) {
    section.fail("shared_least", "needs [pool] shared_rank or shared_from");
  }
  section.read("reference", gate.reference, {1, 65536});
  section.read("fit_prompts", gate.fit_prompts, {2, kMany});
  section.read("keys", gate.keys);
  one_of(section, "keys", gate.keys, {"kmeans", "random"});
  section.finish();
}

/// check_format() with file and line of the template that it refuses.
void check_templates(const TomlSection& section, const PromptFormat& prompt) {
  const auto check = [&](const std::string& key, const PromptFormat& format) {
    try {
      check_format(format);
    } catch (const Error& error) {
      section.fail(key, fmt::format("is refused: {}", error.what()));
    }
  };
  PromptFormat first = prompt;
  first.without_context = PromptFormat{}.without_context;
  check("with_context", first);
  check("without_context", prompt);
}

void read_prompt(TomlSection section, PromptFormat& prompt) {
  section.read("version", prompt.version, {1, 1});
  std::string style = "plain";
  section.read("style", style);
  if (style != "plain" && style != "chat") {
    section.fail("style", fmt::format("is '{}'; expected 'plain' or 'chat'", style));
  }
  prompt.style = style == "chat" ? PromptStyle::Chat : PromptStyle::Plain;
  section.read("system", prompt.system);
  section.read("with_context", prompt.with_context);
  section.read("without_context", prompt.without_context);
  section.read("choice_prefix", prompt.choice_prefix);
  section.finish();
  check_templates(section, prompt);
}

void read_loop(TomlSection section, TrainLoopConfig& train) {
  section.read("seed", train.seed, {0, 1e15});
  section.read("samples", train.samples, {1, kMany});
  section.read("steps", train.steps, {0, kMany});
  section.read("shared_share", train.shared_share, {0, 1});
  section.read("batch_tokens", train.batch_tokens, {1, 1 << 20});
  section.read("max_tokens", train.max_tokens, {2, 1 << 20});
  section.read("max_choices", train.max_choices, {2, 1000});
  section.read("learning_rate", train.learning_rate, {0, 10});
  section.read("key_learning_rate", train.key_learning_rate, {0, 10});
  section.read("warmup", train.warmup, {0, 1});
  section.read("least_rate", train.least_rate, {0, 1});
  section.read("weight_decay", train.weight_decay, {0, 1});
  section.read("clip", train.clip, {1e-6, kMany});
  section.read("score_scale", train.score_scale, {1e-3, 1e3});
  section.read("choice_weight", train.choice_weight, {0, 1e3});
  section.read("answer_weight", train.answer_weight, {0, 1e3});
  if (train.choice_weight == 0 && train.answer_weight == 0) {
    section.fail("answer_weight", "is 0 as choice_weight is; expected one of them above 0");
  }
  section.read("balance", train.balance, {0, 1e3});
  section.read("diversity", train.diversity, {0, 1e3});
  section.read("number_type", train.number_type);
  one_of(section, "number_type", train.number_type, {"auto", "f32", "bf16"});
  section.read("device", train.device);
  one_of(section, "device", train.device, {"auto", "cpu", "cuda"});
  section.read("threads", train.threads, {0, 4096});
  section.read("validate_every", train.validate_every, {0, kMany});
  section.read("validation_items", train.validation_items, {1, kMany});
  section.read("calibration_items", train.calibration_items, {0, kMany});
  section.read("checkpoint_every", train.checkpoint_every, {1, kMany});
  section.read("checkpoints", train.checkpoints);
  section.read("slice_minutes", train.slice_minutes, {0, kMany});
  section.read("cache_gib", train.cache_gib, {0, 1e6});
  section.finish();
}

/// The sets of one `[[set]]`: itself, or those of its folder, which share its other settings.
std::vector<TrainSet> read_set(TomlSection& section, const fs::path& folder) {
  TrainSet set;
  section.read("limit", set.limit, {0, kMany});
  section.read("weight", set.weight, {1e-6, 1e6});
  section.read("licence", set.licence);
  section.require("licence");
  section.read("validation_share", set.validation_share, {1e-4, 0.9});
  std::vector<TrainSet> sets;
  if (section.has("folder")) {
    for (const char* key : {"name", "train", "validation"}) {
      if (section.has(key)) {
        section.fail(key, "does not go with folder, whose sets have their own; leave it out");
      }
    }
    for (DataSet& found : find_data_sets(read_place(section, "folder", folder))) {
      sets.push_back(set);
      sets.back().name = std::move(found.name);
      sets.back().train = std::move(found.train);
      sets.back().validation = std::move(found.validation);
    }
  } else {
    section.read("name", set.name);
    section.require("name");
    set.train = read_place(section, "train", folder);
    if (section.has("validation")) set.validation = read_place(section, "validation", folder);
    sets.push_back(std::move(set));
  }
  section.finish();
  return sets;
}

void read_sets(TomlSection& root, const fs::path& folder, std::vector<TrainSet>& sets) {
  if (root.has("sets_from")) {
    if (root.has("set")) root.fail("set", "does not go with sets_from; leave one of them out");
    const fs::path other = read_place(root, "sets_from", folder);
    TomlSection other_root = parse_toml(read_text(other, kLargestConfig), other.string());
    if (other_root.has("sets_from")) {
      other_root.fail("sets_from", "is in a file that is read for its sets; name the sets there");
    }
    return read_sets(other_root, other.parent_path(), sets);
  }
  std::set<std::string> names;
  for (TomlSection& section : root.tables("set")) {
    for (TrainSet& set : read_set(section, folder)) {
      if (!names.insert(set.name).second) {
        section.fail(section.has("folder") ? "folder" : "name",
                     fmt::format("'{}' is there twice; name each set once", set.name));
      }
      sets.push_back(std::move(set));
    }
  }
  root.require("set");
  if (sets.empty()) root.fail("set", "is empty; expected at least one [[set]]");
}

std::string line(const std::string& key, double value) {
  return fmt::format("{} = {}", key, value);
}
std::string line(const std::string& key, const std::string& value) {
  return fmt::format("{} = \"{}\"", key, value);
}

void describe_train(const TrainLoopConfig& t, std::vector<std::string>& lines) {
  lines.push_back(fmt::format("train.seed = {}", t.seed));
  lines.push_back(fmt::format("train.samples = {}", t.steps > 0 ? 0 : t.samples));
  lines.push_back(fmt::format("train.steps = {}", t.steps));
  lines.push_back(line("train.batch_tokens", t.batch_tokens));
  lines.push_back(line("train.max_tokens", t.max_tokens));
  lines.push_back(line("train.max_choices", t.max_choices));
  lines.push_back(line("train.learning_rate", t.learning_rate));
  lines.push_back(line("train.key_learning_rate", t.key_learning_rate));
  lines.push_back(line("train.warmup", t.warmup));
  lines.push_back(line("train.least_rate", t.least_rate));
  lines.push_back(line("train.weight_decay", t.weight_decay));
  lines.push_back(line("train.clip", t.clip));
  lines.push_back(line("train.score_scale", t.score_scale));
  lines.push_back(line("train.answer_weight", t.answer_weight));
  lines.push_back(line("train.balance", t.balance));
  lines.push_back(line("train.diversity", t.diversity));
  lines.push_back(line("train.number_type", t.number_type));
}

}  // namespace

TrainConfig parse_train_config(const std::string& text, const fs::path& file) {
  TrainConfig config;
  config.file = fs::absolute(file).lexically_normal();
  const fs::path folder = config.file.parent_path();
  TomlSection root = parse_toml(text, file.string());
  read_pool(root, folder, config.pool);
  read_gate(root.table("gate"), config.pool, config.gate);
  read_prompt(root.table("prompt"), config.prompt);
  read_loop(root.table("train"), config.train);
  read_sets(root, folder, config.sets);
  root.finish();
  config.pool.out = (folder / config.pool.out).lexically_normal();
  config.train.checkpoints = (folder / config.train.checkpoints).lexically_normal();
  return config;
}

TrainConfig load_train_config(const fs::path& file) {
  return parse_train_config(read_text(file, kLargestConfig), file);
}

std::vector<std::string> describe_train_config(const TrainConfig& config) {
  const auto& [file, pool, gate, prompt, train, sets] = config;
  std::vector<std::string> lines = {
      line("base.model", fs::path(pool.base).filename().string()),
      line("pool.name", pool.name),
      line("pool.n_adapters", pool.n_adapters),
      line("pool.rank", pool.rank),
      line("pool.alpha", pool.alpha),
      line("pool.first_layer", pool.first_layer),
      line("gate.layer", gate.embedding.layer),
      line("gate.pooling", to_string(gate.embedding.pooling)),
      line("gate.dims", gate.dims),
      line("gate.temperature", gate.temperature),
      fmt::format("gate.modulated = {}", gate.modulated),
      line("gate.zero_tilt_share", gate.zero_tilt_share),
      line("gate.max_tilt", gate.max_tilt),
      line("gate.reference", gate.reference),
      line("gate.fit_prompts", gate.fit_prompts),
      line("prompt.version", prompt.version),
      line("prompt.style", prompt.style == PromptStyle::Chat ? "chat" : "plain"),
      line("prompt.system", prompt.system),
      line("prompt.with_context", prompt.with_context),
      line("prompt.without_context", prompt.without_context),
      line("prompt.choice_prefix", prompt.choice_prefix),
  };
  describe_train(train, lines);
  // Only where they say something: a checkpoint of a run without them goes on.
  if (gate.drop_nearest > 0) lines.push_back(line("gate.drop_nearest", gate.drop_nearest));
  if (gate.keys != "kmeans") lines.push_back(line("gate.keys", gate.keys));
  if (train.choice_weight != 1) lines.push_back(line("train.choice_weight", train.choice_weight));
  if (gate.least_tilt > 0) lines.push_back(line("gate.least_tilt", gate.least_tilt));
  if (gate.shared_least != 1) lines.push_back(line("gate.shared_least", gate.shared_least));
  if (pool.shared_rank > 0) {
    lines.push_back(line("pool.shared_rank", pool.shared_rank));
    if (pool.shared_from.empty()) lines.push_back(line("train.shared_share", train.shared_share));
  }
  for (const TrainSet& set : sets) {
    std::string text = fmt::format("set.{} = limit {}, weight {}", set.name, set.limit, set.weight);
    if (set.validation.empty()) text += fmt::format(", held out {}", set.validation_share);
    lines.push_back(std::move(text));
  }
  return lines;
}

}  // namespace crayon

#include "crayon/bench/task.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <optional>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/nearest.h"
#include "crayon/base/random.h"
#include "crayon/base/sha256.h"
#include "crayon/bench/lm_eval_yaml.h"
#include "crayon/formats/examples.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLeastQuestions = 2;  // one says nothing of its spread

[[noreturn]] void refuse(const fs::path& file, const toml::source_region& where,
                         const std::string& what) {
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{}:{}: {}", file.string(), where.begin.line, what));
}

/// The fields of a task's line that are paths, and the one that is text.
fs::path TaskEntry::*path_field(std::string_view key) {
  if (key == "examples") return &TaskEntry::examples;
  if (key == "questions") return &TaskEntry::questions;
  if (key == "training") return &TaskEntry::training;
  if (key == "data") return &TaskEntry::data;
  if (key == "yaml") return &TaskEntry::yaml;
  return nullptr;
}

const std::vector<std::string> kKeys = {"data",      "examples", "kind", "only",
                                        "questions", "training", "yaml"};

std::optional<TaskKind> parse_kind(const std::string& text) {
  for (const TaskKind kind : {TaskKind::Pool, TaskKind::Near, TaskKind::Far}) {
    if (to_string(kind) == text) return kind;
  }
  return std::nullopt;
}

void read_field(const fs::path& file, TaskEntry& entry, const toml::key& key,
                const toml::node& node) {
  const auto text = node.value<std::string>();
  const std::string name(key.str());
  if (!text || text->empty()) {
    refuse(file, node.source(), fmt::format("'{}' of task '{}' is no text", name, entry.name));
  }
  if (const auto field = path_field(name)) {
    entry.*field = (file.parent_path() / *text).lexically_normal();
  } else if (name == "only") {
    entry.only = *text;
  } else if (name == "kind") {
    const auto kind = parse_kind(*text);
    if (!kind) {
      refuse(file, node.source(),
             fmt::format("kind '{}' of task '{}'; expected pool, near or far", *text, entry.name));
    }
    entry.kind = *kind;
  } else {
    refuse(file, key.source(),
           fmt::format("unknown key '{}' of task '{}'; expected one of {}", name, entry.name,
                       fmt::join(kKeys, ", ")));
  }
}

TaskEntry read_entry(const fs::path& file, const toml::key& name, const toml::node& node) {
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    refuse(file, node.source(),
           fmt::format("task '{}' is no table; expected {} = {{ data = \"FILE.jsonl\" }}",
                       name.str(), name.str()));
  }
  TaskEntry entry;
  entry.name = name.str();
  for (const auto& [key, value] : *table) read_field(file, entry, key, value);
  const int sources = (entry.data.empty() ? 0 : 1) + (entry.yaml.empty() ? 0 : 1) +
                      (entry.examples.empty() && entry.questions.empty() ? 0 : 1);
  if (sources != 1 || entry.examples.empty() != entry.questions.empty()) {
    refuse(file, node.source(),
           fmt::format("task '{}' needs exactly one of: data; examples with questions; yaml",
                       entry.name));
  }
  return entry;
}

std::vector<BenchRow> read_rows(const fs::path& file, const std::string& only) {
  std::vector<BenchRow> rows;
  for (Example& example : read_examples(file)) {
    if (!only.empty() && example.task != only) continue;
    if (example.kind != ExampleKind::Choices || !example.answer) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("{}: row '{}' has no {}; the benchmark needs labelled questions with "
                              "choices",
                              file.string(), example.id,
                              example.kind == ExampleKind::Choices ? "answer" : "choices"));
    }
    rows.push_back({std::move(example), "", ""});
  }
  return rows;
}

/// The splits that a YAML task has: reading any of them tells.
std::vector<std::string> splits_of(const fs::path& file) {
  for (const char* split : {"test", "validation"}) {
    try {
      return read_lm_eval_task(file, split, 1).splits;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::InvalidArgument) throw;  // it may lack this split alone
    }
  }
  return read_lm_eval_task(file, "training", 1).splits;
}

std::vector<BenchRow> read_yaml(const fs::path& file, const std::string& split) {
  std::vector<BenchRow> rows;
  for (LmEvalExample& row : read_lm_eval_task(file, split).examples) {
    rows.push_back({std::move(row.example), std::move(row.text), std::move(row.delimiter)});
  }
  return rows;
}

/// Every second row is a question: neither half depends on how a file is sorted.
void split_rows(std::vector<BenchRow> all, BenchTask& task) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    (i % 2 == 0 ? task.examples : task.questions).push_back(std::move(all[i]));
  }
}

/// Questions from the last of training, validation and test that it has, examples from the first; a
/// task with a single split is halved.
void read_yaml_task(const fs::path& file, BenchTask& task) {
  const auto splits = splits_of(file);
  if (splits.size() == 1) return split_rows(read_yaml(file, splits.front()), task);
  task.examples = read_yaml(file, splits.front());
  task.questions = read_yaml(file, splits.back());
}

void read_all(const TaskEntry& entry, BenchTask& task) {
  if (!entry.data.empty()) return split_rows(read_rows(entry.data, entry.only), task);
  if (!entry.yaml.empty()) return read_yaml_task(entry.yaml, task);
  task.examples = read_rows(entry.examples, entry.only);
  task.questions = read_rows(entry.questions, entry.only);
  if (!entry.training.empty()) task.training = read_rows(entry.training, entry.only);
}

}  // namespace

std::string to_string(TaskKind kind) {
  switch (kind) {
    case TaskKind::Pool:
      return "pool";
    case TaskKind::Near:
      return "near";
    case TaskKind::Far:
      break;
  }
  return "far";
}

std::vector<TaskEntry> read_task_list(const fs::path& file) {
  const std::string text = read_text(file, 1 << 20);
  toml::table root;
  try {
    root = toml::parse(text, file.string());
  } catch (const toml::parse_error& error) {
    refuse(file, error.source(), std::string(error.description()));
  }
  const toml::table* tasks = root["tasks"].as_table();
  if (tasks == nullptr || tasks->empty()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: no [tasks]; expected a line for each task, as NAME = {{ data = "
                            "\"FILE.jsonl\" }}",
                            file.string()));
  }
  std::vector<TaskEntry> entries;
  for (const auto& [name, node] : *tasks) entries.push_back(read_entry(file, name, node));
  return entries;
}

BenchTask load_task(const TaskEntry& entry, std::size_t n_questions, std::size_t least_examples) {
  BenchTask task{
      .name = entry.name, .kind = entry.kind, .examples = {}, .questions = {}, .training = {}};
  read_all(entry, task);
  if (task.training.empty()) task.training = task.examples;
  if (n_questions > 0 && task.questions.size() > n_questions) task.questions.resize(n_questions);
  if (task.questions.size() < kLeastQuestions || task.examples.size() < least_examples) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("task '{}' has {} examples{} and {} questions; expected at least {} "
                            "and {}",
                            task.name, task.examples.size(),
                            entry.only.empty() ? "" : " of '" + entry.only + "'",
                            task.questions.size(), least_examples, kLeastQuestions));
  }
  return task;
}

std::vector<BenchTask> load_tasks(const std::vector<TaskEntry>& entries, std::size_t n_questions,
                                  std::size_t least_examples) {
  std::vector<BenchTask> tasks;
  for (const TaskEntry& entry : entries) {
    throw_if_interrupted();
    tasks.push_back(load_task(entry, n_questions, least_examples));
  }
  return tasks;
}

std::vector<BenchRow> draw_examples(const BenchTask& task, std::size_t k, std::uint64_t seed) {
  if (k > task.examples.size()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("task '{}' has {} examples; {} are asked for", task.name,
                            task.examples.size(), k));
  }
  std::vector<std::size_t> order(task.examples.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  Rng(seed, "bench examples of " + task.name).shuffle(order);
  std::vector<BenchRow> drawn;
  for (std::size_t i = 0; i < k; ++i) drawn.push_back(task.examples[order[i]]);
  return drawn;
}

std::string hash_rows(const std::vector<BenchRow>& rows) {
  std::string all;
  const auto add = [&all](std::string_view text) {
    all += fmt::format("{}:", text.size());
    all += text;
  };
  for (const BenchRow& row : rows) {
    add(row.text);
    add(row.delimiter);
    add(row.example.question);
    add(row.example.context);
    add(std::to_string(row.example.answer.value_or(-1)));
    add(std::to_string(row.example.choices.size()));
    for (const std::string& choice : row.example.choices) add(choice);
  }
  return sha256_hex(std::string_view(all));
}

}  // namespace crayon

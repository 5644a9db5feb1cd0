// What the benchmark asks: tasks, each with examples to customise from and held-out questions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "crayon/prompt/example.h"

namespace crayon {

/// How a task stands to the pool that is judged.
enum class TaskKind {
  Pool,  ///< The pool was trained on this set; the questions are unseen.
  Near,  ///< Never trained on; a relative is in the pool.
  Far,   ///< Never trained on; no relative.
};
[[nodiscard]] std::string to_string(TaskKind kind);

/// One labelled question with choices.
struct BenchRow {
  Example example;
  std::string text;       ///< The whole prompt, word for word; "": the pool's format makes it.
  std::string delimiter;  ///< Before each choice, where `text` is given.
};

/// Where a task's rows are. One of: examples and questions; data; yaml.
struct TaskEntry {
  std::string name;
  TaskKind kind = TaskKind::Far;
  std::filesystem::path examples;   ///< JSONL to draw the K examples from.
  std::filesystem::path questions;  ///< JSONL of held-out questions.
  std::filesystem::path training;   ///< JSONL for a LoRA on the whole training split; "": examples.
  std::filesystem::path data;       ///< One JSONL for both: every second row is a question.
  std::filesystem::path yaml;       ///< A multiple-choice task as lm-evaluation-harness has them.
  std::string only;                 ///< Only rows whose `task` is this; "": all.
};

struct BenchTask {
  std::string name;
  TaskKind kind = TaskKind::Far;
  std::vector<BenchRow> examples;
  std::vector<BenchRow> questions;
  std::vector<BenchRow> training;
};

/// A list of tasks as TOML, a line a task:
///   [tasks]
///   mine = { data = "mine.jsonl", kind = "near" }
/// Paths are relative to the file. In the order of the names.
/// @throws Error NotFound, InvalidArgument (file, line, what was expected)
[[nodiscard]] std::vector<TaskEntry> read_task_list(const std::filesystem::path& toml);

/// Reads a task's rows, the first `n_questions` of its questions (0: all).
/// @throws Error InvalidArgument  a row without choices or answer, fewer than `least_examples`
///                                examples, no question; NotFound, CorruptFile as read_examples
[[nodiscard]] BenchTask load_task(const TaskEntry& entry, std::size_t n_questions,
                                  std::size_t least_examples);

/// The same for several, in their order. @throws Error  as load_task; Interrupted
[[nodiscard]] std::vector<BenchTask> load_tasks(const std::vector<TaskEntry>& entries,
                                                std::size_t n_questions,
                                                std::size_t least_examples);

/// K rows of the task's examples, drawn without replacement. The first K of a larger draw with the
/// same seed are the smaller draw. @throws Error InvalidArgument  fewer rows than k
[[nodiscard]] std::vector<BenchRow> draw_examples(const BenchTask& task, std::size_t k,
                                                  std::uint64_t seed);

/// SHA-256 over all that a model or method is shown of these rows.
[[nodiscard]] std::string hash_rows(const std::vector<BenchRow>& rows);

}  // namespace crayon

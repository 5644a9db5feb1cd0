// Tasks of questions with choices in the YAML form of lm-evaluation-harness, so that people bring
// theirs: what the file says of prompts and choices is done to the letter, and what cannot be done
// (Python, Jinja beyond places, data that are not local) is refused.
//
// Read are: task, include (a file beside it), dataset_path: json, dataset_kwargs.data_files (a
// path, which is split "train", or a map of splits to paths; relative to the file that names them;
// JSON Lines, plain or gzip), output_type: multiple_choice, training_split, validation_split,
// test_split, description, doc_to_text, doc_to_choice, doc_to_target and target_delimiter. Keys
// about metrics, tags and few-shot sampling are ignored: the benchmark counts right answers and has
// its own examples. Templates may hold {{...}} of fields, texts, lists, +, -, methods and
// filters (crayon/bench/internal/template.h).
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "crayon/prompt/example.h"

namespace crayon {

/// A question with what the model is to read, which no PromptFormat is to change.
struct LmEvalExample {
  /// Kind Choices with an answer; `question` is doc_to_text, `task` the task's name, `id` the row's
  /// field "id" or "line-N". Choices may be equal to each other.
  Example example;
  std::string text;       ///< description + doc_to_text, verbatim.
  std::string delimiter;  ///< Between the text and each choice.
};

struct LmEvalTask {
  std::string name;
  std::vector<std::string> splits;  ///< Of "training", "validation" and "test", those it has.
  std::vector<LmEvalExample> examples;
};

/// Reads one split of a task, at most `limit` of its examples when that is not 0.
///
/// An answer is a field with an index, true, false or a choice's text; or a template, or a text in
/// the YAML, whose digits are an index and anything else a choice's text.
///
/// @param split  "training", "validation" or "test"
/// @throws Error NotFound         the file, one that it includes, its data
/// @throws Error InvalidArgument  broken YAML or data, with the line; a field that a row lacks;
/// fewer
///                                than two choices; an answer that is none of them; no such split
/// @throws Error Unsupported      what this reader does not do, naming the file and what it does
/// @throws Error CorruptFile (gzip), Unavailable; Interrupted
[[nodiscard]] LmEvalTask read_lm_eval_task(const std::filesystem::path& yaml,
                                           const std::string& split, std::size_t limit = 0);

}  // namespace crayon

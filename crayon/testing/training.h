// A training run small enough for tests: files only, the trainer is not linked here.
#pragma once

#include <filesystem>
#include <string>

namespace crayon {

/// Writes to `folder` a tiny random base (tiny.gguf), two sets (moods.jsonl, ways.jsonl) and
/// train.toml: 3 adapters of rank 2, 12 steps, a checkpoint each 4th, a validation each 5th.
/// @param more  lines of `[train]`, added to it or in place of those with the same key
void write_training_files(const std::filesystem::path& folder, const std::string& more = {});

/// Questions whose answer is always the same choice, at changing places: easy to learn.
void write_training_set(const std::filesystem::path& file, const std::string& right,
                        const std::string& wrong, const std::string& about);

}  // namespace crayon

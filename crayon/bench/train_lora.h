// One LoRA on the rows of a task, trained by the program crayon-trainer.
#pragma once

#include <filesystem>
#include <string>

#include "crayon/bench/method.h"
#include "crayon/bench/result_store.h"
#include "crayon/pool/pool.h"

namespace crayon {

struct LoraTrainerOptions {
  std::filesystem::path program;  ///< crayon-trainer
  std::filesystem::path model;    ///< GGUF of the base
  int threads = 0;                ///< 0: as the trainer thinks best.
};

/// What crayon-trainer's max_tokens is unless a row is longer.
inline constexpr int kUsualTokens = 256;

/// The longest of these rows as the trainer counts it (prompt and up to eight choices), at least
/// kUsualTokens: with that as its max_tokens it leaves no row out. Rows whose prompts are given
/// word for word are not looked at.
[[nodiscard]] int tokens_to_train(const Model& model, const PromptFormat& format,
                                  const std::vector<BenchRow>& rows);

/// A function that trains as the pool was trained (its prompt, first layer and kinds of matrix) and
/// keeps what it made in the store's folder. Borrows store and pool.
[[nodiscard]] TrainLora make_lora_trainer(const LoraTrainerOptions& options, const Pool& pool,
                                          const ResultStore& store);

}  // namespace crayon

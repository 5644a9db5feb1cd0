// One LoRA on the rows of a task, trained by the program crayon-trainer.
#pragma once

#include <filesystem>
#include <string>

#include "crayon/bench/method.h"
#include "crayon/bench/store.h"
#include "crayon/pool/pool.h"

namespace crayon {

struct LoraTrainerOptions {
  std::filesystem::path program;  ///< crayon-trainer
  std::filesystem::path model;    ///< GGUF of the base
  int threads = 0;                ///< 0: as the trainer thinks best.
};

/// A function that trains as the pool was trained (its prompt, first layer and kinds of matrix) and
/// keeps what it made in the store's folder. Borrows store and pool.
[[nodiscard]] TrainLora make_lora_trainer(const LoraTrainerOptions& options, const Pool& pool,
                                          const Store& store);

}  // namespace crayon

// A task: one GGUF LoRA file that llama.cpp takes as it is; Crayon's part is crayon.* metadata.
// No text of an example is in it: z vectors, hashes of labels, numbers.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"
#include "crayon/base/matrix.h"
#include "crayon/formats/base_model.h"
#include "crayon/formats/gguf.h"
#include "crayon/gate/gate.h"
#include "crayon/gate/head.h"
#include "crayon/gate/scope_model.h"
#include "crayon/prompt/prompt.h"
#include "crayon/router/router.h"
#include "crayon/router/threshold.h"

namespace crayon {

/// What Crayon knows of a task beside its adapter; absent in LoRA files of others.
struct TaskInfo {
  std::string name;
  std::string pool_id;
  BaseModel base;
  std::vector<float> weights;  ///< w [N]
  std::string mode;            ///< "exact" or "lowrank"
  int rank = 0;
  double relative_error = 0;
  std::size_t n_examples = 0;
  std::string kept;  ///< What customize kept: "blend", "blend+labels", "refined", ...
  PromptFormat prompt;
  EmbeddingSpec embedding;
  Whitening whitening;
  Matrix scope_examples;  ///< z [K, m]
  ScopeModel scope;       ///< The pool's; empty in files of older programs.
  Head head;
  Calibration calibration;
  Calibration generic;                     ///< The pool's, which `calibration` was shifted from.
  std::optional<Calibration> server = {};  ///< P(the server is right) from the device's signals.
  std::vector<JudgedSignals> judged = {};  ///< Labelled requests, for targets of risk.
  std::vector<double> recent_scores;  ///< Router scores of the examples, to start the threshold.
  Policy policy;
};

struct Task {
  Adapter adapter;
  std::optional<TaskInfo> info;
};

/// @param type  of the adapter's tensors
[[nodiscard]] std::vector<std::byte> task_to_gguf(const Task& task,
                                                  TensorType type = TensorType::F16);
/// Any LoRA GGUF; one of another tool has no info. @throws Error CorruptFile, Unsupported (version)
[[nodiscard]] Task task_from_gguf(const Gguf& gguf);
[[nodiscard]] Task read_task(const std::filesystem::path& path);

}  // namespace crayon

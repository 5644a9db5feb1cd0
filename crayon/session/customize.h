// From a pool and a user's examples to a task: embedding, gate, blend, and, where the examples
// allow it, the head for choices and a choice between several ways to answer. Nothing leaves the
// process.
//   z [K, m] embeddings of the K examples    w [N] blend weights
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crayon/adapter/blend.h"
#include "crayon/engine/engine.h"
#include "crayon/formats/base_model.h"
#include "crayon/formats/task_file.h"
#include "crayon/pool/pool.h"
#include "crayon/prompt/example.h"
#include "crayon/session/candidates.h"
#include "crayon/session/scoring.h"
#include "crayon/stats/stats.h"

namespace crayon {

struct CustomizeOptions {
  std::string name = "task";  ///< Of the task; see check_task_name().
  BlendOptions blend = {};
  bool refine = false;              ///< Improve the gate's weights on the labelled examples.
  std::vector<float> weights = {};  ///< [N] in place of the gate's; empty: the gate's.
  bool leave_one_out = true;        ///< Where labels exist, compare (choose_candidate).
  /// Scored for label calibration when nothing is compared; all are where so few share no labels.
  std::size_t label_examples = 16;
  bool local_only = false;  ///< Written into the task: no question of it may go to a server.
  int context_tokens = 0;   ///< Of the engine, to count the passages it cuts; 0: not counted.
  TensorType type = TensorType::F16;  ///< Of the task file's tensors.
};

struct CustomizeSeconds {
  double embed = 0;
  double gate = 0;
  double blend = 0;  ///< The blend alone.
  double score = 0;  ///< Passes for label calibration and leave-one-out.
  double refine = 0;
};

/// What leave-one-out said of one way to answer.
struct CandidateReport {
  std::string name;     ///< "base", "base+labels", "blend", "refined+labels+probe", ...
  double log_loss = 0;  ///< Mean, natural logarithm; see candidates.h.
  Accuracy accuracy;
};

struct LeaveOneOut {
  double base = 0;     ///< Accuracy of the base alone.
  double blended = 0;  ///< Accuracy of what was kept.
  std::size_t n = 0;   ///< Labelled examples.
  std::vector<CandidateReport> candidates;
};

struct CustomizeReport {
  Task task;                    ///< With its TaskInfo.
  std::vector<std::byte> file;  ///< The task as a GGUF, ready to be written.
  TaskWeights gate;             ///< The gate's own weights, whatever was used.
  std::vector<float> weights;   ///< [N] of the blend.
  std::optional<float> shared;  ///< Weight of the pool's shared adapter in it, if there is one.
  double relative_error = 0;
  std::size_t n_examples = 0;
  std::size_t n_labelled = 0;    ///< With choices and an answer.
  std::size_t cut_examples = 0;  ///< Whose passage was cut; see CustomizeOptions::context_tokens.
  std::string kept;              ///< "blend", "blend+labels", "refined+choices", ...
  std::optional<LeaveOneOut> leave_one_out;
  /// [n_labelled][choices] of the labelled examples, by nested leave-one-out: what the calibration
  /// was fitted on. Empty without a comparison.
  ScoreTable judged_scores;
  BaseFit base_fit = BaseFit::Same;
  CustomizeSeconds seconds;
};

/// Makes a task.
///
/// One pass over the prompts, ended at the layer of the embedding, gives z and the weights. When
/// the examples share labels, one more pass scores them with the blended adapter for label
/// calibration. When there are at least 2 labelled examples with choices, the base is scored too,
/// and the candidates of candidates.h are compared by leave-one-out; choose_candidate() says which
/// is kept. When the base is kept, the task's adapter is a zero one of rank 1 (`kept` says so) and
/// the weights stay as they were. With `refine`: N + 1 more passes.
///
/// @throws Error InvalidArgument  no example, weights that are not N finite numbers, bad name,
///                                refine without 2 labelled examples or with explicit weights; an
///                                example that does not fit the context (names its id where
///                                context_tokens is given)
/// @throws Error Incompatible     the model is not the pool's base
/// @throws Interrupted            between two prompts
[[nodiscard]] CustomizeReport customize(Pool& pool, const Model& model, Engine& engine,
                                        std::span<const Example> examples,
                                        const CustomizeOptions& options = {},
                                        const OnProgress& on_progress = {});

}  // namespace crayon

// Training a pool: one TOML file says what, train_pool() does it in slices that can be stopped and
// resumed, and writes a pool folder at the end. Lives in crayon-trainer, the program with libtorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "crayon/gate/gate.h"
#include "crayon/prompt/prompt.h"

namespace crayon {

/// `[pool]` and `[base]`: what is made, and for which model.
struct TrainPoolConfig {
  std::string base;                 ///< A name of the manifest of models, or a GGUF file.
  std::string name;                 ///< Of the pool.
  std::filesystem::path out = ".";  ///< The pool's folder, relative to the config file's folder.
  int n_adapters = 8;               ///< N
  int rank = 4;                     ///< Of each adapter.
  /// delta W_i = alpha / rank * B_i A_i, times N, which is folded in (not beside a shared adapter).
  double alpha = 4;
  int first_layer = 15;  ///< Adapters sit in this layer and above.
  /// Of one shared adapter (its alpha is its rank); 0: none. It is trained alone first and then
  /// stands still; w = a g weighs the others on top.
  int shared_rank = 0;
  /// A LoRA that is there (GGUF file or PEFT folder) as the shared adapter, in place of training
  /// one; its rank is the rank. Absolute once loaded; "": none.
  std::filesystem::path shared_from;
};

/// `[gate]`: how embeddings become weights.
struct TrainGateConfig {
  EmbeddingSpec embedding{15, Pooling::Last};  ///< Keys `layer` and `pooling`.
  int dims = 64;  ///< m, numbers that the whitening keeps; fewer where the prompts span fewer.
  double temperature = 0.05;     ///< tau, not learnt.
  bool modulated = true;         ///< false: w is the gates' mean alone.
  double zero_tilt_share = 0.3;  ///< Share of batches with a = 0; the others draw a up to 1.
  double least_tilt = 0;         ///< Least a that the others draw.
  double drop_nearest = 0;       ///< Share of batches trained without their nearest adapter.
  double max_tilt = 0.5;         ///< a of a wholly familiar task, at deployment.
  double shared_least = 1;       ///< Least weight of a shared adapter, at deployment (Gate).
  int reference = 512;           ///< Training prompts kept as z, for familiarity.
  int fit_prompts = 2000;        ///< Training prompts that whitening and first keys are fitted on.
  std::string keys = "kmeans";   ///< First keys: "kmeans" of these prompts' z, or "random".
};

/// `[train]`: steps, batches, rates and losses.
struct TrainLoopConfig {
  std::uint64_t seed = 1;
  std::int64_t samples = 20000;      ///< Samples to see; used when `steps` is 0.
  std::int64_t steps = 0;            ///< Batches to run, or 0.
  double shared_share = 0.5;         ///< Part of the run that trains the shared adapter, if any.
  int batch_tokens = 2048;           ///< Tokens a batch, all choices of its items counted.
  int max_tokens = 256;              ///< Longer items are left out and counted.
  int max_choices = 8;               ///< Of a training item: the right one and random others.
  double learning_rate = 2e-3;       ///< Of A and B.
  double key_learning_rate = 2e-3;   ///< Of the gate's keys.
  double warmup = 0.03;              ///< Share of the run in which the rate rises from 0.
  double least_rate = 0.1;           ///< The cosine's end, as a share of the rate.
  double weight_decay = 0.01;        ///< AdamW's; keys have none.
  double clip = 1.0;                 ///< Largest norm of the gradient.
  double score_scale = 4.0;          ///< Factor on mean log-probs in the softmax over choices.
  double choice_weight = 1;          ///< Weight of the cross-entropy over the choices.
  double answer_weight = 0.2;        ///< Weight of the answer's own log-likelihood.
  double balance = 0.01;             ///< Weight of "no adapter unused".
  double diversity = 0.01;           ///< Weight of "keys and adapters apart".
  std::string number_type = "auto";  ///< "auto", "f32" or "bf16".
  std::string device = "auto";       ///< "auto" (a GPU where torch has one), "cpu" or "cuda".
  int threads = 0;                   ///< Of a machine, shared by its workers; 0: one for each core.
  int validate_every = 200;          ///< Steps; 0: at the end only.
  int validation_items = 50;         ///< Rows of each set.
  int calibration_items = 200;       ///< Rows of each set for the generic calibration.
  int checkpoint_every = 100;        ///< Steps.
  std::filesystem::path checkpoints = "checkpoints";  ///< Folder, as `out`.
  double slice_minutes = 0;                           ///< Stop cleanly after so long; 0: never.
  double cache_gib = 6;                               ///< A machine's, for the trunk's outputs.
};

/// One `[[set]]`: a file of examples with answers, in any of the three forms of examples.h. A
/// `[[set]]` with `folder` stands for each set of that folder (crayon/formats/data_sets.h).
struct TrainSet {
  std::string name;
  std::filesystem::path train;       ///< Absolute once loaded.
  std::filesystem::path validation;  ///< "": rows are held out from `train`,
  double validation_share = 0.1;     ///< this share of them, drawn by the seed; at least one.
  int limit = 0;                     ///< Rows read of `train`; 0: all.
  double weight = 1;                 ///< Batches are drawn in proportion to it.
  std::string licence;
};

struct TrainConfig {
  std::filesystem::path file;
  TrainPoolConfig pool;
  TrainGateConfig gate;
  PromptFormat prompt;
  TrainLoopConfig train;
  std::vector<TrainSet> sets;
};

/// Reads a config. A relative path of a set is looked for in the file's folder and then in the
/// folders above it, so that a repository's root works; `out` and `checkpoints` belong to the
/// file's folder. `sets_from`, before the first table, takes the sets of another config.
/// @throws Error NotFound         no such file, or a set's file or folder that is in none of these
/// @throws Error InvalidArgument  not TOML, unknown key (with the nearest one), wrong type, or a
///                                value out of range: file, line, key, found, expected
[[nodiscard]] TrainConfig load_train_config(const std::filesystem::path& file);
/// The same from text. @param file  for messages and relative paths; need not exist
[[nodiscard]] TrainConfig parse_train_config(const std::string& text,
                                             const std::filesystem::path& file);

/// The settings that make a run what it is, as "key = value" lines in a fixed order: two runs with
/// the same lines give the same losses. Without threads, slices, folders and other things that may
/// change on resume.
[[nodiscard]] std::vector<std::string> describe_train_config(const TrainConfig& config);

class ProcessGroup;  // crayon/trainer/workers.h

struct TrainRunOptions {
  bool resume = false;          ///< Go on from the newest checkpoint.
  bool restart = false;         ///< Throw the checkpoints away and begin anew; the pool that stands
                                ///< in `out` now will be replaced.
  bool export_only = false;     ///< Write the pool from the newest checkpoint; no training.
  double slice_minutes = 0;     ///< Over the config's, when not 0.
  int threads = 0;              ///< Of this machine; over the config's, when not 0.
  std::int64_t stop_after = 0;  ///< Stop cleanly after so many steps of this call; 0: never.
};

/// Accuracy on a set's validation rows, with its binomial standard error.
struct TrainValidation {
  std::string set;
  std::size_t n = 0;
  double base = 0, even = 0, tilted = 0;  ///< Base alone; a = 0; a = max_tilt.
  double base_error = 0, even_error = 0, tilted_error = 0;
};

struct TrainReport {
  bool finished = false;         ///< The pool is written.
  std::filesystem::path folder;  ///< Of the pool, when finished.
  std::int64_t steps = 0, samples = 0;
  double minutes = 0;             ///< Of training over all slices.
  double samples_per_second = 0;  ///< Of this call.
  std::string number_type;
  std::vector<double> losses;               ///< Of the steps of this call.
  std::vector<TrainValidation> validation;  ///< The last one.
  std::string note;                         ///< How to go on, when not finished.
};

/// Trains, resumes or exports. Notes go to `notes`: a progress line and a table at each validation.
///
/// @throws Error InvalidArgument  a checkpoint exists and neither resume nor restart is asked for;
///                                `out` is a file, or holds a pool that is neither of this run nor
///                                there when it was restarted; resume with a changed config
///                                (names the changed keys); no usable item in a set; a loss that
///                                is not finite (checkpoints are kept)
/// @throws Error NotFound         resume or export without a checkpoint
/// @throws Error CorruptFile      a truncated or foreign checkpoint
/// @throws Error Incompatible     a checkpoint made for another base model
/// @throws Error Unavailable      another trainer works in the checkpoints' folder; it or `out`
///                                cannot be written
/// @throws Interrupted            Ctrl-C: after the step, with a checkpoint written
TrainReport train_pool(const TrainConfig& config, const TrainRunOptions& options,
                       std::ostream& notes);
/// The same as one of the workers of a job, all of which call it with the same config and options.
/// Worker 0 alone touches the folders of checkpoints and pool.
/// @throws WorkerFailed  another worker failed
TrainReport train_pool(const TrainConfig& config, const TrainRunOptions& options,
                       ProcessGroup& group, std::ostream& notes);

}  // namespace crayon

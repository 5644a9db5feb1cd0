// A way to make the model good at a task from K examples, as the benchmark compares them. Each is
// one file in methods/, which ends with CRAYON_BENCH_METHOD; the build lists them all.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crayon/base/random.h"
#include "crayon/bench/scoring.h"
#include "crayon/bench/task.h"
#include "crayon/gate/head.h"
#include "crayon/pool/pool.h"
#include "crayon/remote/remote.h"

namespace crayon {

/// What to train one LoRA on.
struct LoraRequest {
  const std::vector<BenchRow>* rows = nullptr;
  std::string name;         ///< Of the job, for messages: "lora-k on openbookqa".
  std::size_t samples = 0;  ///< Rows seen in training, repetitions counted.
  int max_tokens = 0;       ///< tokens_to_train() of the rows: none is left out.
  int rank = 4;
  double learning_rate = 1e-3;
};
/// An adapter, and the seconds that its training took. @throws Error  with the trainer's last words
struct TrainedLora {
  Adapter adapter;
  double seconds = 0;
};
using TrainLora = std::function<TrainedLora(const LoraRequest&)>;

/// What methods may use beside the pool and the examples; each may be missing.
struct BenchTools {
  Pool* multitask = nullptr;  ///< A pool of one adapter, trained on the pool's data.
  Remote* remote = nullptr;   ///< The larger LLM.
  TrainLora train;
};

/// One task, K examples, one seed: what a method sees. It never sees the questions.
struct MethodInput {
  const std::vector<BenchRow>& examples;  ///< K, with their labels.
  const std::vector<BenchRow>& training;  ///< The task's whole training split.
  std::uint64_t seed;
  Pool& pool;
  BenchScorer& scorer;
  const BenchTools& tools;

  /// z [K, m] of the examples.
  [[nodiscard]] Matrix z() const;
  /// w [N] and familiarity, as the pool's gate gives them.
  [[nodiscard]] TaskWeights gate() const;
  /// The pool's adapters with these weights [N]; borrows the pool.
  [[nodiscard]] std::vector<BlendPart> parts(std::span<const float> weights) const;
  /// What was merged from the gated adapters with these weights, and the shared one below it.
  [[nodiscard]] Adapter on_shared(Adapter merged, std::span<const float> weights) const;
  /// Index of the right choice of each example.
  [[nodiscard]] std::vector<int> answers() const;
  /// A stream of random numbers for this task, seed and purpose.
  [[nodiscard]] Rng rng(const std::string& purpose) const;
};

/// What a method makes of its examples.
struct Prepared {
  std::optional<Adapter> adapter = {};  ///< None: the base alone.
  std::vector<BenchRow> shots = {};     ///< Put before every question.
  Head head = {};                       ///< Applied to the scores; the method's own choice.
  /// Whether to calibrate labels was the method's choice too, whatever its head: the switch leaves
  /// it as it is.
  bool owns_head = false;
  /// Scores of a row's choices in place of the model's; none where a reply named no choice: that is
  /// a wrong answer. @param z  [m] of the row
  std::function<std::vector<float>(const BenchRow&, std::span<const float> z)> direct = {};
  std::vector<float> weights = {};  ///< [N], where the method has such.
  double seconds = -1;              ///< Of customising, where the method knows better than a clock.
};

struct Method {
  const char* name;
  int order;  ///< Of its line in the tables, ascending.
  const char* summary;
  /// Of the K examples: nothing (what they say decides nothing), the texts, or labels too.
  /// Training: nothing of these, but rows of the task's training split with their labels, which
  /// `trains_on` names.
  enum class Sees { Nothing, Texts, Labels, Training } sees;
  int version;  ///< Counted up when its results change: old ones are then worked out anew.
  Prepared (*prepare)(const MethodInput& input);
  /// Why it cannot run with this pool and these tools; "" when it can.
  std::string (*missing)(const Pool& pool, const BenchTools& tools) = nullptr;
  /// The rows that it trains a LoRA on, of K examples and the training split; null: it trains none.
  std::vector<BenchRow> (*trains_on)(const std::vector<BenchRow>& examples,
                                     const std::vector<BenchRow>& training) = nullptr;
  /// A tool whose make decides its results.
  enum class Uses { Nothing, Multitask, Server } uses = Uses::Nothing;
  /// The pool's adapters or gate decide its results; else no more than the prompts' format and the
  /// first layer that is adapted, so its results outlive a new pool.
  bool of_pool = true;
  /// Its head was fitted to choices' mean log-probs, so that it fits no other way of scoring.
  bool scores_by_mean = false;
};

/// "nothing", "texts", "labels", "training".
[[nodiscard]] std::string to_string(Method::Sees sees);

/// All methods, in the order of the tables.
[[nodiscard]] std::span<const Method* const> all_methods();
/// @throws Error InvalidArgument  no method of this name, with near ones
[[nodiscard]] const Method& find_method(const std::string& name);
/// The same for several; "all" among them: every method.
[[nodiscard]] std::vector<const Method*> find_methods(const std::vector<std::string>& names);

/// Defines a method. @param id  the file's name
#define CRAYON_BENCH_METHOD(id)    \
  extern const Method method_##id; \
  const Method method_##id

}  // namespace crayon

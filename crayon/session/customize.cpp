#include "crayon/session/customize.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/session/calibrate.h"
#include "crayon/session/candidates.h"
#include "crayon/session/internal/own_signals.h"
#include "crayon/session/refine.h"
#include "crayon/session/tasks.h"

namespace crayon {
namespace {

/// Adds the time of its life to a number.
class Timer {
 public:
  explicit Timer(double& seconds) : seconds_(seconds) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// One run of customize(): what its steps share.
class Customizer {
 public:
  Customizer(Pool& pool, const Model& model, Engine& engine, const CustomizeOptions& options,
             const OnProgress& on_progress)
      : pool_(pool), model_(model), engine_(engine), options_(options), on_progress_(on_progress) {}

  CustomizeReport run(std::span<const Example> examples);

 private:
  void check(std::span<const Example> examples);
  void embed(std::span<const Example> examples);
  void weigh();
  void pick_choices(std::span<const Example> examples);
  /// Keeps n of the examples with choices, evenly spread, where these share labels too: a pass over
  /// all would cost more time than their means gain.
  void keep_some(std::size_t n);
  void blend();
  /// Sets an adapter in the number type that `ask` will read it in.
  void set_adapter(const Adapter& adapter);
  /// Scores of all examples with choices, or of those with answers, under the adapter that is set.
  ScoredPrompts score(const std::string& step);
  ScoreTable score_labelled(const std::string& step, std::span<const float> weights);
  std::vector<Candidate> refined(const ScoredPrompts& blended);
  [[nodiscard]] bool compares() const { return options_.leave_one_out && report_.n_labelled >= 2; }
  void choose();
  void keep(const Candidate& kept);
  void finish(const Candidate& kept);

  Pool& pool_;
  const Model& model_;
  Engine& engine_;
  const CustomizeOptions& options_;
  const OnProgress& on_progress_;
  CustomizeReport report_;
  Blend blend_;                                ///< Of report_.weights.
  Matrix z_;                                   ///< [K, m]
  ChoiceData data_;                            ///< Of the examples with choices ...
  std::vector<RenderedPrompt> prompts_;        ///< ... and their prompts,
  std::unique_ptr<PreparedPrompts> ready_;     ///< made ready when first scored,
  std::unique_ptr<PreparedPrompts> labelled_;  ///< and those of them that have answers.
  std::vector<float> refined_weights_;
};

void Customizer::check(std::span<const Example> examples) {
  check_task_name(options_.name);
  if (examples.empty()) {
    throw Error(ErrorCode::InvalidArgument, "customize: no example; give at least one");
  }
  const std::size_t n = pool_.size();
  if (n == 0) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("pool '{}' has no adapter yet; add one with `crayon pool add`",
                            pool_.folder().string()));
  }
  if (!options_.weights.empty() && options_.weights.size() != n) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("--weights has {} numbers, but pool '{}' has {} base adapters; give {}",
                            options_.weights.size(), pool_.manifest().name, n, n));
  }
  if (!std::ranges::all_of(options_.weights, [](float w) { return std::isfinite(w); })) {
    throw Error(ErrorCode::InvalidArgument, "--weights holds a number that is not finite");
  }
  if (options_.refine && !options_.weights.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                "--refine starts from the gate's weights, so it does not go with --weights");
  }
  report_.base_fit = check_base(pool_.manifest().base, model_.base(),
                                fmt::format("pool '{}'", pool_.folder().string()));
}

void Customizer::embed(std::span<const Example> examples) {
  const Timer timer(report_.seconds.embed);
  const auto prompts = render_all(model_, pool_.manifest().prompt, examples);
  if (options_.context_tokens > 0) {
    const int context = std::min(options_.context_tokens, model_.context_trained());
    report_.cut_examples = count_cut(model_, examples, prompts, context);
  }
  const Matrix hidden = engine_.embed(prompts, pool_.gate().embedding, [&](std::size_t i) {
    throw_if_interrupted();
    if (on_progress_) on_progress_({"embed", i + 1, prompts.size()});
  });
  z_ = whiten(pool_.gate().whitening, hidden);
}

void Customizer::weigh() {
  const Timer timer(report_.seconds.gate);
  report_.gate = task_weights(pool_.gate(), z_);
  report_.weights = options_.weights.empty() ? report_.gate.weights : options_.weights;
}

void Customizer::pick_choices(std::span<const Example> examples) {
  std::vector<std::size_t> rows;
  for (std::size_t k = 0; k < examples.size(); ++k) {
    if (examples[k].kind == ExampleKind::Choices) rows.push_back(k);
  }
  data_.z = Matrix(rows.size(), z_.cols);
  std::vector<Example> picked;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Example& example = examples[rows[i]];
    data_.choices.push_back(example.choices);
    data_.answers.push_back(example.answer.value_or(-1));
    std::ranges::copy(z_.row(rows[i]), data_.z.row(i).begin());
    picked.push_back(example);
  }
  prompts_ = render_all(model_, pool_.manifest().prompt, picked);
  report_.n_labelled = labelled(data_).size();
}

void Customizer::keep_some(std::size_t n) {
  const std::size_t all = prompts_.size();
  if (n == 0 || all <= n) return;
  ChoiceData some;
  some.z = Matrix(n, data_.z.cols);
  std::vector<RenderedPrompt> prompts;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t k = i * all / n;
    some.choices.push_back(data_.choices[k]);
    some.answers.push_back(data_.answers[k]);
    std::ranges::copy(data_.z.row(k), some.z.row(i).begin());
    prompts.push_back(prompts_[k]);
  }
  if (!labels_shared(some)) return;  // though all do: their labels are many
  data_ = std::move(some);
  prompts_ = std::move(prompts);
}

void Customizer::blend() {
  const Timer timer(report_.seconds.blend);
  blend_ = pool_.blend(report_.weights, options_.blend);
  if (pool_.shared() != nullptr) report_.shared = shared_weight(pool_.gate(), report_.weights);
}

void Customizer::set_adapter(const Adapter& adapter) {
  const AdapterFileOptions file{.architecture = pool_.manifest().base.architecture,
                                .name = options_.name,
                                .type = options_.type,
                                .metadata = {}};
  engine_.set_adapter_bytes(adapter_to_gguf(adapter, file), "blend");
}

ScoredPrompts Customizer::score(const std::string& step) {
  const Timer timer(report_.seconds.score);
  // A single pass is over sooner than the upper blocks are loaded once more.
  const int first_layer = compares() ? pool_.manifest().first_layer : 0;
  if (!ready_) {
    ready_ = engine_.prepare(prompts_, {.first_layer = first_layer, .states = compares()});
  }
  return score_all(engine_, *ready_, {step, 0, prompts_.size()}, on_progress_);
}

ScoreTable Customizer::score_labelled(const std::string& step, std::span<const float> weights) {
  set_adapter(pool_.blend(weights, options_.blend).adapter);
  const auto rows = labelled(data_);
  if (!labelled_) {
    std::vector<RenderedPrompt> prompts;
    for (const std::size_t k : rows) prompts.push_back(prompts_[k]);
    labelled_ = engine_.prepare(prompts, {.first_layer = pool_.manifest().first_layer});
  }
  return score_all(engine_, *labelled_, {step, 0, rows.size()}, on_progress_).scores;
}

/// The refined candidates on true scores: example k by the weights fitted without it.
std::vector<Candidate> Customizer::refined(const ScoredPrompts& blended) {
  const Timer timer(report_.seconds.refine);
  const auto rows = labelled(data_);
  ScoreTable at_w0;
  std::vector<int> answers;
  for (const std::size_t k : rows) {
    at_w0.push_back(blended.scores[k]);
    answers.push_back(data_.answers[k]);
  }
  std::size_t pass = 0;
  const auto linear =
      linearise(report_.weights, at_w0, answers, [&](std::span<const float> weights) {
        return score_labelled(fmt::format("refine {} of {}", ++pass, pool_.size() + 1), weights);
      });
  const Refined fit = refine_weights(linear);
  ScoredPrompts scored = blended;
  for (std::size_t f = 0; f < rows.size(); ++f) {
    throw_if_interrupted();
    set_adapter(pool_.blend(fit.without_each[f], options_.blend).adapter);
    const ScoreResult result =
        engine_.score({.prompt = prompts_[rows[f]], .embed = false, .states = true}, {});
    scored.scores[rows[f]] = mean_log_probs(result);
    if (!scored.states.empty()) scored.states[rows[f]] = states_of(result);
    if (on_progress_) {
      on_progress_(
          {fmt::format("refine {} of {}", pass + 1, pool_.size() + 1), f + 1, rows.size()});
    }
  }
  refined_weights_ = fit.weights;
  return candidates("refined", data_, scored.scores, scored.states);
}

/// Scores what the examples allow, compares, and keeps the best.
void Customizer::choose() {
  const bool compare = compares();
  if (options_.refine && !compare) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("--refine needs at least 2 examples with choices and an answer, found {}",
                    report_.n_labelled));
  }
  if (!compare) {
    Candidate only;
    only.name = "blend";
    if (labels_shared(data_)) {
      keep_some(options_.label_examples);
      set_adapter(blend_.adapter);
      const ScoreTable scores = score("label calibration").scores;
      only.head = label_head(data_, scores);
      if (!only.head.empty()) only.name = "blend+labels";
      for (std::size_t k = 0; k < scores.size(); ++k) {
        only.scores.push_back(apply_head(only.head, data_.choices[k], scores[k], {}));
      }
    }
    return keep(only);
  }
  set_adapter(blend_.adapter);
  const ScoredPrompts blended = score("score blend");
  std::vector<Candidate> all = candidates("blend", data_, blended.scores, blended.states);
  const std::size_t usual = usual_candidate(all);
  engine_.set_adapters({});
  const ScoredPrompts base = score("score base");
  for (Candidate& c : candidates("base", data_, base.scores, base.states)) {
    all.push_back(std::move(c));
  }
  if (options_.refine) {
    for (Candidate& c : refined(blended)) all.push_back(std::move(c));
  }
  LeaveOneOut report;
  for (const Candidate& c : all) {
    report.candidates.push_back({c.name, c.log_loss, c.accuracy});
    if (c.name == "base") report.base = c.accuracy.accuracy;
  }
  const Candidate& best = choose_candidate(all, usual);
  report.blended = best.accuracy.accuracy;
  report.n = best.accuracy.n;
  report_.leave_one_out = std::move(report);
  // Not the best one's own: these were chosen for their few errors, and would flatter the task.
  report_.judged_scores = nested_scores(all, usual);
  keep(best);
}

/// Of a right answer by guessing, over the questions; 0 where none has choices.
double mean_guess(const ChoiceData& data) {
  double sum = 0;
  for (const auto& choices : data.choices) sum += guess_probability(choices.size());
  return data.choices.empty() ? 0 : sum / static_cast<double>(data.choices.size());
}

/// A LoRA that changes nothing: one tensor of rank 1, A and B zero.
Adapter zero_adapter(const Adapter& like) {
  Adapter zero{.base_id = like.base_id, .tensors = {}};
  const LoraTensor& first = like.tensors.front();
  zero.tensors.push_back({first.name, Matrix(1, first.a.cols), Matrix(first.b.rows, 1), 1.0f});
  return zero;
}

void Customizer::keep(const Candidate& kept) {
  if (kept.name.starts_with("refined")) {
    report_.weights = refined_weights_;
    blend();
  }
  const bool base = kept.name.starts_with("base");
  report_.kept = kept.name;
  report_.relative_error = base ? 0 : blend_.relative_error;
  report_.task.adapter = base ? zero_adapter(blend_.adapter) : std::move(blend_.adapter);
  finish(kept);
}

void Customizer::finish(const Candidate& kept) {
  const PoolManifest& manifest = pool_.manifest();
  Calibration generic = generic_for(manifest.calibration, mean_guess(data_));
  generic.approximate = generic.approximate || report_.base_fit == BaseFit::Requantised;
  TaskInfo info;
  info.name = options_.name;
  info.pool_id = manifest.id;
  info.base = model_.base();
  info.weights = report_.weights;
  info.mode = to_string(options_.blend.mode);
  info.rank = static_cast<int>(max_rank(report_.task.adapter));
  info.relative_error = report_.relative_error;
  info.n_examples = z_.rows;
  info.kept = report_.kept;
  info.prompt = manifest.prompt;
  info.embedding = pool_.gate().embedding;
  info.whitening = pool_.gate().whitening;
  info.scope_examples = z_;
  info.scope = manifest.scope;
  info.head = kept.head;
  info.policy.local_only = options_.local_only;
  const bool compared = report_.leave_one_out.has_value();
  info.generic = generic;
  if (compared) info.judged = internal::judged_examples(report_.judged_scores, data_);
  info.calibration = fit_to_judged(info.judged, generic);
  info.recent_scores = internal::router_scores(compared ? report_.judged_scores : kept.scores,
                                               data_, compared, info.calibration, info.scope);
  report_.task.info = std::move(info);
  report_.n_examples = z_.rows;
}

CustomizeReport Customizer::run(std::span<const Example> examples) {
  check(examples);
  embed(examples);
  weigh();
  pick_choices(examples);
  blend();
  choose();
  report_.file = task_to_gguf(report_.task, options_.type);
  return std::move(report_);
}

}  // namespace

CustomizeReport customize(Pool& pool, const Model& model, Engine& engine,
                          std::span<const Example> examples, const CustomizeOptions& options,
                          const OnProgress& on_progress) {
  return Customizer(pool, model, engine, options, on_progress).run(examples);
}

}  // namespace crayon
